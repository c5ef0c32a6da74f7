#!/usr/bin/env python3
"""Draws how a training went: loss and accuracy at each validation.

    scripts/curves.py NAME.last.checkpoint OUT.svg

Reads the account of the run in the checkpoint's header. Needs nothing but Python.
"""
import html
import json
import sys

WIDTH, HEIGHT, MARGIN = 420, 260, 44
COLOURS = {"training": "#8899aa", "validation": "#c03030"}


def run_of(path):
    with open(path, "rb") as file:
        header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
    return json.loads(header["__metadata__"]["run"])


def panel(left, title, steps, curves, low, high):
    """One diagram; `curves` is name -> values."""
    def x(step):
        return left + MARGIN + (WIDTH - MARGIN - 12) * step / max(steps[-1], 1)

    def y(value):
        return 24 + (HEIGHT - MARGIN - 24) * (high - value) / (high - low)
    out = [f'<text x="{left + MARGIN}" y="14" font-weight="bold">{html.escape(title)}</text>']
    for i in range(5):
        value = low + (high - low) * i / 4
        out.append(f'<line x1="{x(0):.1f}" x2="{x(steps[-1]):.1f}" y1="{y(value):.1f}" y2="{y(value):.1f}" stroke="#ddd"/>'
                   f'<text x="{left + MARGIN - 6}" y="{y(value) + 4:.1f}" text-anchor="end">{value:.2f}</text>')
    for i in range(5):
        step = round(steps[-1] * i / 4)
        out.append(f'<text x="{x(step):.1f}" y="{HEIGHT - 26}" text-anchor="middle">{step}</text>')
    for row, (name, values) in enumerate(curves.items()):
        points = " ".join(f"{x(s):.1f},{y(min(max(v, low), high)):.1f}" for s, v in zip(steps, values))
        out.append(f'<polyline points="{points}" fill="none" stroke="{COLOURS[name]}" stroke-width="2"/>'
                   f'<text x="{left + WIDTH - 90}" y="{38 + 14 * row}" fill="{COLOURS[name]}">{name}</text>')
    return out


def main(checkpoint, out):
    looks = run_of(checkpoint)["validations"]
    if not looks:
        sys.exit(f"{checkpoint}: no validation in it yet")
    steps = [look["step"] for look in looks]
    loss = {"training": [v["train_loss"] for v in looks], "validation": [v["loss"] for v in looks]}
    accuracy = {"training": [v["train_accuracy"] for v in looks], "validation": [v["accuracy"] for v in looks]}
    highest = max(max(values) for values in loss.values())
    lines = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{2 * WIDTH}" height="{HEIGHT}" '
             'font-family="sans-serif" font-size="11">', '<rect width="100%" height="100%" fill="white"/>']
    lines += panel(0, "loss", steps, loss, 0, highest)
    lines += panel(WIDTH, "accuracy", steps, accuracy, 0.4, 1)
    lines.append(f'<text x="{WIDTH}" y="{HEIGHT - 8}" text-anchor="middle">steps</text></svg>')
    with open(out, "w") as file:
        file.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])
