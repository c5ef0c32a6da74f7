#!/usr/bin/env python3
"""Lays spoken and handwritten digits out as folders of classes.

    scripts/digits.py DIGITS OUT

DIGITS holds sounds/{digit}_{speaker}_{index}.wav (FSDD) and images/ with the
MNIST test set in idx format. OUT/sounds/digit_N/ gets links to the sounds,
OUT/images/digit_N/ the pictures as PNG, OUT/speech/speech/ links to all sounds
as one class, which goes with pictures of faces. What is held out is marked in a
manifest: recordings 0 to 4 of each speaker (FSDD's own test split) and pictures
9,000 to 9,999. Needs nothing but Python.
"""
import csv
import gzip
import pathlib
import struct
import sys
import zlib


def png(pixels, width, height):
    """A grey picture."""
    def chunk(kind, data):
        body = kind + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))
    rows = b"".join(b"\0" + pixels[y * width:(y + 1) * width] for y in range(height))
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header)
            + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))


def manifest(folder, rows):
    with open(folder / "manifest.csv", "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["path", "split", "group"])
        writer.writerows(rows)


def main(digits, out):
    digits, out = pathlib.Path(digits).resolve(), pathlib.Path(out)
    sounds, images, speech = out / "sounds", out / "images", out / "speech"
    (speech / "speech").mkdir(parents=True, exist_ok=True)
    for digit in range(10):
        (sounds / f"digit_{digit}").mkdir(parents=True, exist_ok=True)
        (images / f"digit_{digit}").mkdir(parents=True, exist_ok=True)
    rows, spoken = [], []
    for wav in sorted((digits / "sounds").glob("*.wav")):
        digit, _speaker, index = wav.stem.split("_")
        split = "test" if int(index) < 5 else "train"
        for link in [sounds / f"digit_{digit}" / wav.name, speech / "speech" / wav.name]:
            if not link.exists():
                link.symlink_to(wav)
        rows.append([f"digit_{digit}/{wav.name}", split, wav.stem])
        spoken.append([f"speech/{wav.name}", split, wav.stem])
    manifest(sounds, rows)
    manifest(speech, spoken)

    with gzip.open(next((digits / "images").glob("*images-idx3-ubyte.gz"))) as file:
        _, count, height, width = struct.unpack(">IIII", file.read(16))
        pictures = file.read()
    with gzip.open(next((digits / "images").glob("*labels-idx1-ubyte.gz"))) as file:
        labels = file.read()[8:]
    rows = []
    for i in range(count):
        path = f"digit_{labels[i]}/{i:05}.png"
        size = width * height
        (images / path).write_bytes(png(pictures[i * size:(i + 1) * size], width, height))
        rows.append([path, "test" if i >= 9000 else "train", str(i)])
    manifest(images, rows)


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])
