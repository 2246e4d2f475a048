"""Convolution with 3x3 taps by Winograd's minimal algorithm (kernels/convolution_winograd.cl), forward or back to the input."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from gcnn.backends.accelerated.place import Place, tiles
from gcnn.backends.accelerated.runtime import Buffer
from gcnn.backends.accelerated.tuning.space import Parameters
from gcnn.backends.accelerated.work import Argument, Work

FILE = "convolution_winograd.cl"
MADE = 2
"""Rows and columns of a tile."""
POSITIONS = 16
FILTERS = 64
"""That one work-item transforms."""
FORM, FINISH = 120, 130
"""What it takes to bring a tile of one map to its positions, and to bring it back, counted in multiply-adds."""
ITEMS_A_UNIT = 2
"""Strips of rows where a layer is a launch of its own: more than units, so that all end at about one time."""
CHAIN = 8
"""Sums below which multiply-adds wait for one another."""


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
        product = max(maps_tile * tiles_tile, CHAIN) + (maps_tile + tiles_tile) / 2
        form = FORM * self.sources * tiles_tile
        multiply = POSITIONS * self.sources * tiles(self.maps, maps_tile) * product
        return groups * (form + multiply + FINISH * self.maps * tiles_tile)


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
