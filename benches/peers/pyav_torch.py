#!/usr/bin/env python3
"""A file's verdicts by PyAV and PyTorch, and by `l3net batch`, by turns.

    pip install av==18.1.0 torch==2.11.0 numpy
    python3 benches/peers/pyav_torch.py target/optimised/l3net FILE… [--model FILE] [--rounds N]

What somebody would write who has the weights: decode everything, take the frame nearest to
the middle of each second, scale it, make the log-spectrogram, 16 seconds in a batch, f32.
Decoding and network run in threads of their own, and libav's decoders in as many as they
like. Both judge the middle 224 × 224. First the verdicts are compared; then each runs
`--rounds` times, with seconds of wall clock and of CPU.
"""
import argparse
import json
import pathlib
import queue
import resource
import statistics
import subprocess
import tempfile
import threading
import time

import av
import numpy as np
import torch
import torch.nn.functional as F

from weights import folded, read_model

RATE = 48_000
BATCH = 16
SHORT_SIDE, SIDE = 256, 224


class Network:
    """Batch norm folded into the convolutions, channels last."""

    def __init__(self, file):
        weights, self.stride = read_model(file)
        self.fusion = {k: torch.from_numpy(v.astype(np.float32)) for k, v in weights.items() if k.startswith("fusion.")}
        names = [f"{block}_{unit}" for block in (1, 2, 3, 4) for unit in (1, 2)]
        self.convs = {m: [self.conv(weights, m, name) for name in names] for m in ("vision", "audio")}

    @staticmethod
    def conv(weights, modality, name):
        kernels, bias = (torch.from_numpy(array) for array in folded(weights, modality, name))
        return kernels.contiguous(memory_format=torch.channels_last), bias

    def trunk(self, modality, x):
        x = x.contiguous(memory_format=torch.channels_last)
        for i, (kernels, bias) in enumerate(self.convs[modality]):
            x = F.relu_(F.conv2d(x, kernels, bias, self.stride if i == 0 else 1, 1))
            if i in (1, 3, 5):
                x = F.max_pool2d(x, 2)
        return x.amax((2, 3))

    def __call__(self, pictures, sounds):
        both = torch.cat([self.trunk("vision", pictures), self.trunk("audio", sounds)], 1)
        fusion = lambda layer, x: F.linear(x, self.fusion[f"fusion.{layer}.weight"], self.fusion[f"fusion.{layer}.bias"])
        return fusion("fc2", F.relu(fusion("fc1", both))).softmax(1)[:, 1]


def log_spectrogram(pcm):
    frames = torch.from_numpy(pcm.astype(np.float64)).unfold(0, 480, 240)
    windowed = frames * torch.hann_window(480, dtype=torch.float64)
    return (0.2 * torch.log(torch.fft.rfft(windowed, 512).abs() + 1e-4)).T.float()


