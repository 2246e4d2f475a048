"""Feature maps: products of inputs, and sines and cosines of them."""

from __future__ import annotations

from typing import Any

import numpy as np

from gcnn.backend import Saved
from gcnn.conformance.allowance.rounding import EXTRA, SAFETY, TRANSCENDENTAL
from gcnn.maps import Array


class FeatureMap:
    """Error bounds of the oracle's feature maps."""

    def __init__(self, layer: Any, theta: Array, u: float) -> None:
        self.layer, self.u = layer, u
        self.monomials = layer.layer.features == "monomials"
        self.degree = layer.layer.degree

    def forward(self, saved: Saved, error: Array) -> Array:
        """Monomials grow with |x|, so |x| + e bounds them; cos and sin move no further than their argument."""
        x, e = np.abs(saved.y_in.reshape(len(saved.y_in), -1)), error.reshape(len(error), -1)
        if self.monomials:
            largest = self.layer.function(x + e)
            return largest - self.layer.function(x) + SAFETY * self.degree * self.u * largest
        return self._turned(x, e) + SAFETY * TRANSCENDENTAL * self.u

    def _turned(self, x: Array, e: Array) -> Array:
        """Error of the angle k x, laid out as the features are."""
        k = np.repeat(np.arange(1, self.degree + 1), 2 * x.shape[1])
        return k * np.tile(e + SAFETY * self.u * x, 2 * self.degree)

    def backpropagate(self, delta: Array, delta_error: Array, saved: Saved, error: Array) -> Array:
        """Bound on the error of Σ_f δ_f ∂φ_f/∂x."""
        x, e = np.abs(saved.y_in.reshape(len(delta), -1)), error.reshape(len(delta), -1)
        size = np.abs(delta)
        if self.monomials:
            back = self.layer.pullback
            largest, terms = back(x + e, size + delta_error), back(np.ones_like(x), np.ones_like(delta))
            bound = largest - back(x, size) + SAFETY * (terms + self.degree + EXTRA) * self.u * largest
        else:
            k = np.repeat(np.arange(1, self.degree + 1), 2 * x.shape[1])
            each = k * (
                delta_error + size * (self._turned(x, e) + SAFETY * (TRANSCENDENTAL + EXTRA + 2 * self.degree) * self.u)
            )
            bound = each.reshape(len(x), -1, x.shape[1]).sum(axis=1)
        return bound.reshape(saved.y_in.shape)

    def gradient(self, delta: Array, delta_error: Array, saved: Saved, error: Array) -> Array:
        """No parameters."""
        return np.zeros(0)
