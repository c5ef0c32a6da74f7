#!/usr/bin/env python3
"""Averages the weights of two models of one run: its start and its end.

    scripts/average.py START END PART OUT

PART is that of END, 0 to 1. A model that learns new things forgets some of what it knew;
the mean of both keeps most of both (Wortsman et al., 2022, "Robust fine-tuning of zero-shot
models"). Needs numpy.
"""
import json
import struct
import sys

import numpy as np

TYPES = {"F16": np.float16, "F32": np.float32}


def read(path):
    with open(path, "rb") as file:
        header = json.loads(file.read(struct.unpack("<Q", file.read(8))[0]))
        data = file.read()
    metadata = header.pop("__metadata__", {})

    def values(entry):
        begin, end = entry["data_offsets"]
        return np.frombuffer(data[begin:end], TYPES[entry["dtype"]]).astype(np.float64)

    return metadata, {name: (entry["shape"], values(entry)) for name, entry in header.items()}


def main(start, end, part, out):
    (_, old), (metadata, new) = read(start), read(end)
    part = float(part)
    if old.keys() != new.keys():
        sys.exit(f"{start} and {end} are not of one kind")
    # What was measured was measured of the end alone.
    for name in ["calibrated", "validation_accuracy"]:
        metadata.pop(name, None)
    file, *rest = metadata.get("started_from", start).split(", trained on ")
    metadata["started_from"] = ", trained on ".join([file.split("/")[-1], *rest])
    metadata["averaged_with_start"] = f"{1 - part:g} of the start, {part:g} of the end"
    header, data = {"__metadata__": metadata}, b""
    for name in sorted(new):
        (shape, after), (_, before) = new[name], old[name]
        values = ((1 - part) * before + part * after).astype(np.float16).tobytes()
        offsets = [len(data), len(data) + len(values)]
        header[name] = {"dtype": "F16", "shape": shape, "data_offsets": offsets}
        data += values
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(out, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text + data)


if __name__ == "__main__":
    if len(sys.argv) != 5:
        sys.exit(__doc__)
    main(*sys.argv[1:])
