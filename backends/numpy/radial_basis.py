"""Radial basis layer (Hedberg 2015, Eqs. 46-55; with the gradients that the paper leaves out: docs/corrections.md).

z_i = ρ(s_i),   s_i = β_i r_i^p,   r_i = ‖y - c_i‖
"""

from __future__ import annotations

import numpy as np

from gcnn.backend import Saved
from gcnn.backends.numpy.layer import NumpyLayer
from gcnn.layers import RadialBasis
from gcnn.layers.radial_basis import radial_function
from gcnn.maps import Array, Maps


class NumpyRadialBasis(NumpyLayer):
    """Differences d = y - c are formed as they are: expanding ‖y - c‖² loses everything far from the origin."""

    def __init__(self, layer: RadialBasis, inputs: Maps, outputs: Maps) -> None:
        super().__init__(layer, inputs, outputs)
        self.units, self.power, self.log = layer.units, layer.power, layer.beta == "log"
        self.rho = radial_function(layer.rho)

    def unpack(self, theta: Array) -> tuple[Array, Array]:
        """θ as centres (units, inputs) and β (units,)."""
        centres, beta = theta[: -self.units].reshape(self.units, -1), theta[-self.units :]
        return centres, np.exp(beta) if self.log else beta

    def distances(self, y: Array, centres: Array) -> tuple[Array, Array]:
        """d = y - c, (sample, units, inputs), and r = ‖d‖, (sample, units)."""
        d = y.reshape(len(y), 1, -1) - centres
        return d, np.sqrt((d * d).sum(axis=-1))

    def combine(self, y: Array, theta: Array) -> tuple[Array, None]:
        """Eq. 54: z = ρ(β ‖y - c‖^p)."""
        centres, beta = self.unpack(theta)
        _, r = self.distances(y, centres)
        return np.asarray(self.rho.function(beta * r**self.power), dtype=y.dtype), None

    def slopes(self, delta: Array, saved: Saved, theta: Array) -> tuple[Array, Array]:
        """(sample, units, inputs) δ ∂z/∂d, and (sample, units) δ ∂z/∂β. At d = 0 with p = 1 there is a cusp: its slope is 0."""
        centres, beta = self.unpack(theta)
        d, r = self.distances(saved.y_in, centres)
        slope = delta * np.asarray(self.rho.derivative(beta * r**self.power), dtype=delta.dtype)
        direction = d / np.where(r == 0, 1, r)[..., None] if self.power == 1 else 2 * d
        return (slope * beta)[..., None] * direction, slope * r**self.power

    def backpropagate(self, delta: Array, saved: Saved, theta: Array) -> Array:
        """Eq. 52: ∂r/∂y = Σ_i δ_i ∂z_i/∂y."""
        dd, _ = self.slopes(delta, saved, theta)
        return dd.sum(axis=1).reshape(saved.y_in.shape)

    def gradient(self, delta: Array, saved: Saved, theta: Array) -> Array:
        """Eq. 53: ∂r/∂c_i = -δ_i ∂z_i/∂y and ∂r/∂β_i, times β_i where log β is the parameter."""
        dd, dbeta = self.slopes(delta, saved, theta)
        _, beta = self.unpack(theta)
        width = dbeta.sum(axis=0)
        return np.concatenate([-dd.sum(axis=0).ravel(), width * beta if self.log else width])
