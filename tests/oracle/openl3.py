#!/usr/bin/env python3
"""What OpenL3's own code answers, for tests/it/openl3.rs: small files of random weights, a
sound and two pictures, and their embeddings.

    OPENL3=openl3-0.4.2 tests/oracle/openl3.py tests/data/openl3

OPENL3 is OpenL3's source as PyPI has it, unpacked, not installed: installing fetches the
published weights. Python 3.11 with tensorflow-cpu 2.13, kapre 0.3.7 (without its
dependencies), librosa 0.10, resampy 0.4.3, soundfile, scikit-image, moviepy 1.0.3.

Kernels are nearly all 0, so that the files are small; batch norm's statistics are those of
the activations, and some of its gains negative, so that a wrong order of layers shows.
"""
import collections
import collections.abc
import gzip
import json
import os
import sys
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
collections.Iterable = collections.abc.Iterable  # as OpenL3 calls it
sys.path.insert(0, os.environ["OPENL3"])

import h5py
import numpy as np
import soundfile
import tensorflow as tf
from openl3 import core, models
from skimage import io

NONZERO = 8  # weights of a kernel


def three_bits(values):
    """Values with a mantissa of three bits, which compress."""
    mantissa, exponent = np.frexp(values)
    return np.ldexp(np.round(mantissa * 8) / 8, exponent).astype("float32")


def fill(model, rng, data):
    """Random weights; batch norm's statistics are settled on `data` layer by layer."""
    for layer in model.layers:
        shapes = [weight.shape for weight in layer.get_weights()]
        if isinstance(layer, tf.keras.layers.Conv2D):
            kernel = np.zeros(shapes[0])
            height, width, inputs, outputs = shapes[0]
            fan_in = height * width * inputs
            taken = min(NONZERO, fan_in)
            for out in range(outputs):
                places = rng.choice(fan_in, taken, replace=False)
                values = rng.standard_normal(taken) * np.sqrt(2 / taken)
                kernel.reshape(fan_in, outputs)[places, out] = values
            layer.set_weights([three_bits(kernel), three_bits(0.1 * rng.standard_normal(outputs))])
        elif isinstance(layer, tf.keras.layers.BatchNormalization):
            seen = tf.keras.Model(model.input, layer.input).predict(data, verbose=0)
            channels = shapes[0][0]
            gamma = rng.uniform(0.5, 1.5, channels)
            gamma[rng.random(channels) < 0.2] *= -1
            axes = tuple(range(seen.ndim - 1))
            layer.set_weights([
                three_bits(gamma if channels > 3 else np.abs(gamma)),
                three_bits(0.2 * rng.standard_normal(channels)),
                three_bits(seen.mean(axes)),
                three_bits(seen.var(axes) + 1e-3),
            ])


def sound(rng):
    """1.2 s of stereo at 44.1 kHz: two sweeps over a little noise."""
    t = np.arange(int(1.2 * 44_100)) / 44_100
    left = 0.4 * np.sin(2 * np.pi * (300 + 1_500 * t) * t) * np.exp(-t)
    right = 0.3 * np.sin(2 * np.pi * (2_000 - 800 * t) * t) + 0.002 * rng.standard_normal(len(t))
    return np.stack([left, right], 1)


def picture(rng, height, width):
    y, x = np.mgrid[:height, :width]
    channels = [120 + 100 * np.sin(x / 17), 110 + 90 * np.cos(y / 23), (x + 2 * y) % 256]
    return np.clip(np.stack(channels, -1) + rng.normal(0, 6, (height, width, 3)), 0, 255).astype("uint8")


def save(model, path):
    plain = path.with_suffix("")
    model.save_weights(plain)
    with open(path, "wb") as file, gzip.GzipFile("", "wb", 9, file, mtime=0) as packed:
        packed.write(plain.read_bytes())
    plain.unlink()


