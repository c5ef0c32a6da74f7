#!/usr/bin/env python3
"""What `l3net live` costs, and how much it judges: a Markdown table for RESULTS.md.

    python3 benches/live_monitor.py target/optimised/l3net [SECONDS] [STREAMS]

ffmpeg sends one clip of 640 x 360 (H.264, AAC) as so many MPEG transport streams over UDP, in
real time and for ever. Measured are STREAMS (12) streams for SECONDS (60) s, one stream, the
page without and with somebody who looks at it, and the memory of one stream with page and
recordings after two minutes. CPU is that of the threads of the process, by their names;
senders are not counted, but they and `l3net` share the machine.
"""

import json
import os
import re
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections import Counter
from pathlib import Path

from live_lag import make, send

FIRST_PORT = 15_100
PAGE = "127.0.0.1:15099"
TICKS = os.sysconf("SC_CLK_TCK")
# Of our own convolutions, and whoever calls them.
NETWORK = re.compile(r"network|conv \d+")
# Of a run with one stream.
ONE_S = 45
MEMORY_S = 120


def main() -> None:
    program = sys.argv[1]
    seconds = int(sys.argv[2]) if len(sys.argv) > 2 else 60
    streams = int(sys.argv[3]) if len(sys.argv) > 3 else 12
    network_ms, network_rate = network(program)
    with tempfile.TemporaryDirectory() as folder:
        clip = Path(folder) / "clip.ts"
        make(clip, "640x360", "1M")
        addresses = [f"udp://127.0.0.1:{FIRST_PORT + n}" for n in range(streams)]
        senders = [send(clip, address) for address in addresses]
        try:
            many = Run(program, addresses, seconds)
            one = Run(program, addresses[:1], ONE_S)
            page = Run(program, addresses[:1], ONE_S, ["--web", PAGE])
            watched = Run(program, addresses[:1], ONE_S, ["--web", PAGE], looks_at_page)
            record = str(Path(folder) / "record")
            more = ["--web", PAGE, "--record", record]
            kept = Run(program, addresses[:1], MEMORY_S, more)
        finally:
            for sender in senders:
                sender.kill()

    print("| what | |")
    print("|---|---|")
    row("the network alone, batches of 4", f"{network_rate:.1f} moments/s, {network_ms:.0f} ms a moment")
    row(f"{streams} streams, {many.wall_s:.0f} s: moments", f"{many.rate:.1f} a second")
    row("lost, by reason", ", ".join(f"{why} {n}" for why, n in many.lost.items()) or "none")
    row("CPU of all but the network", f"{many.rest / streams:.3f} of a core a stream")
    row("CPU of the network", f"{many.network:.2f} of a core")
    row("latency, 50 and 99 %", f"{many.latency(0.5):.0f} and {many.latency(0.99):.0f} ms")
    row("one stream: latency, 50 and 99 %", f"{one.latency(0.5):.0f} and {one.latency(0.99):.0f} ms")
    row("its network, 50 and 99 %", f"{one.net(0.5):.0f} and {one.net(0.99):.0f} ms")
    row("CPU of all but the network", f"{one.rest:.3f} of a core")
    row("with the page, nobody looks", f"{page.rest:.3f} of a core, {page.rest - one.rest:+.3f}")
    row("with the page and a browser", f"{watched.rest:.3f} of a core, {watched.rest - one.rest:+.3f}")
    row("load of the machine, 1 and 15 min", "{:.1f} and {:.1f}".format(*os.getloadavg()[::2]))
    row(f"resident memory with page and --record after {MEMORY_S} s", f"{kept.rss_mb:.0f} MB")
    for name, megabytes in kept.memory[:8]:
        row(f"- {name}", f"{megabytes:.1f} MB")


def row(what: str, figure: str) -> None:
    print(f"| {what} | {figure} |")


