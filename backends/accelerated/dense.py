"""Dense layer on a device (kernels/dense.cl)."""

from __future__ import annotations

from typing import cast

import numpy as np

from gcnn.backends.accelerated.layer import DeviceLayer
from gcnn.backends.accelerated.place import Place, tiles
from gcnn.backends.accelerated.runtime import Buffer, Launch
from gcnn.layers import Dense

TILE = 8
"""Units, inputs or weights that one work-item computes."""


class DeviceDense(DeviceLayer):
    """W is read where it lies in θ; a table becomes lists of the weights that exist."""

    def __init__(self, place: Place) -> None:
        super().__init__(place)
        layer = cast(Dense, place.stage.layer)
        self._sizes = {
            "INPUTS": place.inputs,
            "UNITS": place.outputs,
            "BIAS": int(layer.bias),
            "TILE": TILE,
            "TABLE": int(layer.table is not None),
            "SAVE_Z": int(self.keeps_z),
            "ACTIVATION": self.fused,
        }
        self._by_unit: tuple[Buffer, ...] = ()
        self._by_input: tuple[Buffer, ...] = ()
        self._longest = place.inputs
        if layer.table is not None:
            self._list_weights(layer.weight_mask(place.stage.inputs))

    def _list_weights(self, mask: np.ndarray[tuple[int, ...], np.dtype[np.bool_]]) -> None:
        constant = self.place.kernels.constant
        unit, source = np.nonzero(mask)
        first = np.concatenate([[0], np.cumsum(mask.sum(axis=1))])
        self._longest = int(mask.sum(axis=1).max())
        by_input = np.lexsort((unit, source))
        out_first = np.concatenate([[0], np.cumsum(mask.sum(axis=0))])
        arrays = {"first": first, "source": source}
        self._by_unit = tuple(constant(array.astype(np.int32), name) for name, array in arrays.items())
        arrays = {"out_first": out_first, "out_unit": unit[by_input], "out_weight": by_input}
        self._by_input = tuple(constant(array.astype(np.int32), name) for name, array in arrays.items())

    def combine(self, samples: int) -> list[Launch]:
        place = self.place
        groups = (tiles(place.outputs, TILE), place.blocks(samples))
        arguments = (place.y_in, place.theta, place.theta0, place.z, self.target, *self._by_unit)
        return [place.kernels.bind("dense.cl", "forward", groups, arguments, **self._sizes)]

    def backpropagate(self, samples: int) -> list[Launch]:
        place = self.place
        groups = (tiles(place.inputs, TILE), place.blocks(samples))
        arguments = (place.dy, place.theta, place.theta0, place.dy_in, *self._by_input)
        return [place.kernels.bind("dense.cl", "backpropagate", groups, arguments, **self._sizes)]

    def gradient(self, samples: int) -> list[Launch]:
        place = self.place
        groups = (tiles(max(self._longest, 1), TILE), place.outputs)
        blocks = np.int32(place.blocks(samples))
        arguments = (place.dy, place.y_in, blocks, place.gradient, place.theta0, *self._by_unit)
        return [place.kernels.bind("dense.cl", "gradient", groups, arguments, **self._sizes)]

    def sample_gradients(self, samples: int, rows: Buffer, width: int) -> list[Launch]:
        place = self.place
        groups = (tiles(max(self._longest, 1), TILE), place.outputs, place.blocks(samples))
        arguments = (place.dy, place.y_in, np.int32(samples), rows, np.int64(width), place.theta0, *self._by_unit)
        return [place.kernels.bind("dense.cl", "sample_gradient", groups, arguments, **self._sizes)]
