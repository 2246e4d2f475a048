"""Radial basis layer on a device (kernels/radial_basis.cl)."""

from __future__ import annotations

from dataclasses import replace
from typing import cast

import numpy as np

from gcnn.backends.accelerated.layer import DeviceLayer
from gcnn.backends.accelerated.place import Place, tiles
from gcnn.backends.accelerated.runtime import Buffer
from gcnn.backends.accelerated.work import Argument, Work
from gcnn.layers import RadialBasis

TILE = 8
"""Units or inputs that one work-item computes."""


class DeviceRadialBasis(DeviceLayer):
    """z_i = exp(-β_i ‖y - c_i‖^p); the forward pass keeps ‖y - c_i‖^p for the way back, which reads ρ' = -y from y."""

    def __init__(self, place: Place) -> None:
        super().__init__(place)
        layer = cast(RadialBasis, place.stage.layer)
        self._sizes = {
            "INPUTS": place.inputs,
            "UNITS": place.outputs,
            "POWER": layer.power,
            "LOG_BETA": int(layer.beta == "log"),
            "TILE": TILE,
        }
        self._reach = place.values(place.outputs, name="distances")

    def combine(self, samples: int) -> list[Work]:
        place = self.place
        arguments = (place.y_in, place.theta, place.theta0, self._reach, place.y)
        return [self._bind("forward", (tiles(place.outputs, TILE), place.blocks(samples)), arguments)]

    def backpropagate(self, samples: int) -> list[Work]:
        place = self.place
        arguments = (*self._slopes, place.dy_in)
        return [self._bind("backpropagate", (tiles(place.inputs, TILE), place.blocks(samples)), arguments)]

    def gradient(self, samples: int) -> list[Work]:
        place = self.place
        arguments = (*self._slopes, place.counts(samples)[1], place.gradient, place.add)
        work = self._bind("gradient", (tiles(place.inputs, TILE), place.outputs), arguments)
        return [replace(work, sums=(0, 1, 2, 3))]

    def sample_gradients(self, samples: int, rows: Buffer, width: int) -> list[Work]:
        place = self.place
        groups = (tiles(place.inputs, TILE), place.outputs, place.blocks(samples))
        return [self._bind("sample_gradient", groups, (*self._slopes, np.int32(samples), rows, np.int64(width)))]

    @property
    def _slopes(self) -> tuple[Buffer | np.generic, ...]:
        """What every kernel of the way back forms slopes from."""
        place = self.place
        return place.dy, place.y, self._reach, place.y_in, place.theta, place.theta0

    def _bind(self, kernel: str, groups: tuple[int, ...], arguments: tuple[Argument, ...]) -> Work:
        return self.place.kernels.bind("radial_basis.cl", kernel, groups, arguments, **self._sizes)
