"""Initial weights (decision "start"): Glorot's uniform rule, counting the connections that exist."""

from __future__ import annotations

import numpy as np

from gcnn.maps import Array


def glorot_uniform(mask: Array, rng: np.random.Generator) -> Array:
    """Values for the True cells of a weight mask, in C order: uniform in ±sqrt(6 / (fan_in + fan_out)).

    Args:
        mask: (outputs, inputs, *taps) booleans, True where a weight exists. Fans are counted on it, so a unit that
            a connection table leaves with few inputs starts with larger weights.
        rng: the seeded generator; one draw a weight, in float64.
    """
    cells = tuple(range(1, mask.ndim))
    fan_in = mask.sum(axis=cells, keepdims=True)
    fan_out = mask.sum(axis=(0, *cells[1:]), keepdims=True)
    limit = np.sqrt(6.0 / np.maximum(fan_in + fan_out, 1))
    limits = np.broadcast_to(limit, mask.shape)[mask]
    return rng.uniform(-limits, limits)
