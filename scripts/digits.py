#!/usr/bin/env python3
"""Lays spoken and handwritten digits out as folders of classes.

    scripts/digits.py DIGITS OUT

DIGITS holds sounds/{digit}_{speaker}_{index}.wav (FSDD) and images/ with the
MNIST test set in idx format. OUT/sounds/digit_N/ gets links to the sounds,
OUT/images/digit_N/ the pictures as PNG, OUT/speech/speech/ links to some of the
sounds as one class, which goes with pictures of faces, OUT/cutouts/digit_N/ some of the
pictures, cut out to be set into scenes: the bare strokes, and strokes on a plate
as on a key. What is held out is marked in a
manifest: recordings 0 to 4 of each speaker (FSDD's own test split) and pictures
9,000 to 9,999. Needs nothing but Python.
"""
import collections
import csv
import gzip
import pathlib
import struct
import sys
import zlib


CUTOUTS = {"train": 60, "test": 10}  # of each digit
SPEECH_ONE_IN = 8


def png(pixels, width, height, channels=1):
    """A grey picture, or one of grey and alpha."""
    def chunk(kind, data):
        body = kind + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))
    row = width * channels
    rows = b"".join(b"\0" + pixels[y * row:(y + 1) * row] for y in range(height))
    header = struct.pack(">IIBBBBB", width, height, 8, {1: 0, 2: 4}[channels], 0, 0, 0)
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header)
            + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))


def cutout(strokes, side, plate, times=4):
    """Strokes drawn larger and sharp, in white, as grey and alpha; on a dark
    plate with round corners if `plate`."""
    def stroke(x, y):
        """Between the four pixels around, then steeper: 0 to 1."""
        x, y = min(max(x, 0.0), side - 1.001), min(max(y, 0.0), side - 1.001)
        i, j, a, b = int(x), int(y), x % 1, y % 1
        at = j * side + i
        upper = strokes[at] * (1 - a) + strokes[at + 1] * a
        lower = strokes[at + side] * (1 - a) + strokes[at + side + 1] * a
        value = (upper * (1 - b) + lower * b) / 255
        return min(max((value - 0.4) * times + 0.5, 0.0), 1.0)

    size = side * times
    out = bytearray()
    for y in range(size):
        for x in range(size):
            white = stroke((x + 0.5) / times - 0.5, (y + 0.5) / times - 0.5)
            alpha = white
            if plate:
                corner, half = size * 0.2, size / 2
                dx = max(abs(x + 0.5 - half) - half + corner, 0.0)
                dy = max(abs(y + 0.5 - half) - half + corner, 0.0)
                alpha = min(max(corner - (dx * dx + dy * dy) ** 0.5, 0.0), 1.0)
            grey = 70 + 185 * white if plate else 255
            out += bytes([round(grey), round(255 * alpha)])
    return png(bytes(out), size, size, 2)


def manifest(folder, rows):
    with open(folder / "manifest.csv", "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["path", "split", "group"])
        writer.writerows(rows)


def main(digits, out):
    digits, out = pathlib.Path(digits).resolve(), pathlib.Path(out)
    sounds, images, speech = out / "sounds", out / "images", out / "speech"
    cutouts = out / "cutouts"
    (speech / "speech").mkdir(parents=True, exist_ok=True)
    for digit in range(10):
        (sounds / f"digit_{digit}").mkdir(parents=True, exist_ok=True)
        for folder in [images, cutouts]:
            (folder / f"digit_{digit}").mkdir(parents=True, exist_ok=True)
    rows, spoken = [], []
    for wav in sorted((digits / "sounds").glob("*.wav")):
        digit, _speaker, index = wav.stem.split("_")
        split = "test" if int(index) < 5 else "train"
        places = [(sounds, f"digit_{digit}/{wav.name}", rows)]
        # As speech, a part of them: digits must not outnumber all other talking.
        if split == "test" or int(index) % SPEECH_ONE_IN == 0:
            places.append((speech, f"speech/{wav.name}", spoken))
        for folder, path, listed in places:
            if not (folder / path).exists():
                (folder / path).symlink_to(wav)
            listed.append([path, split, wav.stem])
    manifest(sounds, rows)
    manifest(speech, spoken)

    with gzip.open(next((digits / "images").glob("*images-idx3-ubyte.gz"))) as file:
        _, count, height, width = struct.unpack(">IIII", file.read(16))
        pictures = file.read()
    with gzip.open(next((digits / "images").glob("*labels-idx1-ubyte.gz"))) as file:
        labels = file.read()[8:]
    rows, cut, count_of = [], [], collections.Counter()
    for i in range(count):
        path = f"digit_{labels[i]}/{i:05}.png"
        size = width * height
        picture = pictures[i * size:(i + 1) * size]
        (images / path).write_bytes(png(picture, width, height))
        split = "test" if i >= 9000 else "train"
        rows.append([path, split, str(i)])
        before = count_of[labels[i], split]
        if before < CUTOUTS[split]:
            (cutouts / path).write_bytes(cutout(picture, width, before % 2 == 1))
            cut.append(rows[-1])
            count_of[labels[i], split] += 1
    manifest(images, rows)
    manifest(cutouts, cut)


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])
