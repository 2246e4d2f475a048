"""Activation as a layer of its own (Hedberg 2015, Eqs. 24-25; delmas, Eqs. 19-20): z is the input, φ does the rest."""

from __future__ import annotations

from gcnn.backend import Saved
from gcnn.backends.numpy.layer import NumpyLayer
from gcnn.maps import Array


class NumpyActivation(NumpyLayer):
    """y = φ(y_in)."""

    def combine(self, y: Array, theta: Array) -> tuple[Array, None]:
        """Z(y) = y."""
        return y, None

    def backpropagate(self, delta: Array, saved: Saved, theta: Array) -> Array:
        """∂z/∂y = 1."""
        return delta
