"""The index arithmetic of sliding windows, in any number of dimensions: y(k x + u) as an array, and its transpose."""

from __future__ import annotations

from itertools import product

import numpy as np

from gcnn.maps import Array, Size, last_axes


def frame(y: Array, before: Size, size: Size) -> Array:
    """The last axes of `y` shifted by `before` into arrays of `size`: zero outside, cells beyond `size` dropped."""
    if not any(before) and y.shape[y.ndim - len(size) :] == size:
        return y
    framed = np.zeros((*y.shape[: y.ndim - len(size)], *size), dtype=y.dtype)
    kept = tuple(min(n, s - b) for n, s, b in zip(y.shape[y.ndim - len(size) :], size, before, strict=True))
    inside = last_axes(slice(b, b + n) for b, n in zip(before, kept, strict=True))
    framed[inside] = y[last_axes(slice(n) for n in kept)]
    return framed


def span(taps: Size, stride: Size, count: Size) -> Size:
    """How many input cells `count` windows of `taps` cells touch per axis."""
    return tuple((n - 1) * k + f for f, k, n in zip(taps, stride, count, strict=True))


def windows(y: Array, taps: Size, stride: Size, count: Size) -> Array:
    """(sample, map, *cells) to (sample, map, *count, *taps): element (x, u) is y(k x + u). A view, nothing is copied."""
    if not taps:
        return y
    axes = tuple(range(2, 2 + len(taps)))
    every = np.lib.stride_tricks.sliding_window_view(y, taps, axes)
    kept = [slice(0, (n - 1) * k + 1, k) for n, k in zip(count, stride, strict=True)]
    return every[last_axes([*kept, *[slice(None)] * len(taps)])]


def scatter(cells: Array, stride: Size, size: Size) -> Array:
    """The transpose of `windows`: (sample, map, *count, *taps) to (sample, map, *size), adding element (x, u) to cell k x + u."""
    d = len(stride)
    count, taps = cells.shape[2 : 2 + d], cells.shape[2 + d :]
    y = np.zeros((*cells.shape[:2], *size), dtype=cells.dtype)
    for u in product(*map(range, taps)):
        reached = (slice(first, first + k * (n - 1) + 1, k) for first, k, n in zip(u, stride, count, strict=True))
        y[last_axes(reached)] += cells[last_axes(u)]
    return y