def network(program: str) -> tuple[float, float]:
    command = [program, "bench", "throughput", "--batch", "4", "--size", "455x256"]
    done = subprocess.run([*command, "--seconds", "15", "--json"], stdout=subprocess.PIPE, check=True)
    case = json.loads(done.stdout)["cases"][0]
    rate = case["moments_per_second"]
    return 1000 / rate, rate


def looks_at_page(until: float) -> None:
    """As a browser does: news as they come, and a new picture each second."""
    base = f"http://{PAGE}"

    def listen() -> None:
        with urllib.request.urlopen(f"{base}/api/live", timeout=20) as news:
            while time.time() < until and news.readline():
                pass

    threading.Thread(target=listen, daemon=True).start()
    name = json.load(urllib.request.urlopen(f"{base}/api/streams"))["streams"][0]["name"]
    path = urllib.request.quote(name, safe="")
    while time.time() < until:
        urllib.request.urlopen(f"{base}/api/streams/{path}/latest.jpg", timeout=20).read()
        time.sleep(1)


class Run:
    """A run that is measured after its first ten seconds."""

    def __init__(self, program, addresses, seconds, more=(), watch=None):
        command = [program, "live", *addresses, "--quiet", "--json", "-", *more]
        self.lost, self.latencies, self.nets = Counter(), [], []
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as live:
            reader = threading.Thread(target=self.read, args=(live.stdout,))
            reader.start()
            time.sleep(10)
            self.lost.clear()
            before, begun, moments = cpu(live.pid), time.time(), len(self.latencies)
            until = begun + seconds
            if watch:
                threading.Thread(target=watch, args=(until,), daemon=True).start()
            time.sleep(seconds)
            self.wall_s = time.time() - begun
            used = cpu(live.pid) - before
            self.rate = (len(self.latencies) - moments) / self.wall_s
            self.latencies, self.nets = self.latencies[moments:], self.nets[moments:]
            self.lost = dict(self.lost)
            self.network = sum(s for name, s in used.items() if NETWORK.fullmatch(name)) / self.wall_s
            self.rest = sum(used.values()) / self.wall_s - self.network
            self.rss_mb, self.memory = memory(live.pid)
            live.terminate()
            reader.join()

    def read(self, lines) -> None:
        for line in lines:
            record = json.loads(line)
            if record["type"] == "gap":
                self.lost[record["why"]] += record["lost"]
            if record["type"] == "moment":
                self.latencies.append(record["latency_ms"]["total"])
                self.nets.append(record["latency_ms"]["net"])

    def latency(self, share: float) -> float:
        return percentile(self.latencies, share)

    def net(self, share: float) -> float:
        return percentile(self.nets, share)


def percentile(values: list[float], share: float) -> float:
    return sorted(values)[int(share * (len(values) - 1))] if values else float("nan")


def cpu(pid: int) -> Counter:
    """Seconds of CPU by the names of threads; of those that have ended under `ended`."""
    used = Counter()
    for task in Path(f"/proc/{pid}/task").iterdir():
        try:
            text = (task / "stat").read_text()
        except OSError:
            continue
        name, rest = text[text.index("(") + 1 : text.rindex(")")], text[text.rindex(")") + 2 :].split()
        used[name] += (int(rest[11]) + int(rest[12])) / TICKS
    text = Path(f"/proc/{pid}/stat").read_text()
    rest = text[text.rindex(")") + 2 :].split()
    used["ended"] += (int(rest[11]) + int(rest[12])) / TICKS - sum(used.values())
    return used


def memory(pid: int) -> tuple[float, list[tuple[str, float]]]:
    """Resident memory, and where it is: files, the heap, other memory of our own."""
    places = Counter()
    name = ""
    for line in Path(f"/proc/{pid}/smaps").read_text().splitlines():
        head = re.match(r"[0-9a-f]+-[0-9a-f]+ (\S+) \S+ \S+ \S+ *(.*)", line)
        if head:
            name = Path(head[2]).name if head[2] else "anonymous"
        elif line.startswith("Rss:"):
            places[name] += int(line.split()[1]) / 1024
    return sum(places.values()), places.most_common()


if __name__ == "__main__":
    main()
