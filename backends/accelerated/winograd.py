"""Convolution with 3x3 taps by Winograd's minimal algorithm (kernels/convolution_winograd*.cl): forward, back to the input, gradients."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product

import numpy as np

from gcnn.backends.accelerated.place import Kernels, Place, tiles
from gcnn.backends.accelerated.runtime import Buffer
from gcnn.backends.accelerated.tuning import cost
from gcnn.backends.accelerated.tuning.space import Parameters
from gcnn.backends.accelerated.work import Argument, Work

FILE, GRADIENT_FILE = "convolution_winograd.cl", "convolution_winograd_gradient.cl"
MADE = (2, 4)
"""Rows and columns of the outputs of a tile, where kernels let choose."""
FILTERS = 4
"""Vectors of maps whose filters one work-item transforms."""
SEE, MAKE, SPREAD = {2: 120, 4: 330}, {2: 130, 4: 350}, {2: 45, 4: 200}
"""What it takes to bring a tile of one map to its positions, to bring it back, and to bring a tile of δ there, counted in multiply-adds."""
TURN = 6
"""What it takes to turn over a vector of a position."""
KEPT = 3 << 17
"""Values of the positions of a run of tiles and of their products: 1.5 MiB in float32, most of a second cache."""
SPILL = 50
"""What it takes to write and read a broad vector of them where they are more, or of a gradient's sums, counted in multiply-adds."""
MOST = 64
"""Tiles of a run: more save nothing."""
RUN = 4
"""Tiles whose products a gradient adds at a time: what they take fits the second cache."""
ITEMS_A_UNIT = 2
"""Items to which tiles are dealt where a layer is a launch of its own, and sums of a gradient: more than units, so that all end at about
one time."""


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

    def tiles(self, made: int) -> int:
        """Of `made` by `made` outputs."""
        return tiles(self.made[0], made) * tiles(self.made[1], made)


@dataclass(frozen=True)
class Tiling:
    """How a convolution is taken.

    Attributes:
        made: rows and columns of a tile's outputs.
        maps, columns: MAPS_TILE and COLUMNS_TILE.
        strips: items to which a block's tiles are dealt.
        run: tiles that an item takes at a time.
        instructions: of all blocks, about, loads counting half.
    """

    made: int
    maps: int
    columns: int
    strips: int
    run: int
    instructions: float

    @property
    def parameters(self) -> Parameters:
        """What is tuned of it."""
        return {"MAPS_TILE": self.maps, "COLUMNS_TILE": self.columns, "WINOGRAD": self.made}


def positions(made: int) -> int:
    """Values that a tile is brought to."""
    return (made + 2) ** 2


def multiply(rows: int, columns: int) -> float:
    """Instructions of a step of a product of matrices in registers: multiply-adds or what they wait for; loads count half."""
    return max(rows * columns, cost.CHAIN) + (rows + columns) / 2


def tiling(shape: Shape, place: Place, tile: Parameters) -> Tiling:
    """How a convolution is taken where its tile is given."""
    limits, made, columns = place.kernels.runtime.limits, tile["WINOGRAD"], tile["COLUMNS_TILE"]
    blocks, every = place.blocks(), shape.tiles(made)
    strips = 1 if place.kernels.chained else min(tiles(ITEMS_A_UNIT * limits.compute_units, blocks), every)
    own, step = tiles(every, strips), side_by_side(place.kernels)
    values = positions(made) * (shape.sources + shape.maps) * place.kernels.lanes.count

    def instructions(run: int) -> float:
        see, make = SEE[made] * shape.sources, MAKE[made] * shape.maps
        steps = tiles(shape.maps, tile["MAPS_TILE"]) * tiles(run, columns * step)
        # What is read of the filters comes from the second cache, once a run.
        products = steps * multiply(tile["MAPS_TILE"], columns) + tiles(shape.maps, place.kernels.lanes.count)
        beyond = SPILL * run * values / place.kernels.broad if run * values > KEPT else 0
        return (
            tiles(own, run)
            * strips
            * blocks
            * (run * (see + make) + positions(made) * shape.sources * products + beyond)
        )

    least = columns * step
    longest = max(min(own + step, MOST), least + 1)
    run = min(range(least, longest, step), key=lambda run: (instructions(run), run))
    return Tiling(made, tile["MAPS_TILE"], columns, strips, run, instructions(run))


def side_by_side(kernels: Kernels) -> int:
    """Vectors of a block's lanes in a broad one."""
    return kernels.broad // kernels.lanes.count


def few(tile: Parameters) -> bool:
    """Whether a tile's sums fit the registers."""
    return tile["MAPS_TILE"] * tile["COLUMNS_TILE"] <= cost.REGISTERS


def quickest(shape: Shape, place: Place, maps: Sequence[int], columns: Sequence[int], made: Sequence[int]) -> Tiling:
    """Of these candidates the one that takes fewest instructions."""
    every = ({"MAPS_TILE": m, "COLUMNS_TILE": n, "WINOGRAD": k} for m, n, k in product(maps, columns, made))
    return min((tiling(shape, place, tile) for tile in every if few(tile)), key=lambda one: one.instructions)


