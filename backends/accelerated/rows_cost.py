"""Convolution by minimal algorithms for rows of taps: which tiles its kernels take, and what these take, counted as in convolution_cost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from math import prod

from gcnn.backends.accelerated.convolution_cost import FAR, MAPS, VECTOR_REGISTERS, WEIGHT, within
from gcnn.backends.accelerated.geometry import Geometry
from gcnn.backends.accelerated.minimal import Minimal, minimal
from gcnn.backends.accelerated.place import Place, tiles
from gcnn.backends.accelerated.tuning import cost

ROWS = (1, 2, 3, 4, 5, 6, 8, 10, 12, 13, 14, 16)
"""Candidates for the rows of a tile, in whole windows."""
MADE, ACROSS = 8, 16
"""Outputs and tiles of a row that a tile holds, at most."""
KEPT = 2.0
"""What it takes to write a vector that the second cache holds and to read it again."""
ASKED = 1.3
"""Times that it takes where which rows a tile meets is known at run time only."""
FORMED_BYTES = 1 << 20
"""Bytes of all points of a block's values or slopes, at most: the second cache holds them until they are read."""
SLOPES_BYTES, SUMS_BYTES = 1 << 17, 1 << 17
"""Bytes of an item's slopes in the gradient, those of a run of rows, and of all its sums, which are in its own memory."""


@dataclass(frozen=True)
class RowsTile:
    """What a kernel's work-item takes, and what all items of a batch take.

    Attributes:
        defines: as macros.
        items: of a block; of a batch where they add up over it.
        instructions: of a batch.
    """

    defines: dict[str, int]
    items: int
    instructions: float


