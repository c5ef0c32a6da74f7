#!/usr/bin/env python3
"""What `l3net live` finds of clocks that drift, on a real film.

    python3 benches/av_drift.py target/debug/l3net FILM SECONDS [JITTER_MS]    (gst-launch-1.0)

Sends FILM (H.264 and AAC in MP4) as MPEG transport streams over UDP in real time, by their own
clock, with timestamps of the sound that run fast or slow by known amounts, and prints what
each stream's `av_drift_ms` is every minute, and the events. Packets come up to JITTER_MS late,
in their order.
"""

import json
import random
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from pathlib import Path

PPM = [0, -1_000, 1_000]
FIRST_PORT = 15_100
PAGE = 15_090
PACKET = 188


def packets(film: Path, folder: Path) -> bytes:
    out = folder / "film.ts"
    description = (
        f"mpegtsmux name=m ! filesink location={out} filesrc location={film} ! qtdemux name=d "
        "d.video_0 ! queue ! h264parse config-interval=-1 ! m. d.audio_0 ! queue ! aacparse ! m."
    )
    subprocess.run(["gst-launch-1.0", "-q", *description.split()], check=True)
    return out.read_bytes()


def clock_of(packet: bytes):
    """The clock (PCR) of a packet in seconds, if it has one."""
    if packet[3] & 0x20 and packet[4] >= 7 and packet[5] & 0x10:
        return (int.from_bytes(packet[6:10]) << 1 | packet[10] >> 7) / 90_000
    return None


def pes_at(packet: bytes):
    """Where the header of a packet of sound begins, if one does."""
    if packet[1] & 0x40:
        begin = 4 + (packet[4] + 1 if packet[3] & 0x20 else 0)
        if packet[begin : begin + 3] == b"\0\0\1" and 0xC0 <= packet[begin + 3] <= 0xDF:
            return begin
    return None


def shifted(packet: bytes, ppm: float, first: list) -> bytes:
    begin = pes_at(packet)
    if begin is None or not packet[begin + 7] & 0x80:
        return packet
    a, b, c, d, e = packet[begin + 9 : begin + 14]
    pts = (a >> 1 & 7) << 30 | b << 22 | c >> 1 << 15 | d << 7 | e >> 1
    first.append(pts)
    pts += round((pts - first[0]) * ppm * 1e-6)
    first[1:] = []
    new = bytes([
        a & 0xF1 | (pts >> 30 & 7) << 1, pts >> 22 & 255, (pts >> 15 & 127) << 1 | 1,
        pts >> 7 & 255, (pts & 127) << 1 | 1,
    ])  # fmt: skip
    return packet[: begin + 9] + new + packet[begin + 14 :]


def send(data: bytes, port: int, ppm: float, jitter_ms: float) -> None:
    import socket

    out = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    begun, origin, first, chance = time.monotonic(), None, [], random.Random(port)
    waiting = b""
    for at in range(0, len(data) - PACKET + 1, PACKET):
        packet = data[at : at + PACKET]
        clock = clock_of(packet)
        if clock is not None:
            origin = clock if origin is None else origin
            due = begun + clock - origin + chance.random() * jitter_ms / 1e3
            time.sleep(max(0.0, due - time.monotonic()))
        waiting += shifted(packet, ppm, first)
        if len(waiting) == 7 * PACKET or clock is not None:
            out.sendto(waiting, ("127.0.0.1", port))
            waiting = b""


def main() -> None:
    program, film, seconds = sys.argv[1], Path(sys.argv[2]).absolute(), int(sys.argv[3])
    jitter_ms = float(sys.argv[4]) if len(sys.argv) > 4 else 0.0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        data = packets(film, folder)
        text = f'[web]\naddress = ":{PAGE}"\n[detect]\nfrozen.enabled = false\n'
        for n, ppm in enumerate(PPM):
            text += f'[[stream]]\nname = "{ppm:+d} ppm"\nsource = "udp://127.0.0.1:{FIRST_PORT + n}"\n'
        streams = folder / "streams.toml"
        streams.write_text(text)
        command = [program, "live", "--streams", streams, "--json", folder / "out.jsonl", "-q"]
        live = subprocess.Popen(list(map(str, command)))
        time.sleep(5)
        for n, ppm in enumerate(PPM):
            args = (data, FIRST_PORT + n, ppm, jitter_ms)
            threading.Thread(target=send, args=args, daemon=True).start()
        try:
            for elapsed in range(30, seconds + 1, 30):
                time.sleep(30)
                told = get("streams")["streams"]
                print(f"{elapsed} s:", {s["name"]: (s["av_drift_ms"], s["sound_clock_ppm"], s["picture_clock_ppm"]) for s in told}, flush=True)
            events = [e for e in get("events")["events"] if e["kind"] == "out_of_sync"]
            print("events:", [(e["stream"], e["what"]) for e in events])
        finally:
            live.terminate()
            live.wait()


def get(what: str):
    with urllib.request.urlopen(f"http://127.0.0.1:{PAGE}/api/{what}", timeout=10) as answer:
        return json.load(answer)


main()
