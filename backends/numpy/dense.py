"""Dense layer (Hedberg 2015, Eqs. 13-19 and 33-41, Table 4; delmas, Eqs. 17-18 and 24-29).

z = W y + b
"""

from __future__ import annotations

import numpy as np

from gcnn.backend import Saved
from gcnn.backends.numpy.layer import NumpyLayer, laid_out
from gcnn.layers import Dense
from gcnn.maps import Array, Maps


class NumpyDense(NumpyLayer):
    """W is (units, inputs), zero where the table has no connection; a batch is rows."""

    def __init__(self, layer: Dense, inputs: Maps, outputs: Maps) -> None:
        super().__init__(layer, inputs, outputs)
        self.mask = layer.weight_mask(inputs)
        self.weight_count = int(self.mask.sum())
        self.bias = layer.bias

    def unpack(self, theta: Array) -> tuple[Array, Array]:
        """θ as W and b."""
        weights, biases = theta[: self.weight_count], theta[self.weight_count :]
        if self.weight_count == self.mask.size:
            return weights.reshape(self.mask.shape), biases
        return laid_out(weights, self.mask), biases

    def combine(self, y: Array, theta: Array) -> tuple[Array, None]:
        """Eqs. 17-19 (delmas 17-18): z = W y + b, reading the maps in C order (delmas 41-42)."""
        w, b = self.unpack(theta)
        z = y.reshape(len(y), -1) @ w.T
        return (z + b if self.bias else z), None

    def backpropagate(self, delta: Array, saved: Saved, theta: Array) -> Array:
        """Eqs. 34-35 without φ' of the layer below (delmas 29): ∂r/∂y = Wᵀ δ."""
        w, _ = self.unpack(theta)
        return (delta @ w).reshape(saved.y_in.shape)

    def gradient(self, delta: Array, saved: Saved, theta: Array) -> Array:
        """Eqs. 36-41 (delmas 24): ∂r/∂W = δ yᵀ on the existing weights, ∂r/∂b = δ, summed over the batch."""
        dw = delta.T @ saved.y_in.reshape(len(delta), -1)
        weights = dw.ravel() if self.weight_count == self.mask.size else dw[self.mask]
        return np.concatenate([weights, delta.sum(axis=0)]) if self.bias else weights
