"""Mistakes in radial basis layers, feature maps, flattening and activations."""

from __future__ import annotations

from typing import Any

import numpy as np

from gcnn.backend import Saved
from gcnn.backends.numpy.activation import NumpyActivation
from gcnn.backends.numpy.activations import Formula
from gcnn.backends.numpy.feature_map import NumpyFeatureMap
from gcnn.backends.numpy.flatten import NumpyFlatten
from gcnn.backends.numpy.radial_basis import NumpyRadialBasis
from gcnn.conformance.mutants.mutant import Mutant
from gcnn.layers import (
    Activation,
    FeatureMap,
    Flatten,
    RadialBasis,
)
from gcnn.maps import Array


class ForgottenLogarithm(NumpyRadialBasis):
    """∂r/∂β returned where log β is the parameter."""

    def gradient(self, delta: Array, saved: Saved, theta: Array) -> Array:
        gradient = super().gradient(delta, saved, theta)
        if self.log:
            gradient[-self.units :] /= self.unpack(theta)[1]
        return gradient


class NanAtTheCentre(NumpyRadialBasis):
    """0 / 0 where the input meets a centre."""

    def distances(self, y: Array, centres: Array) -> tuple[Array, Array]:
        d, r = super().distances(y, centres)
        return d, np.where(r == 0, np.nan, r)


class ExpandedSquare(NumpyRadialBasis):
    """‖y - c‖² as ‖y‖² + ‖c‖² - 2 y·c, which cancels far from the origin."""

    def distances(self, y: Array, centres: Array) -> tuple[Array, Array]:
        d, _ = super().distances(y, centres)
        flat = y.reshape(len(y), -1)
        square = (flat * flat).sum(axis=1)[:, None] + (centres * centres).sum(axis=1) - 2 * flat @ centres.T
        return d, np.sqrt(np.maximum(square, 0))


class LostFactor(NumpyFeatureMap):
    """Squares differentiated as products of different inputs: x² gives x, not 2 x."""

    def backpropagate(self, delta: Array, saved: Saved, theta: Array) -> Array:
        dx = super().backpropagate(delta, saved, theta)
        return dx - delta[:, -1:] * saved.y_in.reshape(len(delta), -1)[:, -1:] if dx.ndim == 2 else dx


class ReversedMaps(NumpyFlatten):
    """Maps laid end to end in reverse."""

    def combine(self, y: Array, theta: Array) -> tuple[Array, None]:
        return super().combine(y[:, ::-1], theta)


class UnshiftedSoftmax(NumpyActivation):
    """exp without the shift by the largest logit."""

    def __init__(self, layer: Activation, inputs: Any, outputs: Any) -> None:
        super().__init__(layer, inputs, outputs)
        if layer.activation == "softmax":
            self.phi = Formula(_unshifted, self.phi.delta)


def _unshifted(z: Array) -> Array:
    with np.errstate(over="ignore", invalid="ignore"):
        e = np.exp(z.reshape(len(z), -1))
        return (e / e.sum(axis=1, keepdims=True)).reshape(z.shape)


MUTANTS = (
    Mutant(
        "forgotten-logarithm",
        "gradient by β where log β is trained",
        "radial-basis/power-1",
        {RadialBasis: ForgottenLogarithm},
    ),
    Mutant(
        "nan-at-the-centre",
        "radial basis divides by a distance of 0",
        "radial-basis/at-its-centre",
        {RadialBasis: NanAtTheCentre},
    ),
    Mutant(
        "expanded-square",
        "distances that cancel far from the origin",
        "radial-basis/far-from-the-origin",
        {RadialBasis: ExpandedSquare},
    ),
    Mutant("lost-factor", "x² differentiated as x", "feature-map/monomials/2", {FeatureMap: LostFactor}),
    Mutant("reversed-maps", "maps flattened in reverse", "flatten/images", {Flatten: ReversedMaps}),
    Mutant("unshifted-softmax", "softmax that overflows", "activation/softmax/extreme", {Activation: UnshiftedSoftmax}),
)
