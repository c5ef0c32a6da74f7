#!/usr/bin/env python3
"""Can the network tell by how much sound is shifted against the picture?

    python3 benches/av_offset.py target/debug/l3net DATA [FOLDER]      (needs numpy)

Takes the features of every frame and every second of sound, each 0.1 s (`l3net embed`), and
answers with the model's fusion for each frame and the sound around it, shifted by -1 to
+1 s. The shift whose answers are best on average over the clip is the estimate: of the
answers as they are, and "centred", less what is common to all answers to a frame and to all
to a sound, so that only what they have with each other counts. Sound that is delayed by a multiple of 0.1 s has the same windows at other places, so it is shifted by
counting rows. By chance an estimate is within 0.1 s in 3 of 21 cases. FOLDER keeps what was
computed.
"""

import json
import struct
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

HOP_S = 0.1
REACH = 10  # of the search, in hops
SHIFTS = [0, 1, -1, 2, -2, 4, -4, 8, -8]
LEAST_ROWS = 5
SECONDS = 12


def fusion(model: Path):
    """(vision [n, 512], audio [n, 512]) -> difference of the logits of all pairs [n, n]."""
    data = model.read_bytes()
    (length,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8 : 8 + length])

    def tensor(name):
        what = header[f"fusion.{name}"]
        begin, end = what["data_offsets"]
        kind = {"F16": np.float16, "F32": np.float32}[what["dtype"]]
        values = np.frombuffer(data[8 + length + begin : 8 + length + end], kind)
        return values.astype(np.float64).reshape(what["shape"])

    w1, b1 = tensor("fc1.weight"), tensor("fc1.bias")
    w2, b2 = tensor("fc2.weight"), tensor("fc2.bias")

    def answer(vision, audio):
        seen, heard = vision @ w1[:, :512].T + b1, audio @ w1[:, 512:].T
        hidden = np.maximum(seen[:, None] + heard[None, :], 0)
        return hidden @ (w2[1] - w2[0]) + b2[1] - b2[0]

    return answer


def embed(l3net, sources, out: Path):
    if not out.exists():
        run = [l3net, "embed", *sources, "-o", out, "--hop", HOP_S, "--seconds", SECONDS]
        subprocess.run([*map(str, run), "--only", "audio_512,vision_512", "-q"], check=False)
    return np.load(out)


def curves(table, answer, centred):
    """Of each clip: the mean answer by how many hops the sound is later than the frame."""
    found = {}
    reach = REACH + max(SHIFTS)
    for stream in np.unique(table["stream"]):
        rows = table["stream"] == stream
        starts = np.rint(table["start_ns"][rows] / (HOP_S * 1e9)).astype(int)
        answers = answer(table["vision_512"][rows], table["audio_512"][rows])
        if centred:
            answers -= answers.mean(axis=0, keepdims=True)
            answers -= answers.mean(axis=1, keepdims=True)
        later = starts[None, :] - starts[:, None]
        found[stream] = {
            by: answers[later == by].mean()
            for by in range(-reach, reach + 1)
            if np.count_nonzero(later == by) >= LEAST_ROWS
        }
    return found


def estimate(curve, shift):
    """Where the best answer is if the sound were this much later; None if it is too short."""
    candidates = range(-REACH, REACH + 1)
    if any(at - shift not in curve for at in candidates):
        return None
    return max(candidates, key=lambda at: curve[at - shift])


def report(name, table, answer):
    print(f"\n{name}")
    for centred in (False, True):
        found = curves(table, answer, centred)
        cells = []
        for shift in SHIFTS:
            estimates = [estimate(curve, shift) for curve in found.values()]
            errors = np.array([abs(e - shift) for e in estimates if e is not None])
            if len(errors):
                within, middle = np.mean(errors <= 1), np.median(errors) * HOP_S
                cells.append(f"{shift * HOP_S:+.1f} s: {within:.0%} of {len(errors)}, {middle:.2f} s")
        print("  centred" if centred else "  as they are")
        print("    shift: within 0.1 s, median error;", "; ".join(cells))
        search = range(-REACH, REACH + 1)
        whole = [c for c in found.values() if all(d in c for d in search)]
        if whole:
            table_of = np.array([[c[d] for d in search] for c in whole])
            mean = table_of.mean(axis=0)
            peak = (int(mean.argmax()) - REACH) * HOP_S
            spread = table_of.std(axis=1).mean()
            print(
                f"    mean over {len(whole)} clips: best at {peak:+.1f} s; a clip's answers vary by "
                f"{spread:.3f} (sd) over -1 to +1 s"
            )
            print("    mean, every 0.2 s:", " ".join(f"{v:+.3f}" for v in mean[::2]))


def main():
    l3net, data = sys.argv[1], Path(sys.argv[2])
    kept = Path(sys.argv[3]) if len(sys.argv) > 3 else Path(tempfile.mkdtemp())
    kept.mkdir(parents=True, exist_ok=True)
    model = Path("models/l3net-base.safetensors")
    scenes = kept / "synth"
    if not scenes.exists():
        library = ["--sprites", data / "sprites", "--sounds", data / "sounds_esc10"]
        scene = ["--count", 12, "--seconds", SECONDS, "--objects", 1, "--seed", 5]
        run = [l3net, "synth", "-o", scenes, *library, *scene, "-q"]
        subprocess.run(list(map(str, run)), check=True)
    talkers = sorted((data / "clips").glob("grid_*"))
    talkers += sorted((data / "talkers/grid_s1").glob("*.mp4"))[:24]
    others = (p for p in sorted((data / "clips").iterdir()) if p.suffix != ".csv")
    clips = [p for p in others if "grid_" not in p.name]
    groups = {
        "made scenes, one moving thing": sorted(p for p in scenes.iterdir() if p.suffix in (".mkv", ".mp4", ".webm")),
        "talkers": talkers,
        "film, animation, water, a clock that beeps": clips,
        "real events": sorted((data / "real_eval").glob("*.mp4"))[:24],
    }
    tables = {}
    for number, (name, sources) in enumerate(groups.items()):
        tables[name] = embed(l3net, sources, kept / f"{number}.npz")
        report(name, tables[name], fusion(model))
    adapted = kept / "adapted.safetensors"
    events = "real events"
    if not adapted.exists():
        run = [l3net, "adapt", *groups[events], "-o", adapted, "--seconds", SECONDS, "-q"]
        subprocess.run(list(map(str, run)), check=True)
    report(f"{events}, model adapted to them", tables[events], fusion(adapted))


main()
