#!/usr/bin/env python3
"""Makes tests/data/golden.safetensors: what the features and the network must
give, computed in double precision by other means than the program's own.

    python3 tests/oracle/golden.py        (numpy, scipy, torch, pillow, safetensors)

The tests only read its result. Weights and pictures are not stored: both sides
make them from the formulas below (src/net/random.rs documents the weights).
"""
import pathlib

import numpy as np
import scipy.fft
import scipy.signal
import torch
import torch.nn.functional as F
from PIL import Image
from safetensors.numpy import save_file

OUT = pathlib.Path(__file__).resolve().parents[1] / "data" / "golden.safetensors"
SEED = 11
UNIT = 100
GAMMA = 0x9E3779B97F4A7C15
CHANNELS = [64, 128, 256, 512]


# --- weights -----------------------------------------------------------------

def mix(z):
    with np.errstate(over="ignore"):
        z = np.atleast_1d(np.asarray(z, np.uint64)).copy()
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return z ^ (z >> np.uint64(31))


def fnv1a64(text):
    h = 0xCBF29CE484222325
    for byte in text.encode():
        h = (h ^ byte) * 0x100000001B3 % 2**64
    return h


def random_tensor(seed, name, shape):
    n = int(np.prod(shape))
    key = mix(seed ^ fnv1a64(name))
    with np.errstate(over="ignore"):
        bits = mix(key + np.arange(1, n + 1, dtype=np.uint64) * np.uint64(GAMMA))
    s = 2 * ((bits >> np.uint64(40)).astype(np.float32) / np.float32(2**24)) - np.float32(1)
    layer, tensor = name.split(".")[-2:]
    norm = layer.startswith("bn")
    offset, scale = {
        ("weight", True): (1, 0.2),
        ("running_var", True): (1, 0.5),
        ("bias", True): (0, 0.1),
        ("running_mean", True): (0, 0.2),
        ("weight", False): (0, np.sqrt((6 if layer.startswith("conv") else 1) / np.prod(shape[1:]))),
        ("bias", False): (0, 0.05),
    }[tensor, norm]
    values = np.float32(offset) + s * np.float32(scale)
    return torch.from_numpy(values.reshape(shape)).double()


def random_weights(seed):
    shapes = {}
    for modality, channels_in in (("vision", 3), ("audio", 1)):
        for block, channels in enumerate(CHANNELS, 1):
            for unit in (1, 2):
                shapes[f"{modality}.conv{block}_{unit}.weight"] = (channels, channels_in, 3, 3)
                shapes[f"{modality}.conv{block}_{unit}.bias"] = (channels,)
                for t in ("weight", "bias", "running_mean", "running_var"):
                    shapes[f"{modality}.bn{block}_{unit}.{t}"] = (channels,)
                channels_in = channels
    shapes |= {"fusion.fc1.weight": (128, 1024), "fusion.fc1.bias": (128,),
               "fusion.fc2.weight": (2, 128), "fusion.fc2.bias": (2,)}
    return {name: random_tensor(seed, name, shape) for name, shape in shapes.items()}


# --- inputs ------------------------------------------------------------------

