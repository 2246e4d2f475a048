"""Vanilla sub-sampling (Hedberg 2015, Eqs. 101-103, Table 8; corrections: docs/corrections.md).

y_i(x) = y_i(K x)
"""

from __future__ import annotations

import numpy as np

from gcnn.backend import Saved
from gcnn.backends.numpy.layer import NumpyLayer
from gcnn.layers import VanillaSubsampling
from gcnn.maps import Array, Maps, last_axes


class NumpyVanillaSubsampling(NumpyLayer):
    """Every K-th cell is a strided view."""

    def __init__(self, layer: VanillaSubsampling, inputs: Maps, outputs: Maps) -> None:
        super().__init__(layer, inputs, outputs)
        self.every = last_axes(
            slice(0, k * (n - 1) + 1, k) for k, n in zip(layer.steps(inputs), outputs.box, strict=True)
        )

    def combine(self, y: Array, theta: Array) -> tuple[Array, None]:
        """Eq. 101."""
        return self.outputs.extract(self.inputs.embed(y)[self.every]), None

    def backpropagate(self, delta: Array, saved: Saved, theta: Array) -> Array:
        """Eqs. 102-103: cell K x gets δ(x), all others 0."""
        boxed = np.zeros((len(delta), self.inputs.count, *self.inputs.box), dtype=delta.dtype)
        boxed[self.every] = self.outputs.embed(delta)
        return self.inputs.extract(boxed)
