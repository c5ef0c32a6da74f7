#!/usr/bin/env python3
"""How soon swapped sound is detected, and how many alarms are false.

    python3 benches/cross_wired.py target/debug/l3net DATA [FOLDER]      (ffmpeg in PATH)

Joins what DATA holds (clips, talkers, photos and sounds_esc10) to long recordings, each as
if of one fixed camera: a clock, two talkers, and a photograph with all sounds of its class.
`l3net adapt` learns one half of each; in the other half the sound stays as it is, or is
swapped for that of another camera after 30 s. An alarm begins when the mean margin of
the last ten seconds falls under the threshold, and ends when it is over it again; one that is
on at the swap counts as false, and as detected at once. Then with the halves changed over. FOLDER keeps the recordings.
"""

import csv
import json
import math
import statistics
import subprocess
import sys
import tempfile
from collections import defaultdict
from pathlib import Path

LONG_S = 10
SWAP_S = 30
THRESHOLDS = [-2.0, -1.0, 0.0, 1.0, 2.0]
PHOTOS = {  # one photograph for each class of sounds
    "dog_bark": "dog_bark", "rain": "rain", "rooster": "rooster", "sea_waves": "sea_waves",
    "clock_tick": "clock_tick", "helicopter": "helicopter", "chainsaw": "silent_stapler",
    "baby_cry": "silent_ceiling_fan", "fire_crackling": "silent_gramophone",
    "person_sneeze": "speech",
}  # fmt: skip
SCALE = "scale=320:256,fps=5,format=yuv420p"


def ffmpeg(*arguments) -> None:
    """Makes its last argument; what is cut off half-way is not taken for whole later."""
    *arguments, out = arguments
    part = out.with_name(f"part-{out.name}")
    command = ["ffmpeg", "-v", "error", "-y", *map(str, arguments), part]
    subprocess.run(command, check=True)
    part.rename(out)


def joined(files: list[Path], out: Path, picture: Path | None = None) -> None:
    """One recording of many, with their pictures or with one that stands still."""
    listed = out.with_suffix(".txt")
    parts = []
    for number, file in enumerate(files):
        part = out.with_name(f"{out.stem}.{number}.wav")
        ffmpeg("-i", file, "-ac", 1, "-ar", 48000, part)
        parts.append(part)
    listed.write_text("".join(f"file '{part}'\n" for part in parts))
    sound = out.with_suffix(".wav")
    ffmpeg("-f", "concat", "-safe", 0, "-i", listed, "-c", "copy", sound)
    if picture is None:
        listed.write_text("".join(f"file '{file}'\n" for file in files))
        seen = ["-f", "concat", "-safe", 0, "-i", listed]
    else:
        seen = ["-loop", 1, "-i", picture]
    ffmpeg(*seen, "-i", sound, "-map", "0:v", "-map", "1:a", "-shortest", "-vf", SCALE,
           "-c:v", "libx264", "-preset", "ultrafast", "-c:a", "flac", out)  # fmt: skip
    for part in [*parts, listed, sound]:
        part.unlink()


def rows(folder: Path) -> list[dict]:
    with open(folder / "manifest.csv", newline="") as file:
        return list(csv.DictReader(file))


def record(data: Path, folder: Path) -> list[str]:
    """The cameras, each as NAME.mkv."""
    sources = {"clock": ([data / "clips/movie_300.mp4"], None)}
    for name in ["grid_s1", "mouth"]:
        sources[name] = (sorted((data / "talkers" / name).glob("*.mp4"))[:160], None)
    sounds = defaultdict(list)
    for row in rows(data / "sounds_esc10"):
        sounds[row["class"]].append(data / "sounds_esc10" / row["path"])
    photos = defaultdict(list)
    for row in rows(data / "photos"):
        photos[row["class"]].append(data / "photos" / row["path"])
    for name, shown in PHOTOS.items():
        if sounds[name] and photos[shown]:
            sources[name] = (sounds[name], photos[shown][0])
    for name, (files, picture) in sources.items():
        out = folder / f"{name}.mkv"
        if not out.exists():
            joined(files, out, picture)
    return list(sources)


def seconds_of(file: Path) -> float:
    command = ["ffprobe", "-v", "error", "-show_entries", "format=duration", "-of", "csv=p=0"]
    return float(subprocess.check_output([*command, file], text=True))


def cut(folder: Path, cameras: list[str]) -> dict[str, float]:
    """Each camera's halves, as NAME.0.mkv and NAME.1.mkv."""
    halves = {}
    for name in cameras:
        halves[name] = seconds_of(folder / f"{name}.mkv") / 2
        for half in range(2):
            out = folder / f"{name}.{half}.mkv"
            if not out.exists():
                ffmpeg("-ss", half * halves[name], "-t", halves[name], "-i", folder / f"{name}.mkv",
                       "-c:v", "libx264", "-preset", "ultrafast", "-c:a", "flac", out)  # fmt: skip
    return halves


