"""What all of the oracle's layers share: y = φ(Z(y_in, θ)) and δ = ∂r/∂y · φ'(z) (Hedberg 2015, Eqs. 1 and 6).

A layer adds its combinator Z and the two sums over it, each one method and one equation.
"""

from __future__ import annotations

import numpy as np

from gcnn.backend import Saved
from gcnn.backends.numpy.activations import formula
from gcnn.layers import Layer
from gcnn.maps import Array, Maps


def laid_out(values: Array, mask: Array) -> Array:
    """Flat parameters on the True cells of a mask, in C order, zero elsewhere."""
    cells = np.zeros(mask.shape, dtype=values.dtype)
    cells[mask] = values
    return cells


def over_axes(values: Array, axes: int) -> Array:
    """`values` with axes of length 1 appended, to be broadcast over the axes of images."""
    return values.reshape(*values.shape, *([1] * axes))


class NumpyLayer:
    """Base of the oracle's layers, made for fixed maps.

    Attributes:
        layer: the specification.
        inputs, outputs: the maps read and made.
    """

    def __init__(self, layer: Layer, inputs: Maps, outputs: Maps) -> None:
        self.layer, self.inputs, self.outputs = layer, inputs, outputs
        self.phi = formula(layer.activation)

    def combine(self, y: Array, theta: Array) -> tuple[Array, object]:
        """Z(y_in, θ), and whatever the way back needs besides y_in, z and y."""
        raise NotImplementedError(f"{type(self).__name__} must define combine(y, theta)")

    def forward(self, y_in: Array, theta: Array) -> Saved:
        """Eq. 1: y = φ(Z(y_in, θ))."""
        z, extra = self.combine(y_in, theta)
        return Saved(y_in, z, self.phi.function(z), extra)

    def delta(self, dy: Array, saved: Saved) -> Array:
        """Eq. 6: δ = ∂r/∂y · φ'(z)."""
        return self.phi.delta(dy, saved.z, saved.y)

    def backpropagate(self, delta: Array, saved: Saved, theta: Array) -> Array:
        """Eq. 7, the sum: ∂r/∂y_in = Σ δ ∂z/∂y_in."""
        raise NotImplementedError(f"{type(self).__name__} must define backpropagate(delta, saved, theta)")

    def gradient(self, delta: Array, saved: Saved, theta: Array) -> Array:
        """Eq. 8: ∂r/∂θ = Σ δ ∂z/∂θ; a layer without parameters has none."""
        return np.zeros(0, dtype=delta.dtype)

    def sample_gradients(self, delta: Array, saved: Saved, theta: Array) -> Array:
        """Eq. 8 without the sum over samples: (sample, parameters)."""

        def one(s: int) -> Saved:
            kept = (field[s : s + 1] if isinstance(field, np.ndarray) else field for field in saved)
            return Saved(*kept)

        return np.stack([self.gradient(delta[s : s + 1], one(s), theta) for s in range(len(delta))])