def main(folder):
    folder.mkdir(exist_ok=True)
    rng = np.random.default_rng(18)
    soundfile.write(folder / "sound.wav", sound(rng), 44_100, subtype="PCM_16")
    samples, rate = soundfile.read(folder / "sound.wav")
    windows = core.preprocess_audio(samples, rate, hop_size=0.1, center=True)
    expected = {}
    for kind, make in models.AUDIO_MODELS.items():
        model = make()
        fill(model, np.random.default_rng(1), windows)
        file = folder / f"openl3_audio_{kind}_env.h5.gz"
        save(model, file)
        spectrogram = model.layers[1](windows[3:4]).numpy()[0, :, :, 0]
        expected[f"spectrogram_{kind}"] = spectrogram[::5, ::7].astype("float32")
        for size in (512, 6144):
            model_path = folder / "weights.h5"
            model_path.write_bytes(gzip.decompress(file.read_bytes()))
            whole = models.load_audio_embedding_model_from_path(model_path, kind, size)
            model_path.unlink()
            embedding, times = core.get_audio_embedding(samples, rate, model=whole, hop_size=0.1, verbose=0)
            expected[f"audio_{kind}_{size}"] = embedding if size == 512 else embedding[4:6]
            expected["timestamps"] = times
            if size == 512:
                bare = make(include_frontend=False)
                bare.set_weights(model.get_weights())
                pool = tf.keras.layers.MaxPooling2D(models.AUDIO_POOLING_SIZES[kind][size], padding="same")
                bare = tf.keras.Model(bare.input, tf.keras.layers.Flatten()(pool(bare.output)))
                bare.frontend = "librosa"
                by_librosa, _ = core.get_audio_embedding(
                    samples, rate, model=bare, input_repr=kind, hop_size=0.5, frontend="librosa", verbose=0)
                expected[f"librosa_{kind}_0.5"] = by_librosa
            if (kind, size) == ("mel256", 512):
                bare, _ = core.get_audio_embedding(
                    samples, rate, model=whole, hop_size=0.3, center=False, verbose=0)
                expected["uncentred_0.3"] = bare
    pictures = {"cropped": (240, 300), "scaled": (420, 333), "whole": (224, 224)}
    pictures = {name: picture(rng, *size) for name, size in pictures.items()}
    for name, pixels in pictures.items():
        io.imsave(folder / f"{name}.png", pixels, check_contrast=False)
    model = models._construct_image_network()
    fill(model, np.random.default_rng(2), np.concatenate([core._preprocess_image_batch(p) for p in pictures.values()]))
    file = folder / "openl3_image_mel256_env.h5.gz"
    save(model, file)
    for size in (512, 8192):
        model_path = folder / "weights.h5"
        model_path.write_bytes(gzip.decompress(file.read_bytes()))
        whole = models.load_image_embedding_model_from_path(model_path, size)
        model_path.unlink()
        for name, pixels in pictures.items():
            expected[f"image_{name}_{size}"] = core.get_image_embedding(pixels, model=whole, verbose=0)
    expected = {name: np.asarray(v, "float64" if name == "timestamps" else "float32") for name, v in expected.items()}
    np.savez(folder / "expected.npz", **expected)
    other = tf.keras.Sequential([tf.keras.layers.Dense(3, input_shape=(5,)), tf.keras.layers.BatchNormalization()])
    other.save_weights(folder / "other_model.h5")
    with h5py.File(folder / "double.h5", "w") as double:
        double.attrs["layer_names"] = np.array([b"conv2d"])
        layer = double.create_group("conv2d")
        layer.attrs["weight_names"] = np.array([b"conv2d/kernel:0"])
        layer["conv2d/kernel:0"] = np.ones((3, 3, 1, 64))
    with h5py.File(folder / "names_what_is_not_there.h5", "w") as lacking:
        lacking.attrs["layer_names"] = np.array([b"conv2d"])
        lacking.create_group("conv2d").attrs["weight_names"] = np.array([b"conv2d/kernel:0"])
    counts = []
    for length in (1, 23_999, 24_000, 24_001, 48_000, 48_001, 100_000, 110_400, 110_401, 1_000_003):
        for hop in (0.1, 0.25, 0.29, 1.0, 1.7):
            for center in (True, False):
                cut = core.preprocess_audio(np.ones(length), 48_000, hop_size=hop, center=center)
                counts.append([length, hop, center, len(cut)])
    (folder / "windows.json").write_text(json.dumps(counts) + "\n")


main(Path(sys.argv[1]))
