"""The constants of the error analysis, each with its reason, and what all rules share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from gcnn.maps import Array

SAFETY = 2.0
"""C: once for the backend and once for the oracle, whose own rounding counts when both compute in float64."""

EXTRA = 4
"""k: roundings besides the n additions: the products, the bias, the store."""

ULPS = {"identity": 0, "relu": 0, "soft_logistic": 4, "softsign": 4}
"""Roundings of an activation that needs no exponential; OpenCL lets exp err by 3 ulp, tanh by 5, log by 3, and the
others combine two of them (OpenCL C 3.0, section 7.4)."""

TRANSCENDENTAL = 8


def unit_roundoff(dtype: str) -> float:
    """2^-24 for float32, 2^-53 for float64."""
    return float(np.finfo(dtype).eps) / 2


def floor(dtype: str) -> float:
    """Results may be flushed to zero when they are this small: a few of the smallest normal numbers."""
    return 64 * float(np.finfo(dtype).tiny)


def spread(function: Callable[[Array], Array], z: Array, error: Array) -> Array:
    """How far f moves when its argument moves by ±error."""
    centre = function(z)
    with np.errstate(over="ignore"):
        return np.maximum(np.abs(function(z + error) - centre), np.abs(function(z - error) - centre))


def bounded_sum(terms: Array, errors: Array, axis: int, u: float) -> Array:
    """Error of a sum of terms that err themselves."""
    n: Any = terms.shape[axis]
    return errors.sum(axis=axis) + SAFETY * (n + EXTRA) * u * np.abs(terms).sum(axis=axis)
