"""Dense layer on a device (kernels/dense_*.cl)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import cast

import numpy as np

from gcnn.backends.accelerated.layer import DeviceLayer, slope
from gcnn.backends.accelerated.place import Place, tiles
from gcnn.backends.accelerated.runtime import Buffer
from gcnn.backends.accelerated.tuning import cost
from gcnn.backends.accelerated.tuning.key import Problem
from gcnn.backends.accelerated.tuning.space import Constraint, Parameters, Space
from gcnn.backends.accelerated.work import Argument, Work
from gcnn.layers import Dense, Layer
from gcnn.maps import Maps

Cost = Callable[[Parameters], float]
Arguments = tuple[Argument, ...]

ROWS = (1, 2, 3, 4, 5, 6, 8, 10, 12, 16, 24)
BLOCKS = (1, 2, 4, 8)
"""Candidates for the units (or inputs) and the blocks of samples that one work-item computes."""
COLUMNS = (1, 2, 3, 4)
"""Candidates for the rows of vectors that the gradient's columns are taken in."""
STRIPS = (1, 2, 4, 8, 16, 32)
"""Candidates for the tiles of units that a work-item takes one after another."""
ITEM, TURN = 300, 10
"""What it takes to begin a work-item, and to turn over a vector, counted in multiply-adds: 50 to 100 ns on CPUs, and 5 shuffles."""
FAR, PACK = 5, 3
"""The same for weights of a step of the depth that lie rows of W apart, and to put one into a panel (decision "panels")."""
RUN = 8
"""Parameters of a unit whose slopes one work-item writes for each sample."""
PANEL_RUN = 256
"""Steps of the depth that one work-item lays into a panel."""


