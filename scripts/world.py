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

# What one of the sets calls otherwise.
SAME = {"silent_electric_guitar": "guitar", "fire_crackle": "fire_crackling"}


def rows(folder):
    with open(folder / "manifest.csv", newline="") as file:
        return list(csv.DictReader(file))


class Folder:
    """A folder of classes that is being filled."""

    def __init__(self, path):
        self.path, self.rows = path, []

    def add(self, name, source, row, make):
        place = self.path / name / f"{source}_{pathlib.Path(row['path']).name}"
        return self.add_at(place, row, make)

    def add_at(self, place, row, make):
        place.parent.mkdir(parents=True, exist_ok=True)
        if not place.exists():
            # What is cut off half-way is not taken for whole by the next call.
            part = place.with_name(f"part-{place.name}")
            part.unlink(missing_ok=True)
            make(part)
            part.rename(place)
        path = place.relative_to(self.path)
        self.rows.append([str(path), row["split"], row["path"]])

    def end(self):
        with open(self.path / "manifest.csv", "w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["path", "split", "group"])
            writer.writerows(self.rows)


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
        sounds.add(name, "world", row, link(data / "sounds_world" / row["path"]))
    for row in rows(data / "photos"):
        name = SAME.get(row["class"], row["class"])
        loud = name.removeprefix("silent_")
        images.add(loud if loud in heard else name, "photo", row,
                   link(data / "photos" / row["path"]))
    for number, row in enumerate(rows(data / "talkers")):
        clip = data / "talkers" / row["path"]
        stem = "_".join(clip.relative_to(data).with_suffix("").parts)
        sounds.add_at(sounds.path / "speech" / f"{stem}.wav", row, cut(clip, ["-vn"]))
        # Two men: of their many frames as few as of other people.
        if row["split"] == "test" or number % 3 == 0:
            frame = ["-ss", "0.5", "-frames:v", "1", "-q:v", "2"]
            images.add_at(images.path / "speech" / f"{stem}.jpg", row, cut(clip, frame))
    images.end()
    sounds.end()


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])
