"""Weighted sub-sampling on a device (kernels/weighted_subsampling.cl)."""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property
from typing import cast

import numpy as np

from gcnn.backends.accelerated.lanes import VECTORS
from gcnn.backends.accelerated.place import Place, tiles
from gcnn.backends.accelerated.runtime import Buffer
from gcnn.backends.accelerated.tuning.key import Problem
from gcnn.backends.accelerated.tuning.space import Parameters
from gcnn.backends.accelerated.windows import DeviceWindows, amount_space
from gcnn.backends.accelerated.work import Argument, Work
from gcnn.layers import Layer, WeightedSubsampling
from gcnn.maps import Array, Maps, Size

Arguments = tuple[Argument, ...]

POINTS_TILE, WEIGHTS_TILE = 8, 4
"""Points of an output map that one work-item mixes, and weights of one whose slopes it sums, where nothing is known."""


class DeviceWeightedSubsampling(DeviceWindows):
    """The window sums S of the input maps are kept: they are all that the weights and their slopes ask for."""

    file = "weighted_subsampling.cl"
    remembers = True

    def __init__(self, place: Place) -> None:
        layer = cast(WeightedSubsampling, place.stage.layer)
        inputs, outputs = place.stage.inputs, place.stage.outputs
        super().__init__(place, self.window(layer, inputs))
        self._points = place.outputs // outputs.count
        self._mixes, self._single = layer.table is not None, layer.weights == "single"
        self._sums = place.values(inputs.count * self._points, name="window sums")
        self._parameters = layer.parameter_count(inputs)
        self._list_connections(layer)
        self.sizes["WEIGHTS"] = self._parameters - outputs.count
        self._options: dict[str, int] = {
            "SINGLE": int(self._single),
            "SAVE_Z": int(self.saves_z),
            "ACTIVATION": self.fused,
        }
        self._tiles = self._choose_tiles()
        # Else blocks are added up apart, so that all units have work.
        lanes, (runs, maps) = place.kernels.lanes, self._slope_groups
        enough = place.blocks() == 1 or runs * maps >= place.kernels.runtime.limits.compute_units
        self._at_once = lanes.style == VECTORS and enough

    def _choose_tiles(self) -> dict[str, dict[str, int]]:
        """Of each pass; compilers want all, whichever kernel is used. A single weight's slope is one sum."""
        place, tabled = self.place, {"TABLE": int(self._mixes)}
        runtime = place.kernels.runtime
        tile = {"ROWS_TILE": 1, "POINTS_TILE": POINTS_TILE, "WEIGHTS_TILE": WEIGHTS_TILE}
        found = {
            "forward": tile | dict(self.rows_tile("forward", self.output_rows, self._options | tabled)),
            "backpropagate": tile | dict(self.rows_tile("backpropagate", self.input_rows, tabled)),
            "gradient": tile,
        }
        if not self._single:
            items = self._parameters * place.blocks()
            space = amount_space("WEIGHTS_TILE", self._most_weights, items, WEIGHTS_TILE, runtime)
            sizes = self.sizes | {"BLOCKS": place.blocks()}
            found["gradient"] = tile | dict(self.tuned(space, Problem(self.file, "gradient", sizes, tabled)))
        return found

    @staticmethod
    def window(layer: Layer, inputs: Maps) -> Size:
        return cast(WeightedSubsampling, layer).windows(inputs)

    @classmethod
    def awkward(cls, layer: Layer, own: Maps, parameters: Parameters) -> list[tuple[Layer, Maps]]:
        """As for all windows; a table of two maps reads all inputs, then all but the first."""
        problems = super().awkward(layer, own, parameters)
        if cast(WeightedSubsampling, layer).table is None:
            return problems
        return [
            (replace(cast(WeightedSubsampling, layer), table=[[1] * n.count, [0] + [1] * (n.count - 1)]), n)
            for _, n in problems
        ]

    def _list_connections(self, layer: WeightedSubsampling) -> None:
        """By output map, then by input map: which maps are connected, and by which weight."""
        stage = self.place.stage
        maps, sources = stage.outputs.count, stage.inputs.count
        out = source = weight = np.arange(maps)
        if layer.table is not None:
            out, source = np.nonzero(layer.connections(stage.inputs))
            weight = np.unique(out, return_inverse=True)[1] if self._single else np.arange(len(out))
        by_source = np.lexsort((out, source))
        counts = np.bincount(out, minlength=maps)
        self._most_weights = 1 if self._single else max(1, int(counts.max()))
        self._by_output = self._lists(counts, source, weight, name="inputs of the maps")
        of_source = np.bincount(source, minlength=sources)
        self._by_input = self._lists(of_source, out[by_source], weight[by_source], name="outputs of the maps")

    def _lists(self, counts: Array, *lists: Array, name: str) -> tuple[Buffer, ...]:
        """Where each map's part of the lists begins, and the lists."""
        first = np.concatenate([[0], np.cumsum(counts)])
        return tuple(self.place.kernels.constant(array.astype(np.int32), name) for array in (first, *lists))

    def combine(self, samples: int) -> list[Work]:
        place, tile = self.place, self._tiles["forward"]
        arguments: Arguments
        if not self._mixes:
            arguments = (place.y_in, place.theta, place.theta0, self._sums, place.z, self.target)
            return [self.bind_rows("forward", self.output_rows, samples, arguments, self._options, tile)]
        arguments = (self._sums, place.theta, place.theta0, *self._by_output, place.z, self.target)
        maps = place.stage.outputs.count
        sum_rows = self.output_rows // maps * place.stage.inputs.count
        groups = (tiles(self._points, POINTS_TILE), maps, place.blocks(samples))
        return [
            self.bind_rows("window_sums", sum_rows, samples, (place.y_in, self._sums), self._options, tile),
            self.bind("mix_sums", groups, arguments, self._options | tile),
        ]

    def backpropagate(self, samples: int) -> list[Work]:
        place, tile = self.place, self._tiles["backpropagate"]
        arguments: Arguments = (place.dy, place.theta, place.theta0, *self._by_input, place.dy_in)
        return [self.bind_rows("backpropagate", self.input_rows, samples, arguments, self._options, tile)]

    def gradient(self, samples: int) -> list[Work]:
        place, defines = self.place, self._options | self._tiles["gradient"]
        read: Arguments = (place.dy, self._sums, *self._by_output)
        made: Arguments = (place.counts(samples)[1], place.gradient, place.theta0, place.add)
        if self._at_once:
            work = self.bind("gradient", self._slope_groups, (*read, *made), defines)
            return [replace(work, sums=(0, 1), gives=True)]
        blocks = place.blocks(samples)
        groups = (tiles(self._parameters, self._slopes * place.kernels.lanes.threads),)
        of_blocks = self.bind("block_gradient", (*self._slope_groups, blocks), (*read, self._partials), defines)
        total = self.bind("add_blocks", groups, (self._partials, *made), defines)
        return [replace(of_blocks, sums=()), replace(total, sums=(0,), gives=True)]

    @cached_property
    def _partials(self) -> Buffer:
        """The gradients of blocks."""
        place = self.place
        nbytes = place.blocks() * self._parameters * place.kernels.wide.itemsize
        return place.kernels.runtime.zeros(nbytes, f"gradients of the blocks of {place.stage.layer}")

    def sample_gradients(self, samples: int, rows: Buffer, width: int) -> list[Work]:
        place, defines = self.place, self._options | self._tiles["gradient"]
        made = (np.int32(samples), rows, np.int64(width), place.theta0)
        arguments: Arguments = (place.dy, self._sums, *self._by_output, *made)
        groups = (*self._slope_groups, place.blocks(samples))
        return [self.bind("sample_gradient", groups, arguments, defines)]

    @property
    def _slopes(self) -> int:
        """Weights of an output map that one work-item takes; a single weight's connections are one sum."""
        return 1 if self._single else self._tiles["gradient"]["WEIGHTS_TILE"]

    @property
    def _slope_groups(self) -> tuple[int, int]:
        return tiles(self._most_weights, self._slopes), self.place.stage.outputs.count
