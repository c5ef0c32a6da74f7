#!/usr/bin/env python3
"""A million sources: how long listing, sharding and resuming take, and the memory.

    python3 benches/many_sources.py target/optimised/l3net [SOURCES]

Makes that many empty files, a list of them, and what a run that judged them all would have
left: a summary and two moments each. Then measures runs that find all of it done (a shard of
20 in a folder; all in one table) and --status of a run of 10,000 shards. A Markdown table.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

SHARDS = 20
MANY = 10_000


def moment(stream, seq):
    second = 1_000_000_000
    return {
        "type": "moment", "stream": stream, "seq": seq, "start_ns": seq * second,
        "end_ns": (seq + 1) * second, "frame_ns": seq * second + second // 2, "utc": None,
        "correspondence": 0.5, "logits": [0.0, 0.0],
        "audio": {"rms_dbfs": -20.0, "silent": False},
        "video": {"width": 640, "height": 360, "still": False},
        "heatmap": {"rows": 16, "cols": 28, "crop": "full", "peak": [0.5, 0.5], "max": 1.0,
                    "file": None},
        "sound_heatmap": {"rows": 16, "cols": 12, "peak_hz": 440.0, "peak_s": 0.5, "max": 1.0,
                          "file": None},
        "latency_ms": {"wait": 0.0, "features": 0.0, "net": 0.0, "total": 0.0},
    }  # fmt: skip


def records(stream, model):
    yield moment(stream, 0)
    yield moment(stream, 1)
    yield {
        "type": "summary", "stream": stream, "moments": 2, "mean_correspondence": 0.5,
        "gaps": 0, "seconds": 2.0, "wall_s": 0.1, "model": model, "bytes": 0,
    }  # fmt: skip


def in_shard(name, index):
    """As documented in src/dataset/shard.rs."""
    h = 0xCBF29CE484222325
    for byte in name.encode():
        h = (h ^ byte) * 0x100000001B3 % 2**64
    h = (h ^ h >> 30) * 0xBF58476D1CE4E5B9 % 2**64
    h = (h ^ h >> 27) * 0x94D049BB133111EB % 2**64
    return (h ^ h >> 31) % SHARDS == index


def write(file, names, model):
    with open(file, "w") as lines:
        for name in names:
            for record in records(name, model):
                lines.write(json.dumps(record) + "\n")


def measured(command):
    """Seconds and MB."""
    begun = time.monotonic()
    process = subprocess.Popen([str(word) for word in command], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    said = process.stderr.read().decode()
    _, status, usage = os.wait4(process.pid, 0)
    if os.waitstatus_to_exitcode(status) not in (0, 1):
        raise SystemExit(said)
    return time.monotonic() - begun, usage.ru_maxrss / 1e3, said


def main():
    program = Path(sys.argv[1]).resolve()
    count = int(sys.argv[2]) if len(sys.argv) > 2 else 1_000_000
    print("| what | s | MB |")
    print("|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        names = [f"films/{n // 1000:04}/{n:07}.mp4" for n in range(count)]
        for name in names:
            if name.endswith("000.mp4"):
                os.makedirs(os.path.dirname(name), exist_ok=True)
            os.close(os.open(name, os.O_CREAT))
        Path("list").write_text("\n".join(names) + "\n")
        batch = [program, "batch", "--files-from", "list"]
        # The first makes run.json, which names the model.
        empty = [program, "batch", "none.mp4", "-o", "out", "--shard", f"1/{SHARDS}"]
        measured(empty)
        model = json.loads(Path("out/_l3net/run.json").read_text())["model"]

        mine = [name for name in names if in_shard(name, 0)]
        write(f"out/_l3net/part-00000-of-{SHARDS:05}.jsonl", mine, model)
        write("all.parquet.part.jsonl", names, model)
        for what, to in [
            (f"{count:,} sources listed, a shard of {SHARDS}", ["-o", "out", "--shard", f"0/{SHARDS}"]),
            (f"{count:,} sources in one table", ["-o", "all.parquet"]),
        ]:
            for how in ("from lines, which become the table", "from the table"):
                seconds, megabytes, said = measured(batch + to)
                if "done already" not in said:
                    raise SystemExit(said)
                print(f"| {what}, all done, resumed {how} | {seconds:.1f} | {megabytes:.0f} |", flush=True)

        measured([program, "batch", "none.mp4", "-o", "many", "--shard", f"0/{MANY}"])
        marker = json.dumps({"sources": 100, "failed": 0, "ended": "2026-11-30T12:00:00Z"})
        for index in range(0, MANY, 2):
            Path(f"many/_l3net/part-{index:05}-of-{MANY:05}.done").write_text(marker)
        seconds, megabytes, _ = measured([program, "batch", "--status", "many"])
        print(f"| --status of {MANY:,} shards, half of them done | {seconds:.2f} | {megabytes:.0f} |")


if __name__ == "__main__":
    main()
