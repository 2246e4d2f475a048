"""Max pooling (Hedberg 2015, Eqs. 98-100, Table 7; corrections: docs/corrections.md).

y_i(x) = max over u < K of y_i(K x + u)
"""

from __future__ import annotations

from math import prod

import numpy as np

from gcnn.backend import Saved
from gcnn.backends.numpy.layer import NumpyLayer
from gcnn.backends.numpy.windows import scatter, windows
from gcnn.layers import MaxPooling
from gcnn.maps import Array, Maps


class NumpyMaxPooling(NumpyLayer):
    """The forward pass keeps which cell won; asking again on the way back could find none."""

    def __init__(self, layer: MaxPooling, inputs: Maps, outputs: Maps) -> None:
        super().__init__(layer, inputs, outputs)
        self.window = layer.windows(inputs)

    def combine(self, y: Array, theta: Array) -> tuple[Array, Array]:
        """Eq. 98. The first maximum in row-major order wins a tie, and a NaN wins over everything."""
        seen = windows(self.inputs.embed(y), self.window, self.window, self.outputs.box)
        cells = seen.reshape(*seen.shape[: seen.ndim - len(self.window)], prod(self.window))
        winner = cells.real.argmax(axis=-1)
        z = np.take_along_axis(cells, winner[..., None], axis=-1)[..., 0]
        return self.outputs.extract(z), winner

    def backpropagate(self, delta: Array, saved: Saved, theta: Array) -> Array:
        """Eqs. 99-100: the winner of a complete window gets its δ; all other cells get 0."""
        won = saved.extra[..., None] == np.arange(prod(self.window))
        cells = (won * self.outputs.embed(delta)[..., None]).reshape(*saved.extra.shape, *self.window)
        return self.inputs.extract(scatter(cells, self.window, self.inputs.box))
