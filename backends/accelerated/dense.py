"""Dense layer on a device (kernels/dense.cl)."""

from __future__ import annotations

from dataclasses import replace
from typing import cast

import numpy as np

from gcnn.backends.accelerated.layer import DeviceLayer
from gcnn.backends.accelerated.place import Place, tiles
from gcnn.backends.accelerated.runtime import Buffer, Runtime
from gcnn.backends.accelerated.tuning.key import Problem
from gcnn.backends.accelerated.tuning.space import Parameters, Space
from gcnn.backends.accelerated.work import Work
from gcnn.layers import Dense, Layer
from gcnn.maps import Maps

Arguments = tuple[Buffer | np.generic, ...]

TILES = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32)
"""Units, inputs or weights that one work-item may compute."""
LARGEST = 128
"""Of the benchmark's, which is tried too."""
TILE = 8
"""What it computes where nothing is known."""
MOST_WORK = 1000
"""Of one work-item in the benchmark: the most that Hedberg's section 9 measured."""


class DeviceDense(DeviceLayer):
    """W is read where it lies in θ; a table becomes lists of the weights that exist."""

    def __init__(self, place: Place) -> None:
        super().__init__(place)
        layer = cast(Dense, place.stage.layer)
        self._by_unit: tuple[Buffer, ...] = ()
        self._by_input: tuple[Buffer, ...] = ()
        self._longest = place.inputs
        if layer.table is not None:
            self._list_weights(layer.weight_mask(place.stage.inputs))
        bias, table = {"BIAS": int(layer.bias)}, {"TABLE": int(layer.table is not None)}
        self._defines = {"SAVE_Z": int(self.saves_z), "ACTIVATION": self.fused} | bias | table
        blocks, items = place.blocks(), place.outputs * place.blocks()
        self._tiles = {
            "forward": self._tile("forward", place.outputs, items, self._defines),
            "backpropagate": self._tile("backpropagate", place.inputs, place.inputs * blocks, table),
            "gradient": self._tile("gradient", max(self._longest, 1), self._longest * place.outputs, bias | table),
        }

    def _tile(self, kernel: str, length: int, numbers: int, options: dict[str, int]) -> int:
        """TILE of a kernel that makes so many numbers, in rows of this length."""
        place = self.place
        sizes = {"INPUTS": place.inputs, "UNITS": place.outputs, "BLOCKS": place.blocks()}
        if options["TABLE"]:
            sizes["WEIGHTS"] = place.stage.parameters.stop - place.stage.parameters.start
        space = tile_space(length, numbers, place.kernels.runtime)
        return self.tuned(space, Problem("dense.cl", kernel, sizes, options))["TILE"]

    @classmethod
    def awkward(cls, layer: Layer, own: Maps, parameters: Parameters) -> list[tuple[Layer, Maps]]:
        """A unit more than a tile, an input more than two; with half of the weights where there is a table."""
        dense, tile = cast(Dense, layer), parameters["TILE"]
        units, inputs = tile + 1, Maps((2 * tile + 1,))
        table = np.random.default_rng(tile).random((units, inputs.points)) < 0.5
        return [(replace(dense, units=units, table=None if dense.table is None else table.tolist()), inputs)]

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

    def combine(self, samples: int) -> list[Work]:
        place = self.place
        groups = (tiles(place.outputs, self._tiles["forward"]), place.blocks(samples))
        arguments: Arguments = (place.y_in, place.theta, place.theta0, place.z, self.target, *self._by_unit)
        return [self._bind("forward", groups, arguments, self._tiles["forward"])]

    def backpropagate(self, samples: int) -> list[Work]:
        place = self.place
        groups = (tiles(place.inputs, self._tiles["backpropagate"]), place.blocks(samples))
        arguments: Arguments = (place.dy, place.theta, place.theta0, place.dy_in, *self._by_input)
        return [self._bind("backpropagate", groups, arguments, self._tiles["backpropagate"])]

    def gradient(self, samples: int) -> list[Work]:
        place = self.place
        groups = (tiles(max(self._longest, 1), self._tiles["gradient"]), place.outputs)
        blocks = np.int32(place.blocks(samples))
        arguments: Arguments = (place.dy, place.y_in, blocks, place.gradient, place.theta0, *self._by_unit)
        return [self._bind("gradient", groups, arguments, self._tiles["gradient"])]

    def sample_gradients(self, samples: int, rows: Buffer, width: int) -> list[Work]:
        place = self.place
        groups = (tiles(max(self._longest, 1), self._tiles["gradient"]), place.outputs, place.blocks(samples))
        arguments: Arguments = (
            place.dy,
            place.y_in,
            np.int32(samples),
            rows,
            np.int64(width),
            place.theta0,
            *self._by_unit,
        )
        return [self._bind("sample_gradient", groups, arguments, self._tiles["gradient"])]

    def _bind(self, kernel: str, groups: tuple[int, ...], arguments: Arguments, tile: int) -> Work:
        sizes = {"INPUTS": self.place.inputs, "UNITS": self.place.outputs, "TILE": tile}
        return self.place.kernels.bind("dense.cl", kernel, groups, arguments, **self._defines, **sizes)


def tile_space(length: int, numbers: int, runtime: Runtime) -> Space:
    """TILE of a kernel that makes so many numbers, in rows of this length.

    The benchmark is the advice of Hedberg's section 9: on CPUs a work-item a unit, each with as many neighbouring numbers as that
    takes, no local memory and nothing unrolled; on GPUs a work-item a number.
    """
    share = -(-numbers // runtime.limits.compute_units) if runtime.device.kind == "cpu" else 1
    benchmark = max(1, min(share, length, MOST_WORK))
    candidates = sorted({*TILES, min(benchmark, LARGEST)})
    candidates = [tile for tile in candidates if tile <= max(length, 1)]
    return Space(
        parameters={"TILE": candidates},
        default={"TILE": max(tile for tile in candidates if tile <= TILE)},
        benchmark={"TILE": benchmark},
    )
