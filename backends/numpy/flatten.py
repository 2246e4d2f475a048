"""Flatten (delmas, Eqs. 41-42): C order, a change of shape and nothing else."""

from __future__ import annotations

from gcnn.backend import Saved
from gcnn.backends.numpy.layer import NumpyLayer
from gcnn.maps import Array


class NumpyFlatten(NumpyLayer):
    """x_I = y_i(j, k) with I = i X Y + j Y + k."""

    def combine(self, y: Array, theta: Array) -> tuple[Array, None]:
        """Eq. 41."""
        return y.reshape(len(y), -1), None

    def backpropagate(self, delta: Array, saved: Saved, theta: Array) -> Array:
        """Eq. 42, the inverse."""
        return delta.reshape(saved.y_in.shape)
