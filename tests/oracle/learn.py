#!/usr/bin/env python3
"""Makes tests/data/learn.json: what SVM, z-score, k-means, NMI and t-SNE must give,
by scikit-learn (whose LinearSVC is LIBLINEAR).

    python3 tests/oracle/learn.py        (numpy, scipy, scikit-learn)

The tests only read its result.
"""
import json
import pathlib
import warnings

import numpy as np
from sklearn.cluster import KMeans
from sklearn.manifold import TSNE
from sklearn.metrics import normalized_mutual_info_score
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC

OUT = pathlib.Path(__file__).resolve().parents[1] / "data" / "learn.json"


def blobs(rng, count, width, classes, apart):
    """Rounded, so that the file is small and single precision close to it."""
    middles = rng.normal(0, apart, (classes, width))
    labels = np.arange(count) % classes
    return (middles[labels] + rng.normal(0, 1, (count, width))).round(3), labels


def svm(sets, index, c, loss):
    values, labels = sets[index]
    model = LinearSVC(C=c, loss=loss, dual=True, tol=1e-10, max_iter=5_000_000, random_state=0)
    # As our program has the values.
    values = values.astype(np.float32).astype(np.float64)
    model.fit(values, labels)
    planes = np.c_[model.coef_, model.intercept_]
    if len(planes) == 1:
        # Two classes are one problem to scikit-learn.
        planes = np.r_[-planes, planes]
    return {"set": index, "c": c, "loss": loss, "weights": planes.round(9).tolist(),
            "predicted": model.predict(values).tolist()}


def clusters(sets, index, k, seed):
    values = sets[index][0].astype(np.float32).astype(np.float64)
    first = values[np.random.default_rng(seed).choice(len(values), k, replace=False)]
    run = KMeans(k, init=first, n_init=1, tol=0, algorithm="lloyd").fit(values)
    best = KMeans(k, init="k-means++", n_init=50, tol=0, random_state=0).fit(values)
    # Where clusters overlap, the best of many starts is a matter of luck.
    found = [KMeans(k, n_init=10, tol=0, random_state=seed).fit(values).inertia_ for seed in range(10)]
    return {"set": index, "first": first.ravel().tolist(), "centers": run.cluster_centers_.ravel().round(6).tolist(),
            "labels": run.labels_.tolist(), "inertia": float(run.inertia_), "best_inertia": float(best.inertia_), "worst_of_ten": float(max(found))}


def mutual(a, b):
    a, b = np.asarray(a), np.asarray(b)
    return {"a": a.tolist(), "b": b.tolist(), "nmi": float(normalized_mutual_info_score(a, b))}


def places(sets, index, perplexity):
    values = sets[index][0].astype(np.float32)
    # How well a map comes out depends on its start.
    found = [TSNE(perplexity=perplexity, init="random", method="exact", random_state=seed).fit(values).kl_divergence_
             for seed in range(41)]
    return {"set": index, "perplexity": perplexity, "divergence": float(np.median(found))}


def main():
    warnings.simplefilter("error")  # a solver that did not converge is no reference
    rng = np.random.default_rng(5)
    sets = [
        blobs(rng, 60, 4, 3, 1.0),       # overlapping
        blobs(rng, 18, 30, 2, 0.5),      # more features than samples
        blobs(rng, 50, 3, 5, 3.0),
        blobs(np.random.default_rng(6), 48, 3, 6, 12.0),  # well apart
    ]
    sets[2][0][:, 1] *= 100              # of very different scales
    sets[2][0][:, 2] = 0.25              # never changes
    names = rng.integers(0, 6, 80)
    golden = {
        "sets": [{"width": v.shape[1], "values": v.ravel().tolist(), "labels": l.tolist()} for v, l in sets],
        "svm": [svm(sets, index, c, loss) for index in (0, 1) for c in (0.01, 1.0, 10.0)
                for loss in ("squared_hinge", "hinge")],
        "zscore": {"set": 2, "values": StandardScaler().fit_transform(
            sets[2][0].astype(np.float32).astype(np.float64)).ravel().round(7).tolist()},
        "kmeans": [clusters(sets, 0, 3, 1), clusters(sets, 0, 7, 2), clusters(sets, 1, 4, 3), clusters(sets, 3, 6, 4)],
        "nmi": [
            mutual(names, rng.integers(0, 9, 80)),
            mutual(names, np.where(rng.random(80) < 0.7, names, rng.integers(0, 6, 80))),
            mutual(names, np.zeros(80, int)),
            mutual([0, 0, 1, 1], [1, 1, 0, 0]),
            mutual([3, 3, 3], [8, 8, 8]),
        ],
        "tsne": [places(sets, 0, 10), places(sets, 0, 19), places(sets, 3, 8)],
    }
    OUT.write_text(json.dumps(golden, separators=(",", ":")) + "\n")
    print(f"{OUT}: {OUT.stat().st_size / 1e3:.1f} kB")


if __name__ == "__main__":
    main()
