"""Convolution with 3x3 taps by Winograd's minimal algorithm (kernels/convolution_winograd*.cl): forward, back to the input, gradients."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from gcnn.backends.accelerated.place import Place, tiles
from gcnn.backends.accelerated.runtime import Buffer
from gcnn.backends.accelerated.tuning import cost
from gcnn.backends.accelerated.tuning.space import Parameters
from gcnn.backends.accelerated.work import Argument, Work

FILE, GRADIENT_FILE = "convolution_winograd.cl", "convolution_winograd_gradient.cl"
MADE = 2
"""Rows and columns of a tile."""
POSITIONS = 16
FILTERS = 64
"""That one work-item transforms."""
FORM, FINISH = 120, 130
"""What it takes to bring a tile of one map to its positions, and to bring it back, counted in multiply-adds."""
FORM_TURNED, FORM_DELTAS = 170, 45
"""The same for a gradient: of an input, whose lanes become maps, and of a delta."""
RUN = 4
"""Tiles side by side whose products a gradient adds at a time: what they take fits the second cache."""
ITEMS_A_UNIT = 2
"""Strips of rows where a layer is a launch of its own, and sums of a gradient: more than units, so that all end at about one time."""


@dataclass(frozen=True)
class Shape:
    """What is convolved: so many maps into so many, of these rows and columns; `border` lies around what is read.

    The layer's own maps forward; back to its input δ's, with the border that is left of two rows.
    """

    sources: int
    maps: int
    read: tuple[int, int]
    made: tuple[int, int]
    border: tuple[int, int]

    @property
    def sizes(self) -> dict[str, int]:
        """As macros."""
        names = ("FROM_HEIGHT", "FROM_WIDTH", "TO_HEIGHT", "TO_WIDTH", "BORDER_Y", "BORDER_X")
        values = (*self.read, *self.made, *self.border)
        return {"FROM_MAPS": self.sources, "TO_MAPS": self.maps, **dict(zip(names, values, strict=True))}

    def instructions(self, maps_tile: int, tiles_tile: int) -> float:
        """Of a block: to form positions, to multiply, and to finish; loads count half."""
        groups = tiles(self.made[0], MADE) * tiles(tiles(self.made[1], MADE), tiles_tile)
        form = FORM * self.sources * tiles_tile
        multiply = POSITIONS * self.sources * tiles(self.maps, maps_tile) * product(maps_tile, tiles_tile)
        return groups * (form + multiply + FINISH * self.maps * tiles_tile)


def product(rows: int, columns: int) -> float:
    """Instructions of a step of a product of matrices in registers: multiply-adds or what they wait for; loads count half."""
    return max(rows * columns, cost.CHAIN) + (rows + columns) / 2


class Winograd:
    """A convolution bound to its place.

    Args:
        place: of the layer.
        shape: what is convolved.
        options: other macros: BACK, BIASES, and what the forward pass keeps.
        tile: MAPS_TILE, and as COLUMNS_TILE the tiles of 2x2 side by side.
    """

    def __init__(self, place: Place, shape: Shape, options: Mapping[str, object], tile: Parameters) -> None:
        self._place, self._shape = place, shape
        wanted = tiles(ITEMS_A_UNIT * place.kernels.runtime.limits.compute_units, place.blocks())
        self._strips = 1 if place.kernels.chained else min(wanted, tiles(shape.made[0], MADE))
        free = {name: tile[name] for name in ("MAPS_TILE", "COLUMNS_TILE")}
        self._defines = {**shape.sizes, **options, **free, "STRIPS": self._strips}
        self._weights = place.kernels.alloc(POSITIONS * shape.sources * shape.maps, "transformed filters")
        positions = self._strips * POSITIONS * (shape.sources + shape.maps) * tile["COLUMNS_TILE"]
        self._seen = place.values(positions, name="positions")

    def filters(self) -> Work:
        """The filters' positions, from θ."""
        groups = (tiles(self._shape.sources * self._shape.maps, FILTERS),)
        return self._bind("filters", groups, (self._place.theta, self._place.theta0, self._weights))

    def correlate(self, samples: int, source: Buffer, kept: Buffer, target: Buffer) -> Work:
        """From `source` to `target`, and what is kept of it."""
        place = self._place
        arguments = (source, self._weights, place.theta, place.theta0, self._seen, kept, target)
        return self._bind("correlate", (self._strips, place.blocks(samples)), arguments)

    def _bind(self, kernel: str, groups: Sequence[int], arguments: Sequence[Argument]) -> Work:
        return self._place.kernels.bind(FILE, kernel, groups, arguments, **self._defines)


class WinogradGradient:
    """The gradient by the parameters of a convolution bound to its place.

    Args:
        place: of the layer.
        shape: what is convolved forward.
        biases: where they begin among the layer's parameters.
    """

    def __init__(self, place: Place, shape: Shape, biases: int) -> None:
        kernels, lanes = place.kernels, place.kernels.lanes.count
        self._place, self._shape, across = place, shape, tiles(shape.sources, lanes)
        self._items = ITEMS_A_UNIT * kernels.runtime.limits.compute_units
        maps_tile, columns_tile = gradient_tile(shape, lanes)
        free = {"MAPS_TILE": maps_tile, "COLUMNS_TILE": columns_tile, "RUN": RUN}
        self._defines = {**shape.sizes, **free, "ITEMS": self._items, "BIASES": biases}
        seen = self._items * POSITIONS * (RUN * lanes * (across * lanes + shape.maps) + 2 * lanes)
        self._seen = kernels.alloc(seen, "positions of a gradient")
        self._sums = kernels.alloc(self._items * (POSITIONS * across + 1) * shape.maps * lanes, "sums of a gradient")

    def works(self, samples: int) -> list[Work]:
        """Sums of positions, then what they make of the gradient."""
        place = self._place
        read = place.y_in, place.dy, np.int32(place.blocks(samples)), self._seen, self._sums
        sums = self._bind("accumulate", self._items, read)
        long = gradient_instructions(self._shape, place.kernels.lanes.count) * place.blocks(samples) > cost.LAUNCH
        return [
            replace(sums, alone=long),
            self._bind("finish", self._shape.maps, (self._sums, place.gradient, place.theta0, place.add)),
        ]

    def _bind(self, kernel: str, groups: int, arguments: Sequence[Argument]) -> Work:
        return self._place.kernels.bind(GRADIENT_FILE, kernel, (groups,), arguments, **self._defines)


def gradient_tile(shape: Shape, lanes: int) -> tuple[int, int]:
    """Maps, and vectors of input maps, whose sums are kept in registers."""
    across = tiles(shape.sources, lanes)
    every = ((m, n) for n in range(1, 4) if n <= across for m in range(1, cost.REGISTERS // n + 1) if m <= shape.maps)
    return min(every, key=lambda tile: _products(shape.maps, across, tile))


def gradient_instructions(shape: Shape, lanes: int) -> float:
    """Of a block."""
    across = tiles(shape.sources, lanes)
    form = FORM_TURNED * across * lanes + FORM_DELTAS * shape.maps
    multiply = POSITIONS * lanes * _products(shape.maps, across, gradient_tile(shape, lanes))
    return tiles(shape.made[0], MADE) * tiles(tiles(shape.made[1], MADE), RUN) * RUN * (form + multiply)


def _products(maps: int, across: int, tile: tuple[int, int]) -> float:
    return tiles(maps, tile[0]) * tiles(across, tile[1]) * product(*tile)
