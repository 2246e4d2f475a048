"""What the negative tests share: two bounds and three formulas, written again from the papers."""

from __future__ import annotations

import numpy as np

ROUNDING = 1e-12
"""Largest relative error of a formula that is right: a few hundred roundings in double precision."""
WRONG = 0.01
"""Smallest relative error of a formula that is called wrong here."""


def logistic(z):
    return 1 / (1 + np.exp(-z))


def softmax(z):
    e = np.exp(z - z.real.max())
    return e / e.sum()


def correlate(y, w, k=1):
    """Σ_u y(k x + u) w(u) over all complete windows, two axes."""
    return np.einsum("xyuv,uv->xy", np.lib.stride_tricks.sliding_window_view(y, w.shape)[::k, ::k], w)


def quadratic(n=5, seed=3):
    """A symmetric positive definite matrix and a right side."""
    rng = np.random.default_rng(seed)
    q, _ = np.linalg.qr(rng.standard_normal((n, n)))
    return q @ np.diag(np.linspace(1, 6, n)) @ q.T, rng.standard_normal(n)
