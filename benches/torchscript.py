#!/usr/bin/env python3
"""Exports the network as TorchScript, frozen: what to measure l3net against.

    python3 benches/torchscript.py --out l3net.pt [--form frozen|channels-last]
    l3net bench throughput --precision f32,bf16 --against l3net.pt

`frozen` is torch.jit.freeze alone (which folds batch norm), `channels-last` the
same with the weights and inputs in that order. Always f32. The weights are
random; their values do not matter for the speed. Needs torch and what
tests/oracle needs. (What torch.jit.optimize_for_inference makes cannot be saved:
its prepacked weights are lost. Within Python it was 3 % slower than
`channels-last`.)
"""
import argparse
import pathlib
import sys

import torch
import torch.nn as nn

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "tests" / "oracle"))
import golden  # noqa: E402


class Trunk(nn.Sequential):
    def __init__(self, channels_in, stride):
        layers = []
        for block, channels in enumerate(golden.CHANNELS, 1):
            for unit in (1, 2):
                s = stride if (block, unit) == (1, 1) else 1
                layers += [nn.Conv2d(channels_in, channels, 3, s, 1), nn.BatchNorm2d(channels), nn.ReLU(True)]
                channels_in = channels
            if block < 4:
                layers.append(nn.MaxPool2d(2))
        super().__init__(*layers)

    def load(self, weights, modality):
        convs = [m for m in self if isinstance(m, nn.Conv2d)]
        norms = [m for m in self if isinstance(m, nn.BatchNorm2d)]
        names = [f"{b}_{u}" for b in (1, 2, 3, 4) for u in (1, 2)]
        for conv, norm, name in zip(convs, norms, names):
            for t in ("weight", "bias"):
                getattr(conv, t).data = weights[f"{modality}.conv{name}.{t}"].float()
            for t in ("weight", "bias", "running_mean", "running_var"):
                getattr(norm, t).data = weights[f"{modality}.bn{name}.{t}"].float()


class L3Net(nn.Module):
    def __init__(self, weights, stride, channels_last):
        super().__init__()
        self.vision, self.audio = Trunk(3, stride), Trunk(1, stride)
        self.vision.load(weights, "vision")
        self.audio.load(weights, "audio")
        self.fc1, self.fc2 = nn.Linear(1024, 128), nn.Linear(128, 2)
        for name, layer in (("fc1", self.fc1), ("fc2", self.fc2)):
            for t in ("weight", "bias"):
                getattr(layer, t).data = weights[f"fusion.{name}.{t}"].float()
        self.channels_last = channels_last

    def forward(self, picture: torch.Tensor, sound: torch.Tensor) -> torch.Tensor:
        if self.channels_last:
            picture = picture.contiguous(memory_format=torch.channels_last)
            sound = sound.contiguous(memory_format=torch.channels_last)
        v, a = self.vision(picture).amax((2, 3)), self.audio(sound).amax((2, 3))
        return self.fc2(torch.relu(self.fc1(torch.cat([v, a], 1))))


def main():
    args = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    args.add_argument("--out", type=pathlib.Path, required=True)
    args.add_argument("--form", choices=["frozen", "channels-last"], default="frozen")
    args.add_argument("--stride", type=int, choices=[1, 2], default=2)
    args.add_argument("--seed", type=int, default=golden.SEED)
    args = args.parse_args()
    channels_last = args.form == "channels-last"
    net = L3Net(golden.random_weights(args.seed), args.stride, channels_last).eval()
    if channels_last:
        net = net.to(memory_format=torch.channels_last)
    script = torch.jit.freeze(torch.jit.script(net))
    with torch.no_grad():
        script(torch.zeros(1, 3, 224, 224), torch.zeros(1, 1, 257, 199))
    torch.jit.save(script, str(args.out))


if __name__ == "__main__":
    main()
