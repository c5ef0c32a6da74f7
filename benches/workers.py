#!/usr/bin/env python3
"""Training in several processes against one process with as many threads, by turns.

    benches/workers.py [--l3net target/optimised/l3net] [--processes 2] [--batch 16] [--steps 10]
                       [--turns 2] [DATA ...]

Starts the processes as torchrun does, over loopback, one thread each. Reads the speed and the
share of the exchange (without the wait for slower processes) from the run's event file.
One JSON line a run. Needs nothing but Python.
"""
import argparse
import json
import os
import pathlib
import socket
import struct
import subprocess
import tempfile

SPEED, EXCHANGE = "speed/examples_per_s", "speed/exchanging"


def scalars(folder):
    """The last value of each curve in a folder of event files."""
    found = {}
    for file in sorted(folder.iterdir()):
        data = file.read_bytes()
        at = 0
        while at + 12 <= len(data):
            (size,) = struct.unpack_from("<Q", data, at)
            event = data[at + 12:at + 12 + size]
            at += 16 + size
            # A value: its tag (field 1), its number (field 2, four bytes).
            place = event.find(b"\x0a")
            while place >= 0:
                end = place + 2 + event[place + 1] if place + 1 < len(event) else len(event)
                if event[end:end + 1] == b"\x15" and end + 5 <= len(event):
                    tag = event[place + 2:end].decode(errors="replace")
                    found[tag] = struct.unpack_from("<f", event, end + 1)[0]
                    place = end + 4
                place = event.find(b"\x0a", place + 1)
    return found


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def run(args, processes, threads):
    with tempfile.TemporaryDirectory() as folder:
        command = [args.l3net, "train", *args.data, "-q", "--precision", "f32", "--threads", str(threads),
                   "--loaders", "1", "--batch", str(args.batch), "--steps", str(args.steps),
                   "--validate-every", str(args.steps), "--validation-pairs", "2", "-o", f"{folder}/m.safetensors"]
        port = free_port()
        started = []
        for rank in range(processes):
            world = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": processes, "MASTER_ADDR": "127.0.0.1",
                     "MASTER_PORT": port} if processes > 1 else {}
            env = os.environ | {name: str(value) for name, value in world.items()}
            started.append(subprocess.Popen(command, env=env))
        codes = [one.wait() for one in started]
        if any(codes):
            raise SystemExit(f"exit codes {codes}")
        found = scalars(pathlib.Path(folder) / "m.events")
        return {"processes": processes, "threads": threads, "pairs_per_s": round(found[SPEED], 3),
                "exchanging": round(found.get(EXCHANGE, 0.0), 4)}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--l3net", default="target/optimised/l3net")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--turns", type=int, default=2)
    parser.add_argument("data", nargs="*", default=["synth:"], metavar="DATA")
    args = parser.parse_args()
    for _ in range(args.turns):
        for processes, threads in [(1, args.processes), (args.processes, 1)]:
            print(json.dumps(run(args, processes, threads)), flush=True)


if __name__ == "__main__":
    main()
