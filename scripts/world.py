#!/usr/bin/env python3
"""Lays real photographs, sounds and talkers out as folders of classes.

    scripts/world.py DATA OUT

DATA holds photos/, sounds_world/ and talkers/, each with a manifest.csv (path, class,
split). OUT/photos/ gets links to the photographs; those called silent_* lose that prefix
where sounds_world/ has sounds of their class. OUT/talkers/pictures/speech/ gets two
frames of each talker's clip, OUT/talkers/sounds/speech/ its sound. What is held out
keeps its mark in new manifests. Needs ffmpeg.
"""
import csv
import pathlib
import subprocess
import sys

# Classes of photographs whose sounds go by another name.
SAME = {"electric_guitar": "guitar"}
FRAMES_AT = ("0.5", "2.0")


def rows(folder):
    with open(folder / "manifest.csv", newline="") as file:
        return list(csv.DictReader(file))


def write_manifest(folder, lines):
    with open(folder / "manifest.csv", "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["path", "class", "split"])
        writer.writerows(lines)


def photos(data, out):
    sounds = {row["class"] for row in rows(data / "sounds_world")}
    lines = []
    for row in rows(data / "photos"):
        heard = row["class"].removeprefix("silent_")
        heard = SAME.get(heard, heard)
        name = heard if heard in sounds else row["class"]
        path = pathlib.Path(name) / pathlib.Path(row["path"]).name
        (out / name).mkdir(parents=True, exist_ok=True)
        (out / path).symlink_to(data / "photos" / row["path"])
        lines.append([path, name, row["split"]])
    write_manifest(out, lines)


def talkers(data, out):
    ffmpeg = ["ffmpeg", "-v", "error", "-nostdin", "-y"]
    pictures, sounds = out / "pictures", out / "sounds"
    for folder in (pictures, sounds):
        (folder / "speech").mkdir(parents=True)
    seen, heard = [], []
    for row in rows(data / "talkers"):
        clip = data / "talkers" / row["path"]
        name = row["path"].replace("/", "_").removesuffix(".mp4")
        sound = pathlib.Path("speech") / f"{name}.flac"
        subprocess.run(ffmpeg + ["-i", clip, "-vn", "-ac", "1", sounds / sound], check=True)
        heard.append([sound, "speech", row["split"]])
        for number, at in enumerate(FRAMES_AT):
            picture = pathlib.Path("speech") / f"{name}_{number}.jpg"
            frame = ["-ss", at, "-i", clip, "-frames:v", "1", "-q:v", "2", pictures / picture]
            subprocess.run(ffmpeg + frame, check=True)
            # A clip may end before.
            if (pictures / picture).exists():
                seen.append([picture, "speech", row["split"]])
    write_manifest(pictures, seen)
    write_manifest(sounds, heard)


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    data, out = (pathlib.Path(argument).resolve() for argument in sys.argv[1:])
    photos(data, out / "photos")
    talkers(data, out / "talkers")


if __name__ == "__main__":
    main()
