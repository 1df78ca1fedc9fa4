#!/usr/bin/env python3
"""Writes reference.json: samples and what numpy, scipy and scikit-learn say about them.

The tests of this folder read it. Made with numpy 2.4.6, scipy 1.17.1, scikit-learn 1.9.1:
    pip install numpy scipy scikit-learn && python3 reference.py > reference.json
Every figure is computed here from its definition with full matrices, not by the method of the Rust
code: the matrix square root is scipy's Schur method, DeLong's components are the O(mn) sums.
"""

import json
import sys

import numpy as np
from scipy import linalg, stats
from sklearn.metrics import pairwise_distances, roc_auc_score
from sklearn.metrics.pairwise import polynomial_kernel

rng = np.random.default_rng(20240611)
DIM = 12


def rounded(x):
    """Three decimals, then f32: what the Rust side reads back."""
    return np.round(x, 3).astype(np.float32).astype(np.float64)


def draw(n, shift, skew):
    mix = rng.normal(size=(DIM, DIM)) * np.linspace(0.2, 1.5, DIM)
    x = rng.normal(size=(n, DIM)) @ mix
    return rounded(x + shift + skew * rng.exponential(size=(n, DIM)))


def frechet(x, y):
    """The formula of the TTUR code, with scipy's sqrtm."""
    c1, c2 = np.cov(x, rowvar=False), np.cov(y, rowvar=False)
    root = linalg.sqrtm(c1 @ c2)
    assert np.abs(np.imag(root)).max() < 1e-6
    d = x.mean(0) - y.mean(0)
    return d @ d + np.trace(c1) + np.trace(c2) - 2 * np.trace(np.real(root))


def frechet_without_full_rank(x, y):
    """sqrtm fails on singular matrices: the nuclear norm of the centred samples' product instead."""
    d = x.mean(0) - y.mean(0)
    a = (x - x.mean(0)) / np.sqrt(len(x) - 1)
    b = (y - y.mean(0)) / np.sqrt(len(y) - 1)
    overlap = np.linalg.svd(a @ b.T, compute_uv=False).sum()
    return d @ d + (a**2).sum() + (b**2).sum() - 2 * overlap


def mmd2(x, y):
    """Unbiased MMD² and the variance of its linear part, from the three kernel matrices."""
    n, m = len(x), len(y)
    kxx, kyy, kxy = (polynomial_kernel(p, q, degree=3, gamma=1 / DIM, coef0=1) for p, q in ((x, x), (y, y), (x, y)))
    np.fill_diagonal(kxx, 0)
    np.fill_diagonal(kyy, 0)
    value = kxx.sum() / (n * (n - 1)) + kyy.sum() / (m * (m - 1)) - 2 * kxy.mean()
    hx = kxx.sum(1) / (n - 1) - kxy.mean(1)
    hy = kyy.sum(1) / (m - 1) - kxy.mean(0)
    return value, 4 * hx.var(ddof=1) / n + 4 * hy.var(ddof=1) / m


def prdc(real, fake, k):
    """Precision, recall, density, coverage as in the code of Naeem et al."""
    rr, ff, rf = pairwise_distances(real), pairwise_distances(fake), pairwise_distances(real, fake)
    reach_r, reach_f = np.sort(rr, 1)[:, k], np.sort(ff, 1)[:, k]
    inside = rf < reach_r[:, None]
    return [
        inside.any(0).mean(),
        (rf < reach_f[None, :]).any(1).mean(),
        inside.sum(0).mean() / k,
        (rf.min(1) < reach_r).mean(),
    ]


def inception(p, splits):
    """The loop of Salimans et al."""
    scores = []
    for i in range(splits):
        part = p[i * len(p) // splits : (i + 1) * len(p) // splits]
        kl = part * (np.log(part) - np.log(part.mean(0, keepdims=True)))
        scores.append(np.exp(kl.sum(1).mean()))
    return [splits, np.mean(scores), np.std(scores)]


def delong(pos, neg, level):
    wins = (pos[:, None] > neg).astype(float) + 0.5 * (pos[:, None] == neg)
    error = np.sqrt(wins.mean(1).var(ddof=1) / len(pos) + wins.mean(0).var(ddof=1) / len(neg))
    area = roc_auc_score(np.r_[np.ones(len(pos)), np.zeros(len(neg))], np.r_[pos, neg])
    z = stats.norm.ppf((1 + level) / 2)
    return [area, area - z * error, area + z * error]


real, fake = draw(90, 0.0, 1.0), draw(70, 0.4, 0.5)
logits = rng.normal(size=(73, 6)) * 2 + np.linspace(0, 1, 6)
probabilities = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
probabilities = probabilities.astype(np.float32).astype(np.float64)
ages, heights = np.round(rng.gamma(2, 9, 57), 2), np.round(rng.normal(25, 4, 83), 2)
positive, negative = np.round(rng.normal(0.8, 1, 41), 1), np.round(rng.normal(0, 1.3, 64), 1)
at = [0.0, 0.1, 0.5, 0.93, 1.0]
wilson = stats.binomtest(7, 40).proportion_ci(0.95, method="wilson")

json.dump(
    {
        "dim": DIM,
        "real": real.ravel().tolist(),
        "synthetic": fake.ravel().tolist(),
        "frechet": frechet(real, fake),
        "frechet_of_first_8": frechet_without_full_rank(real[:8], fake[:8]),
        "kernel": mmd2(real, fake),
        "manifold": [[k, *prdc(real, fake, k)] for k in (1, 5, 9)],
        "classes": 6,
        "probabilities": probabilities.ravel().tolist(),
        "inception": [inception(probabilities, s) for s in (1, 10)],
        "ages": ages.tolist(),
        "heights": heights.tolist(),
        "wasserstein": stats.wasserstein_distance(ages, heights),
        "quantile_at": at,
        "quantiles": np.quantile(ages, at).tolist(),
        "positive": positive.tolist(),
        "negative": negative.tolist(),
        "delong_90": delong(positive, negative, 0.9),
        "normal_quantiles": [[p, stats.norm.ppf(p)] for p in (0.5, 0.9, 0.975, 0.999999, 1 - 1e-13)],
        "wilson_7_of_40": [wilson.low, wilson.high],
    },
    sys.stdout,
    default=float,
)