@dataclass(frozen=True)
class RowsCost:
    """A convolution that makes so many outputs of a row at a time.

    Attributes:
        place: of the layer.
        geometry: of the layer.
        how: the algorithm.
        unit: rows and columns that a tile of outputs holds whole numbers of.
    """

    place: Place
    geometry: Geometry
    how: Minimal
    unit: tuple[int, int]

    @property
    def row_tiles(self) -> int:
        """Tiles of a row of outputs."""
        return tiles(self.geometry.made[2], self.how.made)

    @property
    def fits(self) -> bool:
        """Whether the second cache holds what is formed for a block."""
        geometry = self.geometry
        rows = max(geometry.sources * prod(geometry.read[:2]), geometry.maps * prod(geometry.made[:2]))
        return rows * self.row_tiles * self.how.points * self._vector <= FORMED_BYTES

    @property
    def _vector(self) -> int:
        """Bytes."""
        return self.place.kernels.broad * self.place.kernels.dtype.itemsize

    @property
    def _pairs(self) -> float:
        """Of maps and of planes of taps."""
        own = self.geometry
        return own.connections * own.sources * own.maps * own.taps[0]

    @property
    def filters(self) -> float:
        """Of the taps brought to points, once for a batch."""
        lanes, rows = self.place.kernels.lanes.count, self.geometry.weights / self.geometry.taps[2]
        each = self.how.adds(self.how.g) + self.how.points + lanes * self.geometry.taps[2]
        return tiles(self.place.blocks(), self.place.kernels.chained) * rows / lanes * each

    @property
    def see(self) -> float:
        """Of the inputs brought to points."""
        count = self.place.blocks() * self.geometry.sources * prod(self.geometry.read[:2]) * self.row_tiles
        return count * (self.how.adds(self.how.b) + self.how.seen * WEIGHT + self.how.points * KEPT / 2)

    @cached_property
    def forward(self) -> RowsTile:
        """Of the forward kernel, with its inputs brought to points."""
        geometry, how, (unit_y, _) = self.geometry, self.how, self.unit
        depth, rows = geometry.made[0], geometry.made[1] // unit_y * unit_y

        taps, stride = geometry.taps[1], geometry.stride[1]

        def read(r: int) -> int:
            return (r - 1) * stride + taps

        def few(m: int, r: int, t: int) -> bool:
            return (m * r + read(r)) * t < VECTOR_REGISTERS

        def tile(m: int, r: int, t: int) -> RowsTile:
            items = depth * tiles(geometry.maps, m) * tiles(rows, r) * tiles(self.row_tiles, t)
            step = taps * (max(m * r * t, cost.CHAIN) + WEIGHT * m) + WEIGHT * read(r) * t
            products = how.points * self._pairs / geometry.maps * step
            made = m * r * t * (how.adds(how.a) + how.points * KEPT)
            defines = {"MAPS_TILE": m, "ROWS_TILE": r, "TILES_TILE": t}
            return RowsTile(defines, items, self.see + self.place.blocks() * items * (products + made))

        maps, heights = within(MAPS, geometry.maps), [n * unit_y for n in within(ROWS, rows // unit_y)]
        every = list(product(maps, heights, range(1, min(self.row_tiles, ACROSS) + 1)))
        return _least([tile(*one) for one in every if few(*one)] or [tile(*every[0])])

    @cached_property
    def back(self) -> RowsTile | None:
        """Of the kernel back to the input, with what slopes are brought to; `None` where a row is too wide for it."""
        geometry, how, across = self.geometry, self.how, self.row_tiles
        spread = geometry.maps * prod(geometry.made[:2]) * across
        spread_all = spread * (how.adds(how.a) + how.made * WEIGHT + how.points * KEPT / 2)
        stride, taps, pad, made_rows = (
            values[1] for values in (geometry.stride, geometry.taps, geometry.padding, geometry.made)
        )

        def tile(m: int, r: int) -> RowsTile:
            map_tiles = geometry.read[0] * tiles(geometry.sources, m)
            items = map_tiles * tiles(geometry.read[1], r)
            before = max(taps - 1 - pad, 0) // stride
            firsts = [first // stride - before for first in range(0, geometry.read[1], r)]
            met = [
                o - first
                for first in firsts
                for o in range(first, first + before + (r - 1 + pad) // stride + 1)
                if 0 <= o < made_rows
            ]
            meets = sum(0 <= (o - before) * stride + u - pad < r for o in met for u in range(taps))
            step = (meets * m * (across + WEIGHT) + len(met) * across * FAR) * (1 if r >= geometry.read[1] else ASKED)
            products = how.points * self._pairs / geometry.sources / geometry.stride[0] * step
            made = m * r * across * (how.adds(how.b) + how.points * KEPT + how.seen)
            defines = {"MAPS_TILE": m, "ROWS_TILE": r}
            each = map_tiles * products + items * made
            return RowsTile(defines, items, self.place.blocks() * (spread_all + each))

        heights = {min(n * stride, geometry.read[1]) for n in ROWS}
        every = product(within(MAPS, geometry.sources), sorted(heights))
        fitting = [tile(m, r) for m, r in every if (m * r + 1) * across < VECTOR_REGISTERS]
        return _least(fitting) if fitting else None

    @cached_property
    def gradient(self) -> RowsTile | None:
        """Of the gradient's kernel; `None` where so many rows of taps do not fit the registers, or a row of outputs the first cache."""
        geometry, how, across = self.geometry, self.how, self.row_tiles
        if across > ACROSS:
            return None
        blocks, rows = self.place.blocks(), prod(geometry.made[:2])
        vector, units = self._vector, self.place.kernels.runtime.limits.compute_units

        def tile(m: int, j: int) -> RowsTile:
            items = tiles(geometry.maps, m) * tiles(geometry.sources, j) * geometry.taps[0]
            run = SLOPES_BYTES // (vector * how.points * across * m)
            chunks = tiles(blocks * rows, max(run, 1))
            form = m * ((how.adds(how.a) + how.made * WEIGHT) / how.points + KEPT)
            step = max(m * geometry.taps[1], cost.CHAIN) + WEIGHT * (m + geometry.taps[1])
            sums = chunks * j * m * geometry.taps[1] * KEPT
            given = j * m * geometry.taps[1] * (how.adds(how.g) + how.points * KEPT) / how.points
            each = how.points * (blocks * rows * across * (form + j * geometry.connections * step) + sums + given)
            shared = each * tiles(items, units) * units
            return RowsTile({"MAPS_TILE": m, "INPUTS_TILE": j, "ROWS_RUN": min(run, blocks * rows)}, items, shared)

        sums = SUMS_BYTES // (vector * how.points * geometry.taps[1])
        every = product(MAPS, range(1, geometry.sources + 1))
        allowed = [(m, j) for m, j in every if m <= geometry.maps and m * j <= max(sums, 1)]
        fitting = [tile(m, j) for m, j in allowed if (m + 1) * geometry.taps[1] < VECTOR_REGISTERS]
        fitting = [one for one in fitting if one.defines["ROWS_RUN"]]
        return _least(fitting) if fitting else None


def _least(every: Sequence[RowsTile]) -> RowsTile:
    return min(every, key=lambda tile: tile.instructions)


def quickest_rows(place: Place, geometry: Geometry, unit: tuple[int, int]) -> RowsCost | None:
    """By so many outputs at a time, which hold whole windows, that the three passes together take least. `None` where there is no such
    algorithm: where lanes are no whole vectors, a layer is a launch of its own, only the equations' own products are wanted, or what is
    formed does not fit the second cache.
    """
    kernels, phase = place.kernels, tiles(geometry.taps[2], geometry.stride[2])
    whole = kernels.lanes.vector > 1 and kernels.lanes.count == kernels.broad and kernels.chained > 0
    if not whole or kernels.strict or geometry.shared or geometry.square or not geometry.weights or phase < 2:
        return None
    made = range(unit[1], min(geometry.made[2] // unit[1] * unit[1], MADE) + 1, unit[1])
    hows = [minimal(n, geometry.taps[2], geometry.stride[2]) for n in made if n > 1]
    every = [RowsCost(place, geometry, how, unit) for how in hows if how is not None]
    return min((one for one in every if one.fits), key=_of_all, default=None)


def _of_all(costs: RowsCost) -> tuple[int, float]:
    passes = [costs.forward, costs.back, costs.gradient]
    return passes.count(None), sum(one.instructions for one in passes if one is not None) + costs.filters
