#!/usr/bin/env python3
"""Makes the combinations of plan.py with ffmpeg, reads them with PyAV, and writes what
is right of each to tests/data/combinations.jsonl. The test makes them again and holds
the program against that.

Needs ffmpeg, PyAV and NumPy (pip install av==18.1.0 numpy); the tests need ffmpeg alone.

    tests/oracle/combinations/read.py FOLDER          makes in FOLDER and writes the table
    tests/oracle/combinations/read.py --only FILE...  prints what it says of these files
"""

import concurrent.futures
import fractions
import json
import pathlib
import subprocess
import sys

import av
import numpy as np

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]
import media
import plan

TABLE = media.DATA / "combinations.jsonl"
# Containers whose first timestamp is the zero, for GStreamer as for players.
FLOATING_ZERO = media.FLOATING_ZERO | {"flv", "asf", "ogg"}


def heard(pcm):
    """Which time of the tone the first sample has: the pitch rises by 200 Hz a second."""
    level = np.sqrt(np.mean(pcm**2))
    crossings, armed, before = [], False, 0.0
    for i, x in enumerate(pcm):
        if x < -0.2 * level:
            armed = True
        elif armed and x >= 0 > before:
            crossings.append(i - x / (x - before))
            armed = False
        before = x
    if len(crossings) < 2:
        return None
    first, last = crossings[0] / media.RATE, crossings[-1] / media.RATE
    hertz = (len(crossings) - 1) / (last - first)
    return (hertz - 400) / 200 - (first + last) / 2


def number(rgb):
    """The number that is written in a picture, whichever way it is turned."""
    rgb = rgb.mean(axis=2)
    if rgb.shape[0] > rgb.shape[1]:
        rgb = rgb.T
    height, width = rgb.shape
    cells = []
    for i in range(9):
        x, y = int((i + 0.5) * width / 9), height // 2
        cells.append(rgb[y - 3 : y + 4, x - 3 : x + 4].mean() > 127)
    if cells[8] and not cells[0]:
        cells.reverse()
    if not cells[0] or cells[8]:
        return None
    return int("".join("01"[int(c)] for c in cells[1:8]), 2)


def pictures(frames):
    """Number and time of each frame; where they are regular, of the first and the step alone."""
    times = [[seen, round(at / 1e6, 1)] for at, seen in frames]
    first = times[0]
    step = round((times[-1][1] - first[1]) / max(1, len(times) - 1), 3)
    regular = all(
        seen == first[0] + i and abs(at - first[1] - i * step) < 1.1 for i, (seen, at) in enumerate(times)
    )
    if regular:
        return {"first": first[0], "at_ms": first[1], "every_ms": step, "count": len(times)}
    return times


def look(path):
    container = av.open(str(path), metadata_errors="ignore")
    video, audio = container.streams.video[0], container.streams.audio[0]
    sound, frames, errors = media.Sound(), [], 0
    for packet in container.demux([video, audio]):
        try:
            for frame in packet.decode():
                if packet.stream is audio:
                    sound.add(frame)
                elif frame.pts is not None:
                    seen = number(frame.to_ndarray(format="rgb24"))
                    frames.append((frame.time_base * frame.pts, seen))
        except av.FFmpegError:
            errors += 1
    name = container.format.name.split(",")[0]
    zero = fractions.Fraction(0)
    if name in FLOATING_ZERO:
        zero = min([s[0] for s in sound.stretches] + [f[0] for f in frames], default=zero)
    if name == "matroska":
        zero = fractions.Fraction(media.first_cluster_ns(path), 1_000_000_000)
    frames = sorted((media.ns(at - zero), seen) for at, seen in frames)
    numbers = dict(frames)
    stretches = []
    for at, rate, parts in sound.stretches:
        pcm = media.resampled(np.concatenate(parts), rate)
        stretches.append((max(0, media.ns(at - zero)), pcm))
    length = sum(len(pcm) for _, pcm in stretches)
    moments, lost = [], 0
    codec = audio.codec_context.name
    made = media.windows(stretches, list(numbers), length + media.TAIL < media.WINDOW)
    for window in made:
        if not window["frame_inside"]:
            lost += 1
            continue
        begin = window["start_ns"]
        start_ns, pcm = [s for s in stretches if s[0] <= begin][-1]
        at = round((begin - start_ns) * media.RATE / 1e9)
        time = heard(pcm[at : at + media.WINDOW])
        moments.append({
            "start_ms": round(begin / 1e6, 1),
            "heard_ms": round(time * 1e3, 1),
            "dbfs": window["rms_dbfs"],
        })
    return {
        "moments": moments,
        "frames": pictures(frames),
        "no_video": lost,
        "breaks": max(0, len(stretches) - 1),
        "sound_ms": round(length / 48, 1),
        "decode_errors": errors,
        "codec": codec,
        "surround": len(audio.codec_context.layout.channels) > 2,
    }


def ffmpeg(folder, text):
    line = ["ffmpeg", "-v", "error", "-nostdin", "-y", "-threads", "1", *text.split()]
    return subprocess.run(line, cwd=folder, capture_output=True, text=True)


def make_and_look(folder, name, text):
    if not (folder / name).exists():
        done = ffmpeg(folder, text)
        if done.returncode:
            (folder / name).unlink(missing_ok=True)
            return name, text, {"refused": done.stderr.strip().splitlines()[:2]}
    try:
        return name, text, look(folder / name)
    except Exception as cause:  # told in the table; the plan is mended by hand
        return name, text, {"unread": repr(cause)}


def main():
    if sys.argv[1] == "--only":
        for name in sys.argv[2:]:
            print(name, json.dumps(look(pathlib.Path(name)), indent=1))
        return
    folder = pathlib.Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in plan.sources() + plan.films():
        if not (folder / name).exists():
            done = ffmpeg(folder, text)
            assert done.returncode == 0, (name, done.stderr)
    rows = [plan.command(row) for row in plan.rows()] + plan.specials()
    with concurrent.futures.ProcessPoolExecutor(2) as pool:
        names, texts = zip(*rows)
        results = list(pool.map(make_and_look, [folder] * len(rows), names, texts, chunksize=4))
    lines = [{"name": name, "make": text, "source": True} for name, text in plan.sources() + plan.films()]
    for name, text, right in results:
        if "refused" in right or "unread" in right:
            print(name, right, file=sys.stderr)
            continue
        # Whether the last second counts as whole must not depend on a few samples.
        if 950 < right["sound_ms"] % 1000 < 998:
            continue
        kept = {key: value for key, value in right.items() if value not in (0, False)}
        kept.pop("sound_ms", None)
        kept.pop("decode_errors", None)
        lines.append({"name": name, "make": text, **kept})
    TABLE.write_text("".join(json.dumps(line, separators=(",", ":")) + "\n" for line in lines))


if __name__ == "__main__":
    main()
