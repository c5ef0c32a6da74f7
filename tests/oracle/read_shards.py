#!/usr/bin/env python3
"""Reads shards as Python's webdataset does, with nothing but Python, and prints what
is in each clip as JSON; tests/prepare.rs holds it against the program's own reader.

    tests/oracle/read_shards.py DIR

The members of a clip share what stands before the first dot of their names, and
follow each other. Of sounds the FLAC header is read, of pictures the JPEG header.
"""

import io
import json
import pathlib
import struct
import sys
import tarfile


def samples(path):
    """The clips of a shard: members by what stands behind the first dot."""
    current = {}
    with tarfile.open(path) as tar:
        for member in tar:
            key, _, kind = member.name.partition(".")
            if current and current["__key__"] != key:
                yield current
                current = {}
            assert kind not in current, f"{member.name} is there twice"
            current["__key__"] = key
            current[kind] = tar.extractfile(member).read()
    if current:
        yield current


def flac(data):
    """Rate, channels, bits and samples."""
    assert data[:4] == b"fLaC" and data[4] & 0x7F == 0, "no FLAC"
    fields = int.from_bytes(data[18:26], "big")
    return [fields >> 44, (fields >> 41 & 7) + 1, (fields >> 36 & 31) + 1, fields & (1 << 36) - 1]


def jpeg(data):
    """Width and height."""
    file = io.BytesIO(data)
    assert file.read(2) == b"\xff\xd8" and data[-2:] == b"\xff\xd9", "no JPEG"
    while True:
        marker, length = struct.unpack(">HH", file.read(4))
        if 0xFFC0 <= marker <= 0xFFC2:
            _, height, width = struct.unpack(">BHH", file.read(5))
            return [width, height]
        file.seek(length - 2, 1)


def main(folder):
    told = {}
    for shard in sorted(pathlib.Path(folder).glob("*.tar")):
        for sample in samples(shard):
            key = sample.pop("__key__")
            assert key not in told, f"{key} is there twice"
            pictures = sorted(kind for kind in sample if kind.endswith(".jpg"))
            told[key] = {
                "info": json.loads(sample.pop("json")),
                "sound": flac(sample.pop("flac")),
                "pictures": [jpeg(sample.pop(kind)) for kind in pictures],
                "else": sorted(sample),
            }
    json.dump(told, sys.stdout)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(sys.argv[1])