def picture(width, height, salt):
    """A smooth part, an edge, and a fine pattern, in whole numbers."""
    y, x = np.mgrid[0:height, 0:width].astype(np.int64)
    red = (x * 255 // max(width - 1, 1) + salt * 40) % 256
    green = np.where((x // 16 + y // 16 + salt) % 2 == 0, 200, 30)
    blue = (x * x * 3 + y * y * 5 + x * y * salt) % 256
    return np.stack([red, green, blue], -1).astype(np.uint8)


def sounds():
    """A chirp with noise, and clicks that fade out into digital silence."""
    rng = np.random.default_rng(1)
    t = np.arange(48000) / 48000
    chirp = 0.5 * np.sin(2 * np.pi * (200 + 4000 * t) * t) + 0.003 * rng.standard_normal(48000)
    clicks = np.exp(-30 * (t % 0.21)) * 0.3 * rng.standard_normal(48000)
    clicks[30000:] = 0
    return (np.stack([chirp, clicks]).clip(-1, 1) * 32767).round().astype(np.int16)


def log_spectrogram(pcm):
    frames = np.lib.stride_tricks.sliding_window_view(pcm.astype(np.float64), 480)[::240]
    hann = scipy.signal.get_window("hann", 480, fftbins=True)
    spectrum = scipy.fft.rfft(frames * hann, n=512)
    return 0.2 * np.log(np.abs(spectrum) + 1e-4).T


# --- network -----------------------------------------------------------------

def trunk(w, modality, x, stride):
    for block in (1, 2, 3, 4):
        for unit in (1, 2):
            n = f"{modality}.%s{block}_{unit}.%s"
            s = stride if (block, unit) == (1, 1) else 1
            x = F.conv2d(x, w[n % ("conv", "weight")], w[n % ("conv", "bias")], stride=s, padding=1)
            x = F.batch_norm(x, *(w[n % ("bn", t)] for t in ("running_mean", "running_var", "weight", "bias")))
            before = x
            x = F.relu(x)
        if block < 4:
            x = F.max_pool2d(x, 2)
    return before, x


def fuse(w, v, a):
    hidden = F.relu(F.linear(torch.cat([v, a], 1), w["fusion.fc1.weight"], w["fusion.fc1.bias"]))
    return F.linear(hidden, w["fusion.fc2.weight"], w["fusion.fc2.bias"])


def run(w, images, spectrograms, stride):
    v_in = torch.from_numpy(images).double().permute(0, 3, 1, 2) / 127.5 - 1
    a_in = torch.from_numpy(spectrograms)[:, None]
    v_map, a_map = trunk(w, "vision", v_in, stride)[1], trunk(w, "audio", a_in, stride)[1]
    v = v_map.amax((2, 3)).requires_grad_()
    a = a_map.amax((2, 3)).requires_grad_()
    logits = fuse(w, v, a)
    gv, ga = torch.autograd.grad((logits[:, 1] - logits[:, 0]).sum(), (v, a))
    heat = lambda m, g: (m * g.clamp(min=0)[:, :, None, None]).sum(1)
    with torch.no_grad():
        def local(m, of):
            rows, cols = m.shape[2:]
            return torch.stack([torch.stack([of(m[:, :, y, x]).softmax(1)[:, 1] for x in range(cols)], 1)
                                for y in range(rows)], 1)
        out = {
            "logits": logits, "p": logits.softmax(1)[:, 1], "fv": v, "fa": a,
            "heat_v": heat(v_map, gv), "heat_a": heat(a_map, ga),
        }
        if stride == 2:
            a_before = trunk(w, "audio", a_in, stride)[0]
            out |= {
                "local_v": local(v_map, lambda f: fuse(w, f, a)),
                "local_a": local(a_map, lambda f: fuse(w, v, f)),
                "unit_v": v_map[:, UNIT], "unit_a": a_map[:, UNIT],
                "vision_conv4_2": v_map[:1],
                "audio_6144": F.max_pool2d(a_before, 4).flatten(1),
            }
    return {f"stride{stride}.{k}": t.detach().numpy().astype(np.float32) for k, t in out.items()}


def main():
    torch.manual_seed(0)
    pcm = sounds()
    spectrograms = np.stack([log_spectrogram(p / 32768) for p in pcm])
    images = np.stack([picture(120, 88, salt) for salt in (1, 2)])
    w = random_weights(SEED)
    answers = {
        "audio_i16": pcm,
        "log_spectrogram": spectrograms[:1].astype(np.float32),
        "log_spectrogram_1_every_7th": spectrograms[1].astype(np.float32).ravel()[::7].copy(),
        # Spot checks that both sides make the same weights.
        "weights_first": np.stack([w[n].numpy().ravel()[:4] for n in (
            "vision.conv1_1.weight", "audio.bn4_2.running_var", "fusion.fc1.weight")]).astype(np.float32),
    }
    for name, (width, height) in {"down": (700, 400), "up": (50, 90), "long": (9, 700)}.items():
        scale = min(256 / min(width, height), 1024 / max(width, height))
        size = [max(32, round(side * scale)) for side in (width, height)]
        scaled = Image.fromarray(picture(width, height, 3)).resize(size, Image.Resampling.BILINEAR)
        answers[f"scaled.{name}"] = np.asarray(scaled)[::5, ::5].copy()
    for stride in (2, 1):
        answers |= run(w, images, spectrograms, stride)
    # save_file writes memory as it lies; channels-last results are not in order.
    answers = {name: np.ascontiguousarray(a) for name, a in answers.items()}
    save_file(answers, OUT, metadata={"made_by": "tests/oracle/golden.py"})
    print(f"{OUT}: {OUT.stat().st_size / 1e3:.0f} kB")
    print("p", answers["stride2.p"], answers["stride1.p"], "logits", answers["stride2.logits"])


if __name__ == "__main__":
    main()
