#!/usr/bin/env python3
"""`l3net embed --openl3` against OpenL3's own code: the same weights, sounds and pictures, by
turns.

    OPENL3=openl3-0.4.2 python3 benches/openl3.py target/release/l3net WEIGHTS [ROUNDS]

WEIGHTS is a folder with openl3_audio_mel256_env.h5[.gz] and openl3_image_mel256_env.h5[.gz],
of OpenL3 or of the same shape; OPENL3 its source, unpacked (requirements: see
tests/oracle/openl3.py). Times of a window and of a picture come from two lengths of input,
so that loading libraries and weights does not count; it is told beside them. Both use all
cores, in single precision.
"""
import collections
import collections.abc
import gzip
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
collections.Iterable = collections.abc.Iterable  # as OpenL3 calls it
sys.path.insert(0, os.environ["OPENL3"])

import numpy as np
import soundfile
from openl3 import core, models
from skimage import io

SHORT_S, LONG_S = 3, 15
FEW, MANY = 4, 36


def unpacked(folder, name, where):
    for file in (folder / f"{name}.h5", folder / f"{name}.h5.gz"):
        if file.exists():
            data = file.read_bytes()
            out = where / f"{name}.h5"
            out.write_bytes(gzip.decompress(data) if file.suffix == ".gz" else data)
            return out
    sys.exit(f"{folder} has no {name}.h5")


def timed(work):
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def main(program, weights, rounds):
    rng = np.random.default_rng(1)
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        files = [unpacked(weights, f"openl3_{what}_mel256_env", folder) for what in ("audio", "image")]
        model = folder / "model.safetensors"
        subprocess.run([program, "model", "import", *files, "-o", model], check=True, stdout=subprocess.DEVNULL)
        sounds = {}
        for seconds in (SHORT_S, LONG_S):
            sounds[seconds] = folder / f"{seconds}.wav"
            soundfile.write(sounds[seconds], 0.1 * rng.standard_normal(seconds * 44_100), 44_100)
        pictures = []
        for number in range(MANY):
            pictures.append(folder / f"{number}.png")
            io.imsave(pictures[-1], rng.integers(0, 255, (360, 640, 3), dtype="uint8"), check_contrast=False)
        audio = models.load_audio_embedding_model_from_path(str(files[0]), "mel256", 6144)
        image = models.load_image_embedding_model_from_path(str(files[1]), 8192)
        out = folder / "out"
        out.mkdir()

        def ours(kind, inputs):
            command = [program, "embed", "--openl3", kind, *inputs, "-o", out, "--model", model]
            subprocess.run([*command, "--overwrite", "--quiet"], check=True)

        def theirs_sound(seconds):
            core.process_audio_file(str(sounds[seconds]), str(out), "their", audio, overwrite=True, verbose=False)

        def theirs_pictures(count):
            names = [str(p) for p in pictures[:count]]
            core.process_image_file(names, str(out), "their", image, overwrite=True, verbose=False)

        jobs = {
            ("window", "OpenL3"): (lambda long: theirs_sound(LONG_S if long else SHORT_S), 10 * (LONG_S - SHORT_S)),
            ("window", "l3net"): (lambda long: ours("audio", [sounds[LONG_S if long else SHORT_S]]), 10 * (LONG_S - SHORT_S)),
            ("picture", "OpenL3"): (lambda long: theirs_pictures(MANY if long else FEW), MANY - FEW),
            ("picture", "l3net"): (lambda long: ours("image", pictures[: MANY if long else FEW]), MANY - FEW),
        }
        theirs_sound(SHORT_S), theirs_pictures(FEW)  # TensorFlow compiles
        taken = {job: [] for job in jobs}
        for _ in range(rounds):
            for job, (work, count) in jobs.items():
                short, long = timed(lambda: work(False)), timed(lambda: work(True))
                taken[job].append(1e3 * (long - short) / count)
        same = np.load(out / f"{LONG_S}.npz")["embedding"], np.load(out / f"{LONG_S}_their.npz")["embedding"]
        print(f"mean difference of the embeddings: {np.abs(same[0] - same[1]).mean():.1e}")
        print(f"\n| of | OpenL3, ms | l3net, ms | ratio | of {rounds} rounds |\n|---|---|---|---|---|")
        for what in ("window", "picture"):
            their, our = taken[what, "OpenL3"], taken[what, "l3net"]
            ratios = [t / o for t, o in zip(their, our)]
            print(f"| {what} | {statistics.median(their):.0f} | {statistics.median(our):.0f} "
                  f"| {statistics.median(ratios):.2f} | {min(ratios):.2f} to {max(ratios):.2f} |")


main(Path(sys.argv[1]).resolve(), Path(sys.argv[2]), int(sys.argv[3]) if len(sys.argv) > 3 else 5)
