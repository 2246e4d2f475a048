"""Layers that only move values: max pooling, vanilla sub-sampling, flatten, activation. They round nothing."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from gcnn.backend import Saved
from gcnn.backends.numpy.windows import scatter, windows
from gcnn.maps import Array


class Selection:
    """Errors go where the values go."""

    def __init__(self, layer: Any, theta: Array, u: float) -> None:
        self.layer, self.theta = layer, theta

    def forward(self, saved: Saved, error: Array) -> Array:
        """The error of the value selected."""
        return self.layer.combine(error, self.theta)[0]

    def backpropagate(self, delta: Array, delta_error: Array, saved: Saved, error: Array) -> Array:
        """The error of δ, at the cell that was selected."""
        return self.layer.backpropagate(delta_error, saved, self.theta)

    def gradient(self, delta: Array, delta_error: Array, saved: Saved, error: Array) -> Array:
        """No parameters."""
        return np.zeros(0)


class MaxPooling(Selection):
    """Where errors of the input could change the winner, every rival may get the whole δ."""

    def backpropagate(self, delta: Array, delta_error: Array, saved: Saved, error: Array) -> Array:
        layer = self.layer
        settled = super().backpropagate(delta, delta_error, saved, error)
        cells, errors = self._cells(saved.y_in), self._cells(error)
        best = np.take_along_axis(cells - errors, saved.extra[..., None], axis=-1)
        # An exact tie of exact values is no doubt: the first maximum wins.
        doubt = cells + errors > best
        doubt &= doubt.sum(axis=-1, keepdims=True) > 1
        reach = layer.outputs.embed(np.abs(delta) + delta_error)[..., None] * doubt
        boxed = scatter(reach.reshape(*saved.extra.shape, *layer.window), layer.window, layer.inputs.box)
        return settled + layer.inputs.extract(boxed)

    def _cells(self, y: Array) -> Array:
        layer = self.layer
        seen = windows(layer.inputs.embed(y), layer.window, layer.window, layer.outputs.box)
        return seen.reshape(*seen.shape[: seen.ndim - len(layer.window)], prod(layer.window))
