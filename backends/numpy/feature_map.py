"""Feature maps (delmas, Eq. 15): fixed functions of the inputs, with the derivative that back-propagation needs."""

from __future__ import annotations

from itertools import combinations_with_replacement

import numpy as np

from gcnn.backend import Saved
from gcnn.backends.numpy.layer import NumpyLayer
from gcnn.errors import LayerError
from gcnn.layers import FeatureMap
from gcnn.layers.feature_map import features
from gcnn.maps import Array, Maps


class NumpyFeatureMap(NumpyLayer):
    """A feature map as a pair of functions: φ(x), and its pullback v -> Σ_f v_f ∂φ_f/∂x."""

    def __init__(self, layer: FeatureMap, inputs: Maps, outputs: Maps) -> None:
        super().__init__(layer, inputs, outputs)
        own = features(layer.features)
        if own.function is not None and own.pullback is not None:
            self.function, self.pullback = own.function, own.pullback
        elif layer.features == "monomials":
            made = Monomials(inputs.points, layer.degree)
            self.function, self.pullback = made.function, made.pullback
        else:
            self.frequencies = np.arange(1, layer.degree + 1)
            self.function, self.pullback = self.trigonometric, self.trigonometric_pullback

    def combine(self, y: Array, theta: Array) -> tuple[Array, None]:
        """φ(x) of delmas, Eq. 15."""
        made = np.asarray(self.function(y.reshape(len(y), -1)), dtype=y.dtype)
        if made.shape != (len(y), self.outputs.points):
            raise LayerError(
                f"{self.layer}: its function made an array of shape {made.shape}, its count promised {self.outputs.points} features."
            )
        return made, None

    def backpropagate(self, delta: Array, saved: Saved, theta: Array) -> Array:
        """Σ_f δ_f ∂φ_f/∂x."""
        dx = np.asarray(self.pullback(saved.y_in.reshape(len(delta), -1), delta), dtype=delta.dtype)
        return dx.reshape(saved.y_in.shape)

    def trigonometric(self, x: Array) -> Array:
        """cos k x, sin k x, by frequency k, then by input."""
        angle = x[:, None, :] * self.frequencies[:, None].astype(x.real.dtype)
        return np.stack([np.cos(angle), np.sin(angle)], axis=2).reshape(len(x), -1)

    def trigonometric_pullback(self, x: Array, v: Array) -> Array:
        """-k sin k x and k cos k x."""
        k = self.frequencies[:, None].astype(x.real.dtype)
        angle = x[:, None, :] * k
        by_cos, by_sin = np.moveaxis(v.reshape(len(x), len(self.frequencies), 2, -1), 2, 0)
        return (k * (by_sin * np.cos(angle) - by_cos * np.sin(angle))).sum(axis=1)


class Monomials:
    """All products of 1 to `degree` inputs: x1, x2, x1², x1 x2, x2², ..."""

    def __init__(self, inputs: int, degree: int) -> None:
        orders = range(1, degree + 1)
        self.factors = [np.array(list(combinations_with_replacement(range(inputs), order))) for order in orders]

    def function(self, x: Array) -> Array:
        """(sample, inputs) to (sample, monomials), by order."""
        return np.concatenate([x[:, factors].prod(axis=2) for factors in self.factors], axis=1)

    def pullback(self, x: Array, v: Array) -> Array:
        """Each factor of a monomial gets v times the product of the others."""
        dx, start = np.zeros_like(x), 0
        for factors in self.factors:
            part = v[:, start : start + len(factors)]
            for position in range(factors.shape[1]):
                others = np.delete(factors, position, axis=1)
                np.add.at(dx.T, factors[:, position], (part * x[:, others].prod(axis=2)).T)
            start += len(factors)
        return dx
