#!/usr/bin/env python3
"""Times the training step of the network in PyTorch: what to measure l3net against.

    python3 benches/train_step.py [--batch 32] [--precision bf16] [--threads N] [--steps 20]
    l3net bench train             with the same options, right before or after

One step: both trunks on a 224 x 224 picture and a 257 x 199 log-spectrogram,
fusion, cross-entropy, backward, Adam with L2 (lr 1e-4, weight decay 1e-5), all
channels-last, in bf16 under autocast or in f32. The batch is random and made
once: no loading, no augmentation. The first steps do not count.

One JSON line on stdout: the median, the quickest and the slowest step in
milliseconds, and the median for one pair. `--profile` adds the operators that
take most of the time on stderr. Needs torch and nothing else.
"""
import argparse
import json
import statistics
import sys
import time

import torch
import torch.nn as nn
import torch.nn.functional as F

CHANNELS = [64, 128, 256, 512]
PARAMETERS = 9_508_738


class Trunk(nn.Sequential):
    def __init__(self, channels_in, stride):
        layers = []
        for block, channels in enumerate(CHANNELS, 1):
            for unit in (1, 2):
                s = stride if (block, unit) == (1, 1) else 1
                layers += [nn.Conv2d(channels_in, channels, 3, s, 1), nn.BatchNorm2d(channels), nn.ReLU(True)]
                channels_in = channels
            if block < 4:
                layers.append(nn.MaxPool2d(2))
        super().__init__(*layers)


class L3Net(nn.Module):
    def __init__(self, stride):
        super().__init__()
        self.vision, self.audio = Trunk(3, stride), Trunk(1, stride)
        self.fc1, self.fc2 = nn.Linear(1024, 128), nn.Linear(128, 2)

    def forward(self, picture, sound):
        pool4 = [x.amax((2, 3)) for x in (self.vision(picture), self.audio(sound))]
        return self.fc2(torch.relu(self.fc1(torch.cat(pool4, 1))))


def make_step(args, device):
    torch.manual_seed(0)
    net = L3Net(args.stride).to(device, memory_format=torch.channels_last).train()
    count = sum(p.numel() for p in net.parameters())
    assert count == PARAMETERS, f"{count} parameters, not {PARAMETERS}"
    kind = {} if args.adam == "plain" else {args.adam: True}
    adam = torch.optim.Adam(net.parameters(), lr=1e-4, weight_decay=1e-5, **kind)
    last = {"memory_format": torch.channels_last}
    picture = torch.rand(args.batch, 3, 224, 224, device=device).mul_(2).sub_(1).contiguous(**last)
    sound = torch.randn(args.batch, 1, 257, 199, device=device).mul_(0.3).sub_(1.2).contiguous(**last)
    label = torch.arange(args.batch, device=device) % 2

    def step():
        adam.zero_grad(set_to_none=True)
        with torch.autocast(device.type, torch.bfloat16, enabled=args.precision == "bf16"):
            loss = F.cross_entropy(net(picture, sound), label)
        loss.backward()
        adam.step()
        return loss.item()  # waits for a GPU, and is what a progress line shows

    return step


def profile(step):
    activities = [torch.profiler.ProfilerActivity.CPU]
    sort = "self_cpu_time_total"
    if torch.cuda.is_available():
        activities.append(torch.profiler.ProfilerActivity.CUDA)
        sort = "self_cuda_time_total"
    with torch.profiler.profile(activities=activities) as prof:
        for _ in range(3):
            step()
    print("three steps:", file=sys.stderr)
    print(prof.key_averages().table(sort_by=sort, row_limit=12, max_name_column_width=48), file=sys.stderr)


def main():
    args = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    args.add_argument("--batch", type=int, default=32)
    args.add_argument("--threads", type=int, help="all cores if not given")
    args.add_argument("--precision", choices=["f32", "bf16"], default="bf16")
    args.add_argument("--steps", type=int, default=20)
    args.add_argument("--warm-up", type=int, default=4)
    args.add_argument("--stride", type=int, choices=[1, 2], default=2)
    args.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    args.add_argument("--adam", choices=["plain", "foreach", "fused"], default="plain",
                      help="plain is what torch chooses by itself")
    args.add_argument("--profile", action="store_true")
    args = args.parse_args()
    if args.threads:
        torch.set_num_threads(args.threads)
    device = torch.device(args.device)

    step = make_step(args, device)
    for _ in range(args.warm_up):
        step()
    times, loss = [], None
    for _ in range(args.steps):
        start = time.perf_counter()
        loss = step()
        times.append((time.perf_counter() - start) * 1e3)
    median = statistics.median(times)
    print(json.dumps({
        "bench": "train_step", "what": f"torch {torch.__version__}", "device": str(device),
        "threads": torch.get_num_threads(), "precision": args.precision, "batch": args.batch,
        "conv1_stride": args.stride, "adam": args.adam, "steps": args.steps,
        "ms_per_step": round(median, 2), "ms_per_step_min": round(min(times), 2),
        "ms_per_step_max": round(max(times), 2), "ms_per_pair": round(median / args.batch, 3),
        "pairs_per_second": round(args.batch / median * 1e3, 2), "loss": round(loss, 4),
    }))
    if args.profile:
        profile(step)


if __name__ == "__main__":
    main()
