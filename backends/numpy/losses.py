"""Losses and output deltas (Hedberg 2015, Eqs. 20-32, 105, Tables 2 and 3; delmas, Eqs. 19-22 and 30-33).

δ is always ∂r/∂z of the last layer. Softmax and logistic outputs are paired with their cross-entropy in closed form, from the
logits, so that nothing is ever divided by a vanishing y (decision "safety").
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np

from gcnn import activations
from gcnn.backend import Program, Saved
from gcnn.backends.numpy.activations import below_largest, formula, magnitude
from gcnn.maps import Array

Pair = Callable[[Array, Array, Array, Array], tuple[Array, Array]]
"""(z, y, t, w) -> the terms of r, one an output, and ∂r/∂z or ∂r/∂y; all (sample, outputs), w (outputs,)."""


def cross_entropy_softmax(z: Array, y: Array, t: Array, w: Array) -> tuple[Array, Array]:
    """(CE, softmax), Eq. 30 summed over i: r = T logsumexp(z) - t·z, δ = T y - t, T = Σ t. Table 3 has -(t - y), for T = 1 only."""
    t = w * t
    shifted = below_largest(z)
    log_y = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return -t * log_y, t.sum(axis=1, keepdims=True) * y - t


def binary_cross_entropy_logistic(z: Array, y: Array, t: Array, w: Array) -> tuple[Array, Array]:
    """(CE binary, sigmoid): r = max(z, 0) - z t + log(1 + exp(-|z|)), δ = y - t (Remark 1)."""
    return w * (np.maximum(z, 0) - z * t + np.log1p(np.exp(-magnitude(z)))), w * (y - t)


def binary_cross_entropy_soft_logistic(z: Array, y: Array, t: Array, w: Array) -> tuple[Array, Array]:
    """(CE binary, any) for the soft logistic, φ' = 2 min(y, 1-y)²: δ = -(t - y) 2 min(y, 1-y) / max(y, 1-y), no cancellation."""
    small = 0.5 / (1 + magnitude(z))
    log_small, log_large = np.log(small), np.log1p(-small)
    negative = z.real < 0
    log_y, log_rest = np.where(negative, log_small, log_large), np.where(negative, log_large, log_small)
    return -w * (t * log_y + (1 - t) * log_rest), -w * (t - y) * 2 * small / (1 - small)


def cross_entropy(z: Array, y: Array, t: Array, w: Array, epsilon: float | None = None) -> tuple[Array, Array]:
    """(CE, any), Eqs. 27-28: r = -Σ t log y, ∂r/∂y = -t / y; y is kept at ε or above, so that t = 0 gives 0."""
    e = epsilon or _epsilon(y)
    y = np.where(y.real < e, e, y)
    return -w * t * np.log(y), -w * t / y


def binary_cross_entropy(z: Array, y: Array, t: Array, w: Array, epsilon: float | None = None) -> tuple[Array, Array]:
    """(CE binary, any), Eqs. 26 and 32 (delmas 21): ∂r/∂y = -(t - y) / (y (1 - y)), y kept inside [ε, 1 - ε]."""
    e = epsilon or _epsilon(y)
    y = np.where(y.real < e, e, np.where(y.real > 1 - e, 1 - e, y))
    return -w * (t * np.log(y) + (1 - t) * np.log1p(-y)), -w * (t - y) / (y * (1 - y))


def mse(z: Array, y: Array, t: Array, w: Array) -> tuple[Array, Array]:
    """(MSE, linear) and (MSE, any), Eqs. 21-23 and 31: r = ½ Σ (t - y)², ∂r/∂y = -(t - y)."""
    return 0.5 * w * (t - y) * (t - y), -w * (t - y)


def sse(z: Array, y: Array, t: Array, w: Array) -> tuple[Array, Array]:
    """Eq. 105, without the ½: twice the loss and the delta of Eq. 21."""
    return w * (t - y) * (t - y), -2 * w * (t - y)


def _epsilon(y: Array) -> float:
    return float(np.finfo(y.dtype).eps)


CLOSED: dict[tuple[str, str], Pair] = {
    ("cross_entropy", "softmax"): cross_entropy_softmax,
    ("binary_cross_entropy", "logistic"): binary_cross_entropy_logistic,
    ("binary_cross_entropy", "soft_logistic"): binary_cross_entropy_soft_logistic,
}
"""Pairs that give δ = ∂r/∂z directly."""

CLIPPED: dict[str, Callable[..., tuple[Array, Array]]] = {
    "cross_entropy": cross_entropy,
    "binary_cross_entropy": binary_cross_entropy,
}
"""Losses that keep y away from where their logarithms end, by ε of the dtype that computes."""

ANY: dict[str, Pair] = {**CLIPPED, "mse": mse, "sse": sse}
"""Losses that give ∂r/∂y; the last activation's φ' makes it δ (Eq. 6; softmax by delmas' Eqs. 30-33)."""


def any_pair(name: str, epsilon: float | None = None) -> Pair:
    """A loss of `ANY`, clipped at ε where it clips."""
    return partial(CLIPPED[name], epsilon=epsilon) if name in CLIPPED else ANY[name]


class NumpyLoss:
    """A loss for the last layer of a program.

    Args:
        program: with a loss.
        epsilon: ε of the clipping; None is that of y's dtype. Another serves to follow a computation in that other dtype.
    """

    def __init__(self, program: Program, epsilon: float | None = None) -> None:
        assert program.loss is not None
        self.loss = program.loss
        self.outputs = program.outputs.points
        name = activations.get(program.stages[-1].layer.activation).name
        self.closed = CLOSED.get((self.loss.name, name))
        self.pair = self.closed or any_pair(self.loss.name, epsilon)
        self.phi = formula(name)

    def evaluate(self, saved: Saved, t: Array) -> tuple[float, Array]:
        """The reduced loss, summed in double precision, and δ with the same factor (Eq. 2; delmas 19, 22, 30 and 32-33)."""
        n = len(t)
        z, y = saved.z.reshape(n, -1), saved.y.reshape(n, -1)
        w = (
            np.ones(self.outputs, y.real.dtype)
            if self.loss.weights is None
            else np.asarray(self.loss.weights, y.real.dtype)
        )
        terms, slope = self.pair(z, y, t.reshape(n, -1), w)
        slope = slope.reshape(saved.y.shape)
        delta = slope if self.closed else self.phi.delta(slope, saved.z, saved.y)
        scale = self.loss.scale(n, self.outputs)
        total = terms.sum(dtype=np.result_type(terms.dtype, np.float64)) * scale
        return total.item(), (delta * scale).astype(saved.y.dtype, copy=False)
