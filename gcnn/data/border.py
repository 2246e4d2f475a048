"""A border around images."""

from __future__ import annotations

import numpy as np

from gcnn.maps import Array, last_axes


def with_border(x: Array, cells: int, fill: tuple[float, ...] | float) -> Array:
    """Images (n, maps, *size) with `cells` more on both ends of every axis, which hold `fill`: one number, or one a map."""
    size = x.shape[2:]
    bordered = np.empty((*x.shape[:2], *(length + 2 * cells for length in size)), x.dtype)
    # What overflows is found, and its sample named, where the network reads it.
    with np.errstate(over="ignore"):
        bordered[:] = np.reshape(fill, (-1, *[1] * len(size)))
    bordered[last_axes(slice(cells, cells + length) for length in size)] = x
    return bordered