class DeviceDense(DeviceLayer):
    """W is read where it lies in θ; a table becomes lists of the weights that exist."""

    def __init__(self, place: Place) -> None:
        super().__init__(place)
        layer = cast(Dense, place.stage.layer)
        # Without a table the lists are not read, and may be any buffers.
        self._by_unit: tuple[Buffer, ...] = (place.theta, place.theta)
        self._by_input: tuple[Buffer, ...] = (place.theta, place.theta, place.theta)
        self._table, self._bias = layer.table is not None, int(layer.bias)
        self._columns = place.inputs + self._bias
        if layer.table is not None:
            mask = layer.weight_mask(place.stage.inputs)
            self._list_weights(mask)
            self._columns = max(int(mask.sum(axis=1).max()) + self._bias, 1)
        self._sizes = {"INPUTS": place.inputs, "UNITS": place.outputs}
        self._options = {"BIAS": self._bias, "TABLE": int(self._table)}
        self._phi = {"SAVE_Z": int(self.saves_z), "ACTIVATION": self.fused}
        runtime, blocks = place.kernels.runtime, place.blocks()
        units = runtime.limits.compute_units
        chained = place.kernels.chained
        # An item of a chain has its blocks, and reads a weight once for them.
        busy, together, panels = (1, (chained,), False) if chained else (units, within(BLOCKS, blocks), not self._table)
        self._products = {
            "forward": Product("UNITS_TILE", place.outputs, place.inputs, place.inputs, 1),
            "backpropagate": Product("INPUTS_TILE", place.inputs, place.outputs, 1, place.inputs),
        }
        forward, back = (one.space(chained or blocks, together, busy, panels) for one in self._products.values())
        gradient = (
            table_space(self._columns)
            if self._table
            else gradient_space(place.outputs, self._columns, blocks * place.kernels.lanes.count, self._across, units)
        )
        self._tiles = {
            "forward": self._tile("forward", forward, self._phi),
            "backpropagate": self._tile("backpropagate", back, {}),
            "gradient": self._tile("gradient", gradient, {"RUN": RUN}),
        }
        self._panels = {kernel: self._panels_of(kernel) for kernel in self._products}

    @property
    def _across(self) -> int:
        """Columns of the gradient that lie side by side in a vector, or a group."""
        return max(self.place.kernels.broad, self.place.kernels.lanes.count)

    def _tile(self, kernel: str, space: Space, options: dict[str, int]) -> Parameters:
        sizes = self._sizes | {"BLOCKS": self.place.blocks()}
        if self._table:
            sizes["WEIGHTS"] = self.place.stage.parameters.stop - self.place.stage.parameters.start
        return self.tuned(space, Problem(f"dense_{kernel}.cl", kernel, sizes, self._options | options))

    def _panels_of(self, kernel: str) -> Buffer:
        """Memory for the panels of a product's weights; any where there are none."""
        tile, one = self._tiles[kernel], self._products[kernel]
        if not tile["PANELS"]:
            return self.place.theta
        count = tiles(one.rows, tile[one.tile]) * tile[one.tile] * one.depth
        return self.place.kernels.alloc(count, f"panels of {self.place.stage.layer}")

    @classmethod
    def awkward(cls, layer: Layer, own: Maps, parameters: Parameters) -> list[tuple[Layer, Maps]]:
        """A unit and an input more than a tile; with half of the weights where there is a table."""
        dense = cast(Dense, layer)
        tile = {"UNITS_TILE": 2, "INPUTS_TILE": 4, "COLUMNS_TILE": 1, "STRIP": 1} | dict(parameters)
        units = tile["UNITS_TILE"] * tile["STRIP"] + 1
        inputs = Maps((max(tile["INPUTS_TILE"] + 1, 16 * tile["COLUMNS_TILE"] + 1),))
        table = np.random.default_rng(units).random((units, inputs.points)) < 0.5
        return [(replace(dense, units=units, table=None if dense.table is None else table.tolist()), inputs)]

    def _list_weights(self, mask: np.ndarray[tuple[int, ...], np.dtype[np.bool_]]) -> None:
        constant = self.place.kernels.constant
        unit, source = np.nonzero(mask)
        first = np.concatenate([[0], np.cumsum(mask.sum(axis=1))])
        by_input = np.lexsort((unit, source))
        out_first = np.concatenate([[0], np.cumsum(mask.sum(axis=0))])
        arrays = {"first": first, "source": source}
        self._by_unit = tuple(constant(array.astype(np.int32), name) for name, array in arrays.items())
        arrays = {"out_first": out_first, "out_unit": unit[by_input], "out_weight": by_input}
        self._by_input = tuple(constant(array.astype(np.int32), name) for name, array in arrays.items())

    def prepare(self, back: bool = False) -> list[Work]:
        place, kernel = self.place, "backpropagate" if back else "forward"
        tile, one = self._tiles[kernel], self._products[kernel]
        if not tile["PANELS"]:
            return []
        groups = (tiles(one.rows, tile[one.tile]), tiles(one.depth, PANEL_RUN))
        arguments: Arguments = (place.theta, place.theta0, self._panels[kernel])
        defines = one.sizes | {"ROWS_TILE": tile[one.tile], "RUN": PANEL_RUN}
        return [place.kernels.bind("dense_panels.cl", "pack", groups, arguments, **defines)]

    def combine(self, samples: int) -> list[Work]:
        place, tile = self.place, self._tiles["forward"]
        blocks = place.blocks(samples)
        groups = (tiles(place.outputs, tile["UNITS_TILE"]), tiles(blocks, tile["BLOCKS_TILE"]))
        read: Arguments = (*self._operands(place.y_in, "forward", samples), *self._by_unit)
        return [self._bind("forward", "forward", groups, (*read, place.z, self.target), self._phi)]

    def backpropagate(self, samples: int) -> list[Work]:
        place, tile = self.place, self._tiles["backpropagate"]
        blocks = place.blocks(samples)
        groups = (tiles(place.inputs, tile["INPUTS_TILE"]), tiles(blocks, tile["BLOCKS_TILE"]))
        options, values = slope(place.below, place.dy_in)
        read: Arguments = (*self._operands(place.dy, "backpropagate", samples), *self._by_input)
        return [self._bind("backpropagate", "backpropagate", groups, (*read, *values, place.dy_in), options)]

    @property
    def slopes_below(self) -> bool:
        return self.place.below is not None

    def gradient(self, samples: int) -> list[Work]:
        place, tile = self.place, self._tiles["gradient"]
        groups = (tiles(self._columns, tile["COLUMNS_TILE"]), place.outputs)
        if not self._table:
            columns = tile["COLUMNS_TILE"] * self._across
            groups = (tiles(self._columns, columns), tiles(place.outputs, tile["UNITS_TILE"] * tile["STRIP"]))
        read: Arguments = (place.dy, place.y_in, place.counts(samples)[0], *self._by_unit)
        work = self._bind(
            "gradient", "gradient", groups, (*read, place.gradient, place.theta0, place.add), {"RUN": RUN}
        )
        return [replace(work, sums=(0, 1), gives=True)]

    def sample_gradients(self, samples: int, rows: Buffer, width: int) -> list[Work]:
        place = self.place
        groups = (tiles(self._columns, RUN), place.outputs, place.blocks(samples))
        read: Arguments = (place.dy, place.y_in, np.int32(samples), *self._by_unit)
        made = rows, np.int64(width), place.theta0
        return [self._bind("gradient", "sample_gradient", groups, (*read, *made), {"RUN": RUN})]

    def _operands(self, values: Buffer, kernel: str, samples: int) -> Arguments:
        """Of a product with weights."""
        place = self.place
        return values, place.theta, place.theta0, self._panels[kernel], place.counts(samples)[1]

    def _bind(
        self, file: str, kernel: str, groups: tuple[int, ...], arguments: Arguments, own: Mapping[str, object]
    ) -> Work:
        defines = {**self._sizes, **self._options, **own, **self._tiles[file]}
        return self.place.kernels.bind(f"dense_{file}.cl", kernel, groups, arguments, **defines)


