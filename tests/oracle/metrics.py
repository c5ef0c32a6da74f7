#!/usr/bin/env python3
"""Makes tests/data/metrics.json: what the figures of the evaluation must be,
by scikit-learn and scipy.

    python3 tests/oracle/metrics.py        (numpy, scipy, scikit-learn)

The tests only read its result.
"""
import json
import pathlib

import numpy as np
from scipy.stats import binomtest, norm
from sklearn.metrics import log_loss, roc_auc_score

OUT = pathlib.Path(__file__).resolve().parents[1] / "data" / "metrics.json"


def delong(positives, negatives):
    """By the definition, every positive against every negative."""
    wins = (positives[:, None] > negatives) + 0.5 * (positives[:, None] == negatives)
    auc = wins.mean()
    variance = wins.mean(1).var(ddof=1) / len(positives) + wins.mean(0).var(ddof=1) / len(negatives)
    half = norm.ppf(0.975) * np.sqrt(variance)
    return [max(0.0, auc - half), min(1.0, auc + half)]


def auc_case(positives, negatives):
    positives, negatives = np.asarray(positives, float), np.asarray(negatives, float)
    labels = np.r_[np.ones(len(positives)), np.zeros(len(negatives))]
    return {
        "positives": positives.tolist(),
        "negatives": negatives.tolist(),
        "auc": float(roc_auc_score(labels, np.r_[positives, negatives])),
        "interval": [float(v) for v in delong(positives, negatives)],
    }


def entropy_case(logits, corresponds):
    # As the network has them, in single precision. Through probabilities, unless
    # those would be 0 or 1: there the loss is the difference itself.
    low, high = (float(np.float32(v)) for v in logits)
    p = 1 / (1 + np.exp(np.clip(low - high, -700, 700)))
    if 1e-12 < p < 1 - 1e-12:
        loss = log_loss([int(corresponds)], [[1 - p, p]], labels=[0, 1])
    else:
        loss = max(0.0, (low - high) if corresponds else (high - low))
    return {"logits": [low, high], "corresponds": corresponds, "loss": float(loss)}


def main():
    rng = np.random.default_rng(3)
    golden = {
        "auc": [
            auc_case(rng.normal(1, 1, 40).round(3), rng.normal(0, 1, 55).round(3)),
            # Many ties, and tied across the labels.
            auc_case(rng.integers(0, 6, 50), rng.integers(-2, 4, 30)),
            auc_case([1, 1, 1], [1, 1]),          # nothing but ties
            auc_case([5, 6, 7], [1, 2, 3, 4]),    # perfect: an interval of no width
            auc_case([1, 2, 2], [2, 3, 9, 9]),    # worse than chance
        ],
        "wilson": [
            {"hits": hits, "of": of,
             "interval": [float(v) for v in binomtest(hits, of).proportion_ci(0.95, "wilson")]}
            for hits, of in [(0, 1), (1, 1), (0, 20), (20, 20), (7, 10), (783, 1000), (1, 100000)]
        ],
        "cross_entropy": [
            entropy_case(logits, corresponds)
            for logits in [(0, 0), (-0.7, 0.9), (3.25, -1.5), (200, -300), (-1000, 1000), (0.1, 0.1)]
            for corresponds in (False, True)
        ],
    }
    OUT.write_text(json.dumps(golden, separators=(",", ":")) + "\n")
    print(f"{OUT}: {OUT.stat().st_size / 1e3:.1f} kB")


if __name__ == "__main__":
    main()
