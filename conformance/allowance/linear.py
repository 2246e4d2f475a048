"""Layers that are sums of products: dense, convolution, weighted sub-sampling. One rule serves all three.

Z is linear in y and in θ; with absolute values it gives Σ|a b|, with ones the number of terms.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from gcnn.backend import Saved
from gcnn.conformance.allowance.rounding import EXTRA, SAFETY
from gcnn.maps import Array


class Linear:
    """Error bounds of a layer of the oracle whose combinator is linear.

    Attributes:
        layer: the oracle's layer.
        theta: its parameters.
        u: unit roundoff.
    """

    def __init__(self, layer: Any, theta: Array, u: float) -> None:
        self.layer, self.theta, self.u = layer, theta, u
        blocks = layer.layer.parameters(layer.inputs)
        self.is_weight = np.concatenate([np.full(block.count, block.decays) for block in blocks])
        self.magnitude, self.ones = np.abs(theta), np.ones_like(theta)

    def _round(self, terms: Array, total: Array) -> Array:
        return SAFETY * (terms + EXTRA) * self.u * total

    def forward(self, saved: Saved, error: Array) -> Array:
        """Bound on z's error, for an input that errs by `error`."""
        z = self.layer.combine
        # Errors of the input pass through the weights; the biases add nothing to them.
        own = self._round(z(np.ones_like(error), self.ones)[0], z(np.abs(saved.y_in), self.magnitude)[0])
        return own + z(error, self.magnitude * self.is_weight)[0]

    def backpropagate(self, delta: Array, delta_error: Array, saved: Saved, error: Array) -> Array:
        """Bound on the error of ∂r/∂y_in."""
        back = self.layer.backpropagate
        own = self._round(back(np.ones_like(delta), saved, self.ones), back(np.abs(delta), saved, self.magnitude))
        return own + back(delta_error, saved, self.magnitude)

    def gradient(self, delta: Array, delta_error: Array, saved: Saved, error: Array) -> Array:
        """Bound on the error of ∂r/∂θ."""

        def sums(d: Array, y: Array) -> Array:
            return self.layer.gradient(d, self.layer.forward(y, self.theta), self.theta)

        y, size = np.abs(saved.y_in), np.abs(delta)
        own = self._round(sums(np.ones_like(delta), np.ones_like(y)), sums(size, y))
        # ∂r/∂b does not read y_in, so an error of y_in does not reach it.
        return own + sums(delta_error, y + error) + sums(size, error) * self.is_weight
