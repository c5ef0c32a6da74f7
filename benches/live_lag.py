#!/usr/bin/env python3
"""How late results of live streams are, as their reader sees it.

    python3 benches/live_lag.py target/debug/l3net 20      (ffmpeg in PATH)

Sends one clip as so many MPEG transport streams over UDP, in real time and for ever, watches
all of them with one `l3net live`, and prints how long after the end of its second each
moment arrived: once streams need more than the machine has, moments must become fewer, not
later.
"""

import json
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import datetime
from pathlib import Path

SECONDS = 60
FIRST_PORT = 15_000


def main() -> None:
    program, streams = sys.argv[1], int(sys.argv[2])
    with tempfile.TemporaryDirectory() as folder:
        clip = Path(folder) / "clip.ts"
        make(clip, "1920x1080", "4M")
        addresses = [f"udp://127.0.0.1:{FIRST_PORT + n}" for n in range(streams)]
        senders = [send(clip, address) for address in addresses]
        try:
            watch(program, addresses)
        finally:
            for sender in senders:
                sender.kill()


def make(clip: Path, size: str, rate: str) -> None:
    """Twenty seconds of H.264 and AAC."""
    command = [
        "ffmpeg", "-v", "error", "-y",
        "-f", "lavfi", "-i", f"testsrc2=s={size}:r=25:d=20",
        "-f", "lavfi", "-i", "sine=f=440:r=48000:d=20",
        "-c:v", "libx264", "-preset", "veryfast", "-g", "50", "-b:v", rate,
        "-c:a", "aac", "-shortest",
    ]  # fmt: skip
    subprocess.run([*command, clip], check=True)


def send(clip: Path, address: str) -> subprocess.Popen:
    command = ["ffmpeg", "-v", "quiet", "-re", "-stream_loop", "-1", "-i", clip, "-c", "copy"]
    return subprocess.Popen([*command, "-f", "mpegts", f"{address}?pkt_size=1316"])


def watch(program: str, addresses: list[str]) -> None:
    command = [program, "live", *addresses, "--json", "-", "--seconds", str(SECONDS)]
    late, lost, last = [], {}, {}
    begun = time.time()
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as live:
        for line in live.stdout:
            record, now = json.loads(line), time.time()
            if record["type"] == "gap":
                lost[record["why"]] = lost.get(record["why"], 0) + record["lost"]
            if record["type"] == "moment":
                end = datetime.fromisoformat(record["utc"]).timestamp()
                late.append(now - end)
                last[record["stream"]] = now - end
    moments = len(late)
    print(f"{len(addresses)} streams, {time.time() - begun:.0f} s: {moments} moments, lost {lost}")
    if late:
        late.sort()
        print(
            f"late by {statistics.median(late):.2f} s (median), "
            f"{late[int(0.99 * (moments - 1))]:.2f} s (99 %), {late[-1]:.2f} s (worst); "
            f"at the end {max(last.values()):.2f} s (worst stream)"
        )


if __name__ == "__main__":
    main()
