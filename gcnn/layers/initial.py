"""Initial weights (decision "start"): Glorot's uniform rule, counting the connections that exist."""

from __future__ import annotations

import numpy as np

from gcnn.maps import Array


def glorot_limits(mask: Array) -> Array:
    """For every cell of a weight mask, sqrt(6 / (fan_in + fan_out)), with fans counted on the mask.

    Args:
        mask: (outputs, inputs, *taps) booleans, True where a weight exists. A unit that a connection table leaves with
            few inputs starts with larger weights.
    """
    cells = tuple(range(1, mask.ndim))
    fan_in = mask.sum(axis=cells, keepdims=True)
    fan_out = mask.sum(axis=(0, *cells[1:]), keepdims=True)
    return np.broadcast_to(np.sqrt(6.0 / np.maximum(fan_in + fan_out, 1)), mask.shape)


def glorot_uniform(mask: Array, rng: np.random.Generator) -> Array:
    """Values for the True cells of a weight mask, in C order, uniform within their limits; float64, one draw a weight."""
    limits = glorot_limits(mask)[mask]
    return rng.uniform(-limits, limits)


def glorot_shared(mask: Array, table: Array, rng: np.random.Generator) -> Array:
    """The same for kernels (outputs, *taps) that serve all inputs of a table: within the least limit of their connections."""
    connections = table.reshape(*table.shape, *([1] * (mask.ndim - 1))) & mask[:, None]
    limits = np.where(connections, glorot_limits(connections), np.inf).min(axis=1)[mask]
    return rng.uniform(-limits, limits)
