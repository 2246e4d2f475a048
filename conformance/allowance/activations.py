"""Activations: y = φ(z) and δ = ∂r/∂y φ'(z), for z and ∂r/∂y that err."""

from __future__ import annotations

import numpy as np

from gcnn.backend import Saved
from gcnn.backends.numpy.activations import formula
from gcnn.conformance.allowance.rounding import EXTRA, SAFETY, TRANSCENDENTAL, ULPS, spread
from gcnn.maps import Array


def forward(name: str, saved: Saved, z_error: Array, u: float) -> Array:
    """Bound on y's error."""
    if name == "softmax":
        return _softmax(saved.z, saved.y, z_error, u)
    moved = spread(formula(name).function, saved.z, z_error)
    return moved + SAFETY * ULPS.get(name, TRANSCENDENTAL) * u * np.abs(saved.y)


def delta(name: str, dy: Array, dy_error: Array, saved: Saved, z_error: Array, y_error: Array, u: float) -> Array:
    """Bound on δ's error. φ' may be formed from y, as 1 - y² is, so its rounding counts against the largest slope."""
    if name == "softmax":
        return _softmax_delta(dy, dy_error, saved.y, y_error, u)
    one = np.ones_like(saved.z)

    def slope(z: Array) -> Array:
        return formula(name).delta(one, z, formula(name).function(z))

    largest = float(np.abs(slope(np.zeros(1))).max()) if name not in ("relu", "identity") else 0.0
    slope_error = spread(slope, saved.z, z_error) + SAFETY * (2 * ULPS.get(name, TRANSCENDENTAL) + EXTRA) * u * max(
        largest, 0.0
    )
    own = SAFETY * EXTRA * u * np.abs(dy * slope(saved.z)) * (name != "identity")
    return dy_error * np.abs(slope(saved.z)) + (np.abs(dy) + dy_error) * slope_error + own


def _softmax(z: Array, y: Array, z_error: Array, u: float) -> Array:
    """Logits off by at most e change every output by a factor within exp(±2 e)."""
    flat_z, flat_y, flat_error = (a.reshape(len(a), -1) for a in (z, y, z_error))
    shift = flat_z.max(axis=1, keepdims=True) - flat_z
    exponent = 2 * flat_error.max(axis=1, keepdims=True) + SAFETY * u * shift
    rounded = SAFETY * (flat_y.shape[1] + TRANSCENDENTAL) * u
    return ((np.expm1(exponent) + rounded) * flat_y).reshape(y.shape)


def _softmax_delta(dy: Array, dy_error: Array, y: Array, y_error: Array, u: float) -> Array:
    """δ_b = y_b (dy_b - Σ_a dy_a y_a)."""
    dy, dy_error, flat, flat_error = (a.reshape(len(a), -1) for a in (dy, dy_error, y, y_error))
    mean = (dy * flat).sum(axis=1, keepdims=True)
    size = np.abs(dy) + (np.abs(dy) * flat).sum(axis=1, keepdims=True)
    inner = dy_error + (dy_error * flat + (np.abs(dy) + dy_error) * flat_error).sum(axis=1, keepdims=True)
    rounded = SAFETY * (dy.shape[1] + EXTRA) * u * size
    bound = (flat + flat_error) * (inner + rounded) + flat_error * np.abs(dy - mean)
    return bound.reshape(y.shape)
