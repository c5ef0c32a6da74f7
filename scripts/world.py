#!/usr/bin/env python3
"""Lays real photographs, real sounds and talkers out as folders of classes.

    scripts/world.py DATA OUT

DATA holds photos, sounds_world and talkers (models/l3net-base.md names their
sources). OUT/images/<class>/ and OUT/sounds/<class>/ get links, where a class has
one name in both: photographs called silent_X are of X if there is a sound of X. Of
each talker's clip there is a frame and the sound. Manifests carry over what is held
out. Needs Python and ffmpeg.
"""
import csv
import pathlib
import subprocess
import sys

from digits import manifest

# What one of the sets calls otherwise.
SAME = {"silent_electric_guitar": "guitar", "fire_crackle": "fire_crackling"}


def rows(folder):
    with open(folder / "manifest.csv", newline="") as file:
        return list(csv.DictReader(file))


class Folder:
    """A folder of classes that is being filled."""

    def __init__(self, path):
        self.path, self.rows = path, []

    def add(self, name, file, row, make):
        place = self.path / name / file
        place.parent.mkdir(parents=True, exist_ok=True)
        if not place.exists():
            # What is cut off half-way is not taken for whole by the next call.
            part = place.with_name(f"part-{place.name}")
            part.unlink(missing_ok=True)
            make(part)
            part.rename(place)
        self.rows.append([f"{name}/{file}", row["split"], row["path"]])


def cut(source, arguments):
    """Makes a file of a clip with ffmpeg."""
    def make(place):
        command = ["ffmpeg", "-v", "error", "-i", source, *arguments, "-y", place]
        subprocess.run(command, check=True)
    return make


def link(target):
    return lambda place: place.symlink_to(target)


def main(data, out):
    data, out = pathlib.Path(data).resolve(), pathlib.Path(out)
    images, sounds = Folder(out / "images"), Folder(out / "sounds")
    heard = set()
    for row in rows(data / "sounds_world"):
        name = SAME.get(row["class"], row["class"])
        heard.add(name)
        sound = data / "sounds_world" / row["path"]
        sounds.add(name, f"world_{sound.name}", row, link(sound))
    for row in rows(data / "photos"):
        name = SAME.get(row["class"], row["class"])
        loud = name.removeprefix("silent_")
        photo = data / "photos" / row["path"]
        images.add(loud if loud in heard else name, f"photo_{photo.name}", row, link(photo))
    for number, row in enumerate(rows(data / "talkers")):
        clip = data / "talkers" / row["path"]
        stem = "_".join(clip.relative_to(data).with_suffix("").parts)
        sounds.add("speech", f"{stem}.wav", row, cut(clip, ["-vn"]))
        # Two men: of their many frames as few as of other people.
        if row["split"] == "test" or number % 3 == 0:
            frame = ["-ss", "0.5", "-frames:v", "1", "-q:v", "2"]
            images.add("speech", f"{stem}.jpg", row, cut(clip, frame))
    for folder in [images, sounds]:
        manifest(folder.path, folder.rows)


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])
