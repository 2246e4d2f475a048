"""Weighted sub-sampling (Hedberg 2015, Eqs. 86-97, Table 6; corrections: docs/corrections.md).

z_i(x) = b_i + Σ_{j∈D_i} α_ij Σ_{u<K} y_j(K x + u)
"""

from __future__ import annotations

import numpy as np

from gcnn.backend import Saved
from gcnn.backends.numpy.layer import NumpyLayer, laid_out, over_axes
from gcnn.backends.numpy.windows import frame, scatter, span, windows
from gcnn.layers import WeightedSubsampling
from gcnn.maps import Array, Maps, last_axes


class NumpyWeightedSubsampling(NumpyLayer):
    """α is (maps, input maps), zero where the table has no connection."""

    def __init__(self, layer: WeightedSubsampling, inputs: Maps, outputs: Maps) -> None:
        super().__init__(layer, inputs, outputs)
        self.window = layer.windows(inputs)
        self.single, self.table = layer.weights == "single", layer.connections(inputs)
        self.mask = layer.weight_mask(inputs)
        self.weight_count = int(self.mask.sum())
        self.axes = tuple(range(2, 2 + len(self.window)))
        reach = span(self.window, self.window, outputs.box)
        self.framed = tuple(max(r, n) for r, n in zip(reach, inputs.box, strict=True))

    def unpack(self, theta: Array) -> tuple[Array, Array]:
        """θ as α and b; a single weight α_i stands for every α_ij, j ∈ D_i (Eq. 87)."""
        weights, biases = theta[: self.weight_count], theta[self.weight_count :]
        alpha = laid_out(weights, self.mask)
        return (alpha[:, None] * self.table if self.single else alpha), biases

    def sums(self, y: Array) -> Array:
        """Σ_{u<K} y_j(K x + u) for every input map."""
        boxed = frame(self.inputs.embed(y), (0,) * len(self.window), self.framed)
        seen = windows(boxed, self.window, self.window, self.outputs.box)
        return seen.sum(axis=tuple(axis + len(self.window) for axis in self.axes))

    def combine(self, y: Array, theta: Array) -> tuple[Array, Array]:
        """Eq. 86, and Eq. 87 for single weights."""
        alpha, b = self.unpack(theta)
        sums = self.sums(y)
        z = np.moveaxis(np.tensordot(sums, alpha, axes=((1,), (1,))), -1, 1) + over_axes(b, len(self.window))
        return self.outputs.extract(z), sums

    def backpropagate(self, delta: Array, saved: Saved, theta: Array) -> Array:
        """Eqs. 88-93: every cell of a complete window gets Σ_{i∈C_j} α_ij δ_i(floor(x / K)); cells beyond get 0."""
        alpha, _ = self.unpack(theta)
        blocks = np.moveaxis(np.tensordot(self.outputs.embed(delta), alpha, axes=((1,), (0,))), -1, 1)
        cells = np.broadcast_to(blocks[last_axes([None] * len(self.window))], (*blocks.shape, *self.window))
        return self.inputs.extract(scatter(cells, self.window, self.framed))

    def gradient(self, delta: Array, saved: Saved, theta: Array) -> Array:
        """Eqs. 94-95: Σ_x δ_i(x) Σ_u y_j(K x + u); single weights: Eq. 96, summed over D_i; biases: Eq. 97."""
        boxed = self.outputs.embed(delta)
        dalpha = np.tensordot(boxed, saved.extra, axes=((0, *self.axes), (0, *self.axes)))
        if self.single:
            dalpha = (dalpha * self.table).sum(axis=1)
        return np.concatenate([dalpha[self.mask], boxed.sum(axis=(0, *self.axes))])
