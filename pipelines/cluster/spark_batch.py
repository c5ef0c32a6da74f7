#!/usr/bin/env python3
"""l3net over many files with Spark: a process a partition.

    pip install pyspark
    spark-submit spark_batch.py LIST OUT [PARTITIONS]

LIST has a path a line. Each partition hands its paths to one `l3net batch --files-from -`,
which writes into OUT on a disk that all see; a partition that Spark runs again goes on from
there. Then the rows of all clips are one DataFrame.
"""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

from pyspark.sql import SparkSession

PROGRAM = os.environ.get("L3NET", "l3net")


def judge(out):
    def of(lines):
        paths = [line.strip() for line in lines if line.strip()]
        if not paths:
            return
        # The same partition has the same part, however often it runs.
        name = hashlib.sha256("\0".join(paths).encode()).hexdigest()[:16] + ".parquet"
        clips = Path(out) / "clips" / name
        command = [PROGRAM, "batch", "--files-from", "-", "--quiet"]
        command += ["-o", Path(out) / "moments" / name, "--clips", clips]
        done = subprocess.run(
            command, input="\0".join(paths) + "\0", text=True, stderr=subprocess.PIPE
        )
        # 1: some files failed; their rows say why.
        if done.returncode not in (0, 1) or not clips.exists():
            raise RuntimeError(done.stderr)
        yield str(clips)

    return of


def main():
    listed, out = sys.argv[1], os.path.abspath(sys.argv[2])
    partitions = int(sys.argv[3]) if len(sys.argv) > 3 else 2
    for folder in ("moments", "clips"):
        (Path(out) / folder).mkdir(parents=True, exist_ok=True)
    spark = SparkSession.builder.appName("l3net").getOrCreate()
    paths = Path(listed).read_text().splitlines()
    parts = spark.sparkContext.parallelize(paths, partitions).mapPartitions(judge(out)).collect()
    clips = spark.read.parquet(*parts)
    clips.selectExpr("count(*)", "avg(correspondence_mean)", "min(chance_z)").show()
    spark.stop()


if __name__ == "__main__":
    main()
