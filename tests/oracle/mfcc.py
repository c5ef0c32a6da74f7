#!/usr/bin/env python3
"""Reference values of src/eval/mfcc.rs, by NumPy and SciPy.

    tests/oracle/mfcc.py > tests/data/mfcc.json
"""
import json

import numpy as np
from scipy.fft import dct, rfft
from scipy.signal import chirp, get_window

RATE, FRAME, HOP, MELS = 48_000, 2048, 1024, 40


def filters():
    mel = np.linspace(0, 2595 * np.log10(1 + RATE / 2 / 700), MELS + 2)
    edges = 700 * (10 ** (mel / 2595) - 1)
    f = np.fft.rfftfreq(FRAME, 1 / RATE)
    return np.array([np.interp(f, edges[i:i + 3], [0, 1, 0], left=0, right=0) for i in range(MELS)])


def row(pcm):
    frames = np.lib.stride_tricks.sliding_window_view(pcm, FRAME)[::HOP]
    power = np.abs(rfft(frames * get_window("hann", FRAME), axis=1)) ** 2
    logs = 10 * np.log10(np.maximum(power @ filters().T, 1e-10))
    coefficients = dct(logs, type=2, norm="ortho", axis=1)[:, 1:13]
    crossings = (np.diff((frames < 0).astype(int), axis=1) != 0).sum(axis=1) / FRAME
    values = np.column_stack([coefficients, crossings])
    return np.concatenate([values.mean(0), values.std(0)])


t = np.arange(5000) / RATE
rng = np.random.default_rng(7)
cases = [
    0.5 * np.sin(2 * np.pi * 440 * t) + 0.001 * rng.standard_normal(len(t)),
    0.3 * chirp(t, 200, t[-1], 9000) * np.linspace(1, 0.05, len(t)) + 0.01 * rng.standard_normal(len(t)),
    0.1 * rng.standard_normal(len(t)),
]
out = []
for pcm in cases:
    pcm = np.round(pcm, 5)
    out.append({"pcm": pcm.tolist(), "row": np.round(row(pcm), 6).tolist()})
print(json.dumps(out))
