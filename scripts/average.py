#!/usr/bin/env python3
"""Averages the weights of two models of one run: its start and its end.

    scripts/average.py START END PART OUT        (numpy, safetensors)

PART is that of END, 0 to 1. A model that learns new things forgets some of what it knew;
the mean of both keeps most of both (Wortsman et al., 2022, "Robust fine-tuning of zero-shot
models").
"""
import pathlib
import sys

import numpy as np
from safetensors import safe_open
from safetensors.numpy import load_file, save_file


def main(start, end, part, out):
    old, new, part = load_file(start), load_file(end), float(part)
    if old.keys() != new.keys():
        sys.exit(f"{start} and {end} are not of one kind")
    with safe_open(end, "numpy") as file:
        metadata = file.metadata()
    # What was measured was measured of the end alone.
    for name in ["calibrated", "validation_accuracy"]:
        metadata.pop(name, None)
    file, *rest = metadata.get("started_from", start).split(", trained on ")
    metadata["started_from"] = ", trained on ".join([pathlib.Path(file).name, *rest])
    metadata["averaged_with_start"] = f"{1 - part:g} of the start, {part:g} of the end"

    def mean(name):
        before, after = (of[name].astype(np.float64) for of in (old, new))
        return ((1 - part) * before + part * after).astype(np.float16)

    save_file({name: mean(name) for name in new}, out, metadata)


if __name__ == "__main__":
    if len(sys.argv) != 5:
        sys.exit(__doc__)
    main(*sys.argv[1:])