def scaled(frame):
    picture = torch.from_numpy(frame.to_ndarray(format="rgb24")).permute(2, 0, 1)[None].float()
    height, width = picture.shape[2:]
    scale = SHORT_SIDE / min(width, height)
    size = (round(height * scale), round(width * scale))
    picture = F.interpolate(picture, size, mode="bilinear", antialias=True)[0]
    top, left = ((side - SIDE) // 2 for side in size)
    return picture[:, top : top + SIDE, left : left + SIDE].round().clamp(0, 255) / 127.5 - 1


def moments(file):
    """Picture and log-spectrogram of each second."""
    with av.open(str(file)) as container:
        video, audio = container.streams.video[0], container.streams.audio[0]
        video.thread_type = "AUTO"
        resampler = av.AudioResampler("flt", "mono", RATE)
        pcm, begin, frames, second = np.zeros(0, np.float32), None, [], 0

        def complete(ended):
            nonlocal second, frames
            while begin is not None and len(pcm) >= (second + 1) * RATE:
                middle = begin + second + 0.5
                if not ended and (not frames or frames[-1].time < middle):
                    return
                nearest = min(frames, key=lambda frame: abs(frame.time - middle))
                yield scaled(nearest), log_spectrogram(pcm[second * RATE : (second + 1) * RATE])
                frames = [frame for frame in frames if frame.time >= nearest.time]
                second += 1

        for packet in container.demux(video, audio):
            for frame in packet.decode():
                if isinstance(frame, av.VideoFrame):
                    frames.append(frame)
                    # Only the one before the middle and those after it can be the nearest.
                    middle = (begin or 0) + second + 0.5
                    while len(frames) > 1 and frames[1].time <= middle:
                        frames.pop(0)
                else:
                    if begin is None:
                        begin = 0.0 if frame.time <= 0.02 else frame.time
                        pcm = np.zeros(round(max(frame.time - begin, 0) * RATE), np.float32)
                    blocks = resampler.resample(frame)
                    pcm = np.concatenate([pcm, *(block.to_ndarray()[0] for block in blocks)])
            yield from complete(False)
        blocks = resampler.resample(None)
        pcm = np.concatenate([pcm, *(block.to_ndarray()[0] for block in blocks)])
        missing = -len(pcm) % RATE
        if missing <= RATE // 100:
            pcm = np.pad(pcm, (0, missing))
        yield from complete(True)


def judge(network, files):
    """The verdicts of each file."""
    waiting, verdicts = queue.Queue(2 * BATCH), {file.name: [] for file in files}

    def read():
        for file in files:
            for picture, sound in moments(file):
                waiting.put((file.name, picture, sound))
        waiting.put(None)

    reader = threading.Thread(target=read)
    reader.start()
    with torch.inference_mode():
        more = True
        while more:
            batch = []
            while more and len(batch) < BATCH:
                item = waiting.get()
                more = item is not None
                batch += [item] if more else []
            if batch:
                names, pictures, sounds = zip(*batch)
                answers = network(torch.stack(pictures), torch.stack(sounds)[:, None])
                for name, answer in zip(names, answers.tolist()):
                    verdicts[name].append(answer)
    reader.join()
    return verdicts


def by_l3net(program, model, files):
    with tempfile.TemporaryDirectory() as folder:
        out = pathlib.Path(folder) / "out.jsonl"
        options = ["--model", model, "--crop", "center", "--precision", "f32", "--quiet", "-o", out]
        subprocess.run([program, "batch", *files, *options], check=True)
        verdicts = {}
        for line in out.read_text().splitlines():
            record = json.loads(line)
            if record["type"] == "moment" and not record.get("padded"):
                verdicts.setdefault(record["stream"], []).append((record["seq"], record["correspondence"]))
    return {name: [p for _, p in sorted(values)] for name, values in verdicts.items()}


def cpu():
    of = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in of)


def timed(run):
    wall, used = time.perf_counter(), cpu()
    run()
    return time.perf_counter() - wall, cpu() - used


def main():
    args = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    args.add_argument("program", type=pathlib.Path)
    args.add_argument("files", type=pathlib.Path, nargs="+")
    root = pathlib.Path(__file__).resolve().parents[2]
    args.add_argument("--model", type=pathlib.Path, default=root / "models" / "l3net-base.safetensors")
    args.add_argument("--rounds", type=int, default=3)
    args = args.parse_args()
    network = Network(args.model)
    runs = {
        "l3net": lambda: by_l3net(args.program, args.model, args.files),
        "PyAV and PyTorch": lambda: judge(network, args.files),
    }
    ours, theirs = (run() for run in runs.values())
    for file in args.files:
        a, b = ours.get(file.name, []), theirs[file.name]
        off = [abs(x - y) for x, y in zip(a, b)]
        print(f"{file.name}: {len(a)} and {len(b)} moments, apart by {statistics.mean(off):.4f}, at most {max(off):.4f}")
    times = {name: [] for name in runs}
    for _ in range(args.rounds):
        for name, run in runs.items():
            times[name].append(timed(run))
    for name, measured in times.items():
        print(f"{name}: " + ", ".join(f"{wall:.1f} s, {used:.1f} s of CPU" for wall, used in measured))
    ratios = [[p[i] / o[i] for o, p in zip(*times.values())] for i in (0, 1)]
    print("PyAV and PyTorch against l3net: {:.2f} of the time, {:.2f} of the CPU".format(*map(statistics.median, ratios)))


if __name__ == "__main__":
    main()
