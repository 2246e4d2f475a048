"""Activation functions and their derivatives (Hedberg 2015, Eqs. 20, 24-25; delmas, texts before Eq. 15 and Eqs. 20, 31).

Every formula is finite at any finite z. Branches look at the real part only, so that a complex z differentiates too.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from gcnn import activations
from gcnn.maps import Array


class Formula(NamedTuple):
    """φ(z), and ∂r/∂z from ∂r/∂y with z and y = φ(z) at hand."""

    function: Callable[[Array], Array]
    delta: Callable[[Array, Array, Array], Array]


def magnitude(z: Array) -> Array:
    """|z|, written so that it stays analytic on each side of 0."""
    return np.where(z.real < 0, -z, z)


def logistic(z: Array) -> Array:
    """σ(z) = 1 / (1 + exp(-z)), the exponential never above 1 (delmas, before Eq. 15)."""
    e = np.exp(-magnitude(z))
    return np.where(z.real < 0, e, 1) / (1 + e)


def soft_logistic(z: Array) -> Array:
    """σ(z) = (|z| + z + 1) / (2|z| + 2) = ½ (1 + z / (1 + |z|)), in a form without overflow (delmas, before Eq. 15)."""
    tail = 0.5 / (1 + magnitude(z))
    return np.where(z.real < 0, tail, 1 - tail)


def below_largest(z: Array) -> Array:
    """(sample, values): z minus the largest of its sample; finite even where the difference overflows."""
    with np.errstate(over="ignore"):
        shifted = z - z.real.max(axis=1, keepdims=True)
    return np.maximum(shifted, np.finfo(shifted.dtype).min)


def softmax(z: Array) -> Array:
    """exp(z_i) / Σ_k exp(z_k) over all values of a sample, shifted by the largest (Hedberg Eq. 25; delmas Eq. 20)."""
    e = np.exp(below_largest(z.reshape(len(z), -1)))
    return (e / e.sum(axis=1, keepdims=True)).reshape(z.shape)


def softmax_delta(dy: Array, z: Array, y: Array) -> Array:
    """Σ_a dy_a y_a (1{a=b} - y_b) (delmas, Eq. 31)."""
    flat_dy, flat_y = dy.reshape(len(dy), -1), y.reshape(len(y), -1)
    mean = (flat_dy * flat_y).sum(axis=1, keepdims=True)
    return (flat_y * (flat_dy - mean)).reshape(y.shape)


_A, _S = 1.7159, 2 / 3  # scaled tanh: LeCun et al. 1998, appendix A

FORMULAS = {
    "identity": Formula(lambda z: z, lambda dy, z, y: dy),
    "logistic": Formula(logistic, lambda dy, z, y: dy * y * (1 - y)),
    "tanh": Formula(np.tanh, lambda dy, z, y: dy * (1 - y * y)),
    "scaled_tanh": Formula(lambda z: _A * np.tanh(_S * z), lambda dy, z, y: dy * (_S / _A) * (_A - y) * (_A + y)),
    "soft_logistic": Formula(soft_logistic, lambda dy, z, y: dy * 0.5 / (1 + magnitude(z)) / (1 + magnitude(z))),
    "softsign": Formula(
        lambda z: z / (1 + magnitude(z)), lambda dy, z, y: dy / (1 + magnitude(z)) / (1 + magnitude(z))
    ),
    "relu": Formula(lambda z: np.maximum(z, 0), lambda dy, z, y: dy * (z.real > 0)),
    "softplus": Formula(
        lambda z: np.maximum(z, 0) + np.log1p(np.exp(-magnitude(z))), lambda dy, z, y: dy * logistic(z)
    ),
    "softmax": Formula(softmax, softmax_delta),
}


def formula(name: str) -> Formula:
    """The formulas of an activation; a user's own brings them along."""
    activation = activations.get(name)
    if activation.function is None or activation.derivative is None:
        return FORMULAS[activation.name]
    function, derivative = activation.function, activation.derivative
    # A constant in a user's function may be of another dtype than z; the layer's is kept.
    return Formula(
        lambda z: np.asarray(function(z), dtype=z.dtype), lambda dy, z, y: dy * np.asarray(derivative(z), dtype=z.dtype)
    )
