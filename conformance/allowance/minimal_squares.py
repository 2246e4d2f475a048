"""Convolution with 3x3 taps that may be computed by a minimal algorithm (Winograd 1980): what F(4x4, 3x3) may err by.

Tiles of 4x4 outputs see 6x6 values: y = A^T ((G w G^T) * (B^T d B)) A, summed over input maps between the transforms. On absolute values
the same formulas give what roundings are relative to; wherever tiles begin. It is added to what direct sums may err by.

Matrices are those of the points 0, ±3/4, ±3/2 and infinity. F(2x2, 3x3) stays below.
"""

from __future__ import annotations

from functools import reduce

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from gcnn.backend import Saved
from gcnn.conformance.allowance.linear import Linear
from gcnn.conformance.allowance.rounding import SAFETY
from gcnn.layers import Convolution
from gcnn.maps import Array
from gcnn.network import Stage

MADE, SEEN, TAPS = 4, 6, 3
POINTS = (0.0, 0.75, -0.75, 1.5, -1.5)
TRANSFORMS = 2 * (SEEN + SEEN + TAPS)
"""Roundings besides those of the sum over maps: of transforms of values, products and taps, each along two axes."""


def matrices(points: tuple[float, ...], made: int, taps: int) -> tuple[Array, Array, Array]:
    """|A|, |B^T| and |G| of so many outputs and taps, a row a point, of which the last is infinity (Lavin and Gray 2016)."""
    seen = len(points) + 1
    a, b, g = np.zeros((seen, made)), np.zeros((seen, seen)), np.zeros((seen, taps))
    for row, point in enumerate(points):
        others = [other for other in points if other != point]
        a[row], b[row, :-1] = point ** np.arange(made), np.poly(others)[::-1]
        g[row] = point ** np.arange(taps) / np.prod([point - other for other in others])
    a[-1, -1] = g[-1, -1] = 1
    b[-1] = np.poly(points)[::-1]
    return np.abs(a), np.abs(b), np.abs(g)


A, B, G = matrices(POINTS, MADE, TAPS)


def applies(stage: Stage) -> bool:
    """Whether a layer may be computed so: 3x3 taps that move by 1, one kernel for each pair of maps."""
    layer, inputs = stage.layer, stage.inputs
    if (
        not isinstance(layer, Convolution)
        or not inputs.uniform
        or inputs.dimensions != 2
        or layer.needs(inputs) - {"padding"}
    ):
        return False
    plain = layer.table is None and layer.output is None and layer.kernel_box(inputs) == (TAPS, TAPS)
    return plain and max(layer.paddings(inputs)) < TAPS


class MinimalSquares(Linear):
    """Error bounds of a convolution that a minimal algorithm may compute."""

    def __init__(self, layer: object, theta: Array, u: float) -> None:
        super().__init__(layer, theta, u)
        inputs, maps = self.layer.inputs, self.layer.layer.maps
        self._border = self.layer.layer.paddings(inputs)
        self._kernels = self.magnitude[: self.is_weight.sum()].reshape(maps, inputs.count, TAPS, TAPS)

    def _more(self, terms: int, total: Array) -> Array:
        return SAFETY * (terms + TRANSFORMS) * self.u * total

    def forward(self, saved: Saved, error: Array) -> Array:
        total = correlated(np.abs(saved.y_in), self._kernels, self._border)
        return super().forward(saved, error) + self._more(self._kernels.shape[1], total)

    def backpropagate(self, delta: Array, delta_error: Array, saved: Saved, error: Array) -> Array:
        turned = self._kernels.swapaxes(0, 1)[..., ::-1, ::-1]
        total = correlated(np.abs(delta), turned, tuple(TAPS - 1 - n for n in self._border))
        return super().backpropagate(delta, delta_error, saved, error) + self._more(len(self._kernels), total)

    def gradient(self, delta: Array, delta_error: Array, saved: Saved, error: Array) -> Array:
        own = super().gradient(delta, delta_error, saved, error)
        tiles = len(delta) * np.prod([-(-n // MADE) + 1 for n in delta.shape[2:]])
        total = slopes(np.abs(delta), np.abs(saved.y_in), self._border)
        own[: total.size] += self._more(int(tiles), total.ravel())
        return own


def correlated(x: Array, kernels: Array, border: tuple[int, ...]) -> Array:
    """|A|^T ((|G| w |G|^T) * (|B^T| d |B|)) |A| of values (n, j, y, x) and kernels (i, j, 3, 3), the largest wherever tiles begin."""
    seen = _seen(x, border)
    _, _, _, samples, rows, columns = seen.shape
    products = _both(G, kernels.transpose(2, 3, 0, 1)) @ seen.reshape(SEEN, SEEN, x.shape[1], -1)
    made = _both(A.T, products).reshape(MADE, MADE, len(kernels), samples, rows, columns)
    rows, columns = rows - MADE + 1, columns - MADE + 1
    around = MADE - 1
    shifted = (
        made[a, b, :, :, around - a : around - a + rows, around - b : around - b + columns]
        for a, b in np.ndindex(MADE, MADE)
    )
    return reduce(np.maximum, shifted).swapaxes(0, 1)


def slopes(delta: Array, x: Array, border: tuple[int, ...]) -> Array:
    """|G|^T (sum of (|A| delta |A|^T) * (|B^T| d |B|)) |G|, (i, j, 3, 3), the largest wherever tiles begin."""
    spread, seen = _both(A, _windows(delta, (0, 0), MADE)), _seen(x, border)
    found = []
    for start in np.ndindex(MADE, MADE):
        y, x_ = (slice(first, None, MADE) for first in start)
        left, right = (part[..., y, x_].reshape(SEEN, SEEN, part.shape[2], -1) for part in (spread, seen))
        found.append(_both(G.T, left @ right.swapaxes(2, 3)))
    return np.max(found, axis=0).transpose(2, 3, 0, 1)


def _both(matrix: Array, x: Array) -> Array:
    """M x M^T over the first two axes."""
    return np.einsum("ps,st...,qt->pq...", matrix, x, matrix, optimize=True)


def _seen(x: Array, border: tuple[int, ...]) -> Array:
    """|B^T| d |B| of what is seen by tiles that begin anywhere, from MADE - 1 before the first output on: (6, 6, map, sample, y, x)."""
    return _both(B, _windows(x, border, SEEN))


def _windows(x: Array, border: tuple[int, ...], side: int) -> Array:
    """(side, side, map, sample, y, x) of values (sample, map, y, x)."""
    around = [(0, 0), (0, 0), *((n + MADE - 1, n + MADE - 1) for n in border)]
    windows = sliding_window_view(np.pad(x, around), (side, side), (2, 3))
    return np.ascontiguousarray(windows.transpose(4, 5, 1, 0, 2, 3))
