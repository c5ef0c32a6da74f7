#!/usr/bin/env python3
"""l3net over many files with Ray Data: an actor a worker, each with one process.

    pip install 'ray[data]'
    python3 ray_batch.py LIST OUT [ACTORS]

LIST has a path a line. Ray gives each actor blocks of paths; the actor hands them to one
`l3net batch --files-from -` a block, whose OUT is a part of its own. The rows of --clips come
back as a Ray dataset. Of a block that Ray runs again, l3net judges what is missing.
"""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import ray

PROGRAM = os.environ.get("L3NET", "l3net")
BLOCK = 64


class Judge:
    def __init__(self, out):
        self.out = Path(out)
        for folder in ("moments", "clips"):
            (self.out / folder).mkdir(parents=True, exist_ok=True)

    def __call__(self, block):
        paths = [str(path) for path in block["path"]]
        # The same block has the same part, however often it runs.
        name = hashlib.sha256("\0".join(paths).encode()).hexdigest()[:16] + ".parquet"
        clips = self.out / "clips" / name
        command = [PROGRAM, "batch", "--files-from", "-", "--quiet"]
        command += ["-o", self.out / "moments" / name, "--clips", clips]
        done = subprocess.run(
            command, input="\0".join(paths) + "\0", text=True, stderr=subprocess.PIPE
        )
        # 1: some files failed; their rows say why.
        if done.returncode not in (0, 1) or not clips.exists():
            raise RuntimeError(done.stderr)
        return pq.read_table(clips)


def main():
    listed, out = sys.argv[1:3]
    actors = int(sys.argv[3]) if len(sys.argv) > 3 else 1
    paths = Path(listed).read_text().splitlines()
    blocks = max(1, min(len(paths) // BLOCK, 100 * actors))
    clips = (
        ray.data.from_items([{"path": path} for path in paths], override_num_blocks=blocks)
        .map_batches(
            Judge,
            fn_constructor_args=[os.path.abspath(out)],
            batch_size=BLOCK,
            batch_format="pyarrow",
            concurrency=actors,
        )
        .materialize()
    )
    print(clips.count(), "clips; mean correspondence", clips.mean("correspondence_mean"))


if __name__ == "__main__":
    main()
