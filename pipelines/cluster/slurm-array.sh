#!/bin/bash
# One job of an array a shard: sbatch slurm-array.sh
#
# What is missing afterwards, for whatever reason, runs again with
#   sbatch $(l3net batch --status "$OUT") slurm-array.sh
#SBATCH --job-name=l3net
#SBATCH --array=0-19
#SBATCH --cpus-per-task=4
#SBATCH --mem=4G
#SBATCH --time=08:00:00
#SBATCH --signal=B:TERM@120
set -euo pipefail

IN=${IN:-/data/videos}
OUT=${OUT:-/data/results}

# SLURM_ARRAY_TASK_ID says which shard. /20 stays when a part of the array runs again.
# TERM comes two minutes before the time is over: what was judged is kept, and the same
# command goes on from there.
exec l3net batch "$IN" -o "$OUT" --clips "$OUT-clips" --shard /20 --jobs "$SLURM_CPUS_PER_TASK"
