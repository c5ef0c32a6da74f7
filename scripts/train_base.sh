#!/usr/bin/env bash
# Trains the shipped model: models/l3net-base.safetensors.
#
#   scripts/train_base.sh DATA OUT [OPTION…]
#
# DATA holds the folders sprites, photos, sounds_esc10, sounds_more, sounds_world,
# talkers and digits (models/l3net-base.md names their sources); OUT is a folder for the model,
# its checkpoints and more drawings, which scripts/drawings.py fetches. Each call resumes
# where the last one ended, so
#
#   scripts/train_base.sh data run --minutes 9 --batch 256 --steps 20000
#
# trains nine minutes at a time. L3NET names the program; one built with
# --no-default-features, without GStreamer, will do. The held-out data for the
# published figures is chosen here and nowhere else: fold 5 of ESC-10, what the manifests call test, the sprites in
# the styles below, FSDD's recordings 0 to 4, MNIST's pictures from 9000 on.
set -euo pipefail

usage() { sed -n '2,/^set/{/^set/d;s/^# \{0,1\}//;p}' "$0" >&2; exit 2; }
[ $# -ge 2 ] || usage
data=$1 out=$2
shift 2
here=$(cd "$(dirname "$0")/.." && pwd)
l3net=${L3NET:-$here/target/debug/l3net}

mkdir -p "$out"
digits=$out/digits world=$out/world drawings=$out/drawings
[ -f "$digits/cutouts/manifest.csv" ] || "$here/scripts/digits.py" "$data/digits" "$digits"
[ -f "$world/sounds/manifest.csv" ] || "$here/scripts/world.py" "$data" "$world"
[ -d "$drawings" ] || { "$here/scripts/drawings.py" "$drawings.part" && mv "$drawings.part" "$drawings"; }

sounds=$data/sounds_esc10+$data/sounds_more+$digits/speech+$world/sounds
exec "$l3net" train \
  "synth:objects=1-3,weight=1" \
  "synth:objects=1-3,sprites=$data/sprites+$digits/cutouts+$drawings,sounds=$sounds+$digits/sounds,photos=$world/images,test=emojitwo_*+gameicons_chainsaw*,weight=4" \
  "classes:sounds=$sounds,images=$world/images,weight=4" \
  "classes:sounds=$digits/sounds,images=$digits/images,weight=1" \
  -o "$out/l3net-base.safetensors" --resume \
  --pairs all --augment strong --batch 16 --lr 1e-3 --validate-every 500 "$@"
