"""Flatten (delmas, Eqs. 41-42): C order, a change of shape and nothing else."""

from __future__ import annotations

from gcnn.backend import Saved
from gcnn.backends.numpy.layer import NumpyLayer
from gcnn.maps import Array


class NumpyFlatten(NumpyLayer):
    """x_I = y_i(j, k) with I = i X Y + j Y + k."""

    def combine(self, y: Array, theta: Array) -> tuple[Array, None]:
        """delmas, Eqs. 41-42: x_I = y_i(j, k)."""
        return y.reshape(len(y), -1), None

    def backpropagate(self, delta: Array, saved: Saved, theta: Array) -> Array:
        """delmas, Eq. 41 from I to i, j, k."""
        return delta.reshape(saved.y_in.shape)