@dataclass(frozen=True)
class Product:
    """The product of W, or its transpose, with blocks of samples.

    Attributes:
        tile: the name of the tile of its rows.
        rows, depth: its sizes.
        row_step, depth_step: how far apart in W the weights of neighbouring rows are, and those of neighbouring steps of the depth.
    """

    tile: str
    rows: int
    depth: int
    row_step: int
    depth_step: int

    @property
    def sizes(self) -> dict[str, int]:
        """As macros."""
        return {"ROWS": self.rows, "DEPTH": self.depth, "ROW_STEP": self.row_step, "DEPTH_STEP": self.depth_step}

    def space(self, blocks: int, together: Sequence[int], busy: int, panels: bool) -> Space:
        """Tiles, where so many compute units are busy with so many blocks, of which an item may take `together`, and whether weights are
        laid into panels where that is possible.

        Candidates are ranked by what they load (`cost.matrix_product`), a vector of lanes counting as one.
        """

        def loads(tile: Parameters) -> float:
            return cost.matrix_product(self.rows, blocks, self.depth, (tile[self.tile], tile["BLOCKS_TILE"])).loads

        def seconds(tile: Parameters) -> float:
            items = tiles(self.rows, tile[self.tile]) * tiles(blocks, tile["BLOCKS_TILE"])
            far = 0 if tile["PANELS"] or self.depth_step == 1 else FAR
            step = instructions(tile[self.tile], tile["BLOCKS_TILE"]) + far
            laid = tile["PANELS"] * PACK * self.rows * self.depth / busy
            return tiles(items, busy) * (ITEM + self.depth * step) + laid

        choices = {self.tile: within(ROWS, self.rows), "BLOCKS_TILE": together}
        return tile_space(choices | {"PANELS": (0, 1) if panels else (0,)}, loads, seconds)


def gradient_space(units: int, columns: int, samples: int, side_by_side: int, busy: int) -> Space:
    """Tiles of the product of δ with y, whose depth are the samples; columns are counted in rows of so many side by side."""
    across = tiles(columns, side_by_side)

    def loads(tile: Parameters) -> float:
        return cost.matrix_product(units, across, samples, (tile["UNITS_TILE"], tile["COLUMNS_TILE"])).loads

    def seconds(tile: Parameters) -> float:
        m, n, strip = tile["UNITS_TILE"], tile["COLUMNS_TILE"], tile["STRIP"]
        items = tiles(tiles(units, m), strip) * tiles(across, n)
        product = min(strip, tiles(units, m)) * instructions(m, n)
        return tiles(items, busy) * (ITEM + samples * (TURN * n + product))

    within_sizes = {"UNITS_TILE": within(ROWS, units), "COLUMNS_TILE": within(COLUMNS, across)}
    return tile_space(within_sizes | {"STRIP": within(STRIPS, units)}, loads, seconds)


def table_space(longest: int) -> Space:
    """Parameters of a unit that a work-item computes where there is a table, of which the longest unit has so many."""
    candidates = within(ROWS, longest)
    return Space({"COLUMNS_TILE": candidates}, {"COLUMNS_TILE": min(8, candidates[-1])}, {"COLUMNS_TILE": 1})


def tile_space(parameters: dict[str, Sequence[int]], loads: Cost, seconds: Cost) -> Space:
    """Tiles of two extents, and what else there is. The benchmark is a sum a work-item, of weights where they lie."""
    first, second = list(parameters)[:2]
    few = Constraint(
        f"{first} * {second} <= {cost.REGISTERS}", lambda tile: tile[first] * tile[second] <= cost.REGISTERS
    )
    every = (dict(zip(parameters, values, strict=True)) for values in product(*parameters.values()))
    return Space(
        parameters=parameters,
        default=min(filter(few.holds, every), key=lambda tile: (seconds(tile), loads(tile))),
        benchmark={parameter: min(choices) for parameter, choices in parameters.items()},
        constraints=(few,),
        cost=loads,
    )


def instructions(m: int, n: int) -> float:
    """For each step of the depth of a tile's product: multiply-adds and loads, or what the additions wait for."""
    return max(m * n + (m + n) / 2, cost.CHAIN)


def within(candidates: tuple[int, ...], most: int) -> Sequence[int]:
    """The candidates that a size allows."""
    return [n for n in candidates if n <= most]