def swapped(folder: Path, seen: str, heard: str, half: int) -> Path:
    """A camera whose sound becomes another's after [`SWAP_S`] seconds."""
    out = folder / f"{seen}+{heard}.{half}.mkv"
    if not out.exists():
        sound = (f"[0:a]atrim=0:{SWAP_S},asetpts=N/SR/TB[own];"
                 f"[1:a]atrim={SWAP_S}:{2 * SWAP_S},asetpts=N/SR/TB[other];"
                 "[own][other]concat=n=2:v=0:a=1[a]")  # fmt: skip
        ffmpeg("-i", folder / f"{seen}.{half}.mkv", "-i", folder / f"{heard}.{half}.mkv",
               "-filter_complex", sound, "-map", "0:v", "-map", "[a]", "-t", 2 * SWAP_S,
               "-c:v", "copy", "-c:a", "flac", out)  # fmt: skip
    return out


def judged(program: str, model: Path, streams: dict[str, Path]) -> dict[str, list[tuple]]:
    """Time and margin of each moment, by stream."""
    out = model.with_suffix(".jsonl")
    out.unlink(missing_ok=True)
    sources = [f"{name}={file}" for name, file in streams.items()]
    command = [program, "batch", *sources, "-o", out, "--model", model, "--quiet"]
    subprocess.run(command, check=True)
    found = defaultdict(list)
    for line in out.read_text().splitlines():
        moment = json.loads(line)
        if moment["type"] == "moment":
            p = min(max(moment["correspondence"], 1e-6), 1 - 1e-6)
            found[moment["stream"]].append((moment["end_ns"] / 1e9, math.log(p / (1 - p))))
    return found


def low(margins: list[tuple], threshold: float) -> list[tuple]:
    """Seconds from the start, and whether the mean is under the threshold."""
    ends = range(LONG_S, len(margins) + 1)
    mean = {n: statistics.fmean(m for _, m in margins[n - LONG_S : n]) for n in ends}
    return [(margins[n - 1][0], mean[n] < threshold) for n in ends]


def alarms(margins: list[tuple], threshold: float) -> int:
    """How many alarms begin."""
    on = [False] + [is_low for _, is_low in low(margins, threshold)]
    return sum(now and not before for before, now in zip(on, on[1:]))


def main() -> None:
    program, data = sys.argv[1], Path(sys.argv[2]).resolve()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(sys.argv[3] if len(sys.argv) > 3 else temporary).resolve()
        folder.mkdir(exist_ok=True)
        cameras = record(data, folder)
        halves = cut(folder, cameras)
        own, crossed = [], []
        for half in range(2):
            model = folder / f"cameras.{half}.safetensors"
            learnt = [f"{name}={folder}/{name}.{1 - half}.mkv" for name in cameras]
            command = [program, "adapt", *learnt, "-o", model, "--force", "--hop", "1"]
            subprocess.run(command, check=True)
            margins = judged(program, model, {n: folder / f"{n}.{half}.mkv" for n in cameras})
            own += [(name, margins[name]) for name in cameras]
            # A camera is known by the name of its stream, so each is swapped once.
            pairs = {n: cameras[(i + 3) % len(cameras)] for i, n in enumerate(cameras)}
            files = {n: swapped(folder, n, other, half) for n, other in pairs.items()}
            margins = judged(program, model, files)
            crossed += [(n, pairs[n], margins[n]) for n in cameras]
        report(own, crossed, sum(halves.values()) * 2)


def report(own: list, crossed: list, seconds: float) -> None:
    print(f"{seconds / 3600:.2f} hours of own sound, {len(crossed)} swaps")
    print("threshold  false alarms an hour  of streams  detected in 10 s  in 30 s  median s")
    for threshold in THRESHOLDS:
        false = [alarms(margins, threshold) for _, margins in own]
        delays = []
        for _, _, margins in crossed:
            after = [at - SWAP_S for at, is_low in low(margins, threshold) if is_low and at > SWAP_S]
            delays.append(after[0] if after else math.inf)
        soon = sum(delay <= LONG_S for delay in delays) / len(delays)
        told = [delay for delay in delays if delay < math.inf]
        print(f"{threshold:9.1f}  {sum(false) / (seconds / 3600):20.1f}"
              f"  {sum(map(bool, false)):4} of {len(false):2}  {soon:15.1%}"
              f"  {len(told) / len(delays):7.1%}"
              f"  {statistics.median(told) if told else math.nan:8.1f}")  # fmt: skip
    worst = sorted(own, key=lambda each: -alarms(each[1], 0.0))[:6]
    print("false alarms at 0:", ", ".join(f"{n} {alarms(m, 0.0)}" for n, m in worst))


if __name__ == "__main__":
    main()
