"""A model of l3net as arrays, for other engines."""
import json
import struct

import numpy as np

EPSILON = 1e-5


def read_model(file):
    data = file.read_bytes()
    (size,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8 : 8 + size])
    stored = {"F16": np.float16, "F32": np.float32}
    weights = {}
    for name, at in header.items():
        if name == "__metadata__":
            continue
        begin, end = (8 + size + offset for offset in at["data_offsets"])
        values = np.frombuffer(data[begin:end], stored[at["dtype"]])
        weights[name] = values.astype(np.float64).reshape(at["shape"])
    return weights, int(header["__metadata__"]["conv1_stride"])


def folded(weights, modality, name):
    """Kernels and bias of a convolution with its norm, in f32."""
    conv, norm = f"{modality}.conv{name}", f"{modality}.bn{name}"
    gain = weights[f"{norm}.weight"] / np.sqrt(weights[f"{norm}.running_var"] + EPSILON)
    bias = (weights[f"{conv}.bias"] - weights[f"{norm}.running_mean"]) * gain + weights[f"{norm}.bias"]
    kernels = weights[f"{conv}.weight"] * gain[:, None, None, None]
    return kernels.astype(np.float32), bias.astype(np.float32)