class Winograd:
    """A convolution bound to its place.

    Args:
        place: of the layer.
        shape: what is convolved.
        options: other macros: BACK, BIASES, and what the forward pass keeps.
        tile: MAPS_TILE, COLUMNS_TILE, and as WINOGRAD the rows and columns of a tile's outputs.
    """

    def __init__(self, place: Place, shape: Shape, options: Mapping[str, object], tile: Parameters) -> None:
        self._place, self._shape, self._tiling = place, shape, tiling(shape, place, tile)
        how, kernels, more = self._tiling, place.kernels, place.kernels.broad
        own = {"MADE": how.made, "STRIPS": how.strips, "RUN": how.run}
        self._defines = {**shape.sizes, **options, **own, "MAPS_TILE": how.maps, "COLUMNS_TILE": how.columns}
        many, lanes = positions(how.made), kernels.lanes.count
        self._vectors = shape.sources * tiles(shape.maps, lanes)
        self._weights = kernels.alloc(many * (self._vectors * lanes + more), "transformed filters")
        run = how.run * (shape.sources + shape.maps) * lanes + 2 * more
        self._seen = kernels.alloc(place.blocks() * how.strips * many * run, f"positions of {place.stage.layer}")

    def filters(self) -> Work:
        """The filters' positions, from θ."""
        arguments = (self._place.theta, self._place.theta0, self._weights)
        return self._bind("filters", (tiles(self._vectors, FILTERS),), arguments)

    def correlate(self, samples: int, source: Buffer, kept: Buffer, target: Buffer) -> Work:
        """From `source` to `target`, and what is kept of it."""
        place = self._place
        arguments = (source, self._weights, place.theta, place.theta0, self._seen, kept, target)
        return self._bind("correlate", (self._tiling.strips, place.blocks(samples)), arguments)

    def _bind(self, kernel: str, groups: Sequence[int], arguments: Sequence[Argument]) -> Work:
        return self._place.kernels.bind(FILE, kernel, groups, arguments, **self._defines)


class WinogradGradient:
    """The gradient by the parameters of a convolution bound to its place.

    Args:
        place: of the layer.
        shape: what is convolved forward.
        biases: where they begin among the layer's parameters.
        made: rows and columns of a tile's outputs.
    """

    def __init__(self, place: Place, shape: Shape, biases: int, made: int) -> None:
        kernels, lanes, many = place.kernels, place.kernels.lanes.count, positions(made)
        self._place, self._shape, self._made = place, shape, made
        self._items = ITEMS_A_UNIT * kernels.runtime.limits.compute_units
        maps_tile, columns_tile = gradient_tile(shape, kernels)
        free = {"MAPS_TILE": maps_tile, "COLUMNS_TILE": columns_tile, "RUN": RUN}
        self._defines = {**shape.sizes, **free, "MADE": made, "ITEMS": self._items, "BIASES": biases}
        across = tiles(shape.sources, kernels.broad) * kernels.broad
        seen = self._items * many * (RUN * lanes * (across + shape.maps) + 2 * kernels.broad)
        self._seen = kernels.alloc(seen, "positions of a gradient")
        self._sums = kernels.alloc(self._items * (many * across + lanes) * shape.maps, "sums of a gradient")

    def works(self, samples: int) -> list[Work]:
        """Sums of positions, then what they make of the gradient."""
        place = self._place
        sums = self._bind("accumulate", self._items, (place.y_in, place.dy, np.int32(samples), self._seen, self._sums))
        long = gradient_instructions(self._shape, self._made, samples, place.kernels) > cost.LAUNCH
        return [
            replace(sums, alone=long),
            replace(
                self._bind("finish", self._shape.maps, (self._sums, place.gradient, place.theta0, place.add)),
                gives=True,
            ),
        ]

    def _bind(self, kernel: str, groups: int, arguments: Sequence[Argument]) -> Work:
        return self._place.kernels.bind(GRADIENT_FILE, kernel, (groups,), arguments, **self._defines)


def gradient_tile(shape: Shape, kernels: Kernels) -> tuple[int, int]:
    """Maps, and broad vectors of input maps, whose sums are kept in registers."""
    across = tiles(shape.sources, kernels.broad)
    every = ((m, n) for n in range(1, 5) if n <= across for m in range(1, cost.REGISTERS // n + 1) if m <= shape.maps)
    return min(every, key=lambda tile: _products(shape.maps, across, tile))


def gradient_instructions(shape: Shape, made: int, samples: int, kernels: Kernels) -> float:
    """Of so many samples."""
    across, lanes = tiles(shape.sources, kernels.broad), kernels.lanes.count
    sources = across * side_by_side(kernels) * lanes
    form = (SEE[made] + positions(made) * TURN) * sources + SPREAD[made] * shape.maps
    products = positions(made) * _products(shape.maps, across, gradient_tile(shape, kernels))
    sums = ITEMS_A_UNIT * kernels.runtime.limits.compute_units * positions(made) * across * shape.maps
    return shape.tiles(made) * (kernels.lanes.blocks(samples) * form + samples * products) + SPILL * sums


def _products(maps: int, across: int, tile: tuple[int, int]) -> float:
    return tiles(maps, tile[0]) * tiles(across, tile[1]) * multiply(*tile)
