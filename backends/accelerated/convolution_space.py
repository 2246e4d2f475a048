"""What may be tuned of a convolution's kernels: tiles of the direct ones, and beside them a minimal algorithm, Winograd's for 3x3 taps
or one for rows of taps.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from math import prod

from gcnn.backends.accelerated.convolution_cost import (
    MAPS,
    SUMS,
    Row,
    abreast_instructions,
    back_instructions,
    columns_of,
    forward_instructions,
    gradient_tile_instructions,
    within,
)
from gcnn.backends.accelerated.geometry import Geometry
from gcnn.backends.accelerated.place import Place, tiles
from gcnn.backends.accelerated.rows_cost import RowsCost, RowsTile
from gcnn.backends.accelerated.tuning import cost
from gcnn.backends.accelerated.tuning.space import Constraint, Parameters, Space
from gcnn.backends.accelerated.winograd import MADE, Shape, few, gradient_instructions, quickest

ITEMS_A_UNIT = 8
"""Work-items for each compute unit, so that none of them waits long for the last."""
DIRECT_GRADIENT = 8
"""Instructions of a direct gradient for an output and an input map, beside Winograd's: both took as long at 16 and 24 maps of 32x32, and
at 32 maps it twice as long."""
PAYS = 0.85
"""Of the instructions of direct sums a minimal algorithm for rows should take less: it writes and reads more."""
BACK = 0.7
"""What instructions of the direct way back are beside those of other kernels: what they count as read from the second cache others hide."""
PARTS = (1, 2, 4, 8, 16, 32, 64)
"""Candidates for the parts that the gradient's sums are dealt to."""
PART_BYTES, MANY_PARTS = 1 << 20, 8
"""Values that a part reads, again and again: what a second cache holds; and from how many on such parts are worth what a chain loses."""


@dataclass(frozen=True)
class Spaces:
    """Of a convolution's forward kernel, its way back and its gradient; the untuned tile is the one that takes least.

    Attributes:
        place: of the layer.
        geometry: of the layer.
        unit: rows and columns that a tile of outputs holds whole numbers of.
        computed: rows and columns of outputs that are computed.
        abreast: columns that a vector holds.
        rows: the layer by minimal algorithms for rows of taps; `None` where there are none.
    """

    place: Place
    geometry: Geometry
    unit: tuple[int, int]
    computed: tuple[int, int]
    abreast: int
    rows: RowsCost | None

    @property
    def squares(self) -> bool:
        """Whether Winograd's algorithm may be used: on vectors of samples, where tiles hold whole windows."""
        allowed = self.place.kernels.lanes.vector > 1 and not self.place.kernels.strict
        return allowed and self.geometry.square and bool(self._tiles_made)

    @property
    def _tiles_made(self) -> list[int]:
        """Rows and columns of Winograd's tiles that hold whole windows."""
        return [made for made in MADE if all(made % n == 0 for n in self.unit)]

    @property
    def shape(self) -> Shape:
        """What is convolved forward."""
        own = self.geometry
        return Shape(own.sources, own.maps, own.read[1:], own.made[1:], own.padding[1:])

    @property
    def shape_back(self) -> Shape:
        """What is convolved back to the input, where windows move by 1."""
        own = self.geometry
        border = 2 - own.padding[1], 2 - own.padding[2]
        return Shape(own.maps, own.sources, own.made[1:], own.read[1:], border)

    def forward(self) -> Space:
        """Of the forward kernel."""
        own, (rows, width), (unit_y, unit_x) = self.geometry, self.computed, self.unit
        tiles_of = {
            "MAPS_TILE": within(MAPS, own.maps),
            "ROWS_TILE": [n * unit_y for n in within((1, 2), rows // unit_y)],
            "COLUMNS_TILE": [n * unit_x for n in columns_of(width // unit_x, abreast=self.abreast)],
        }

        def abreast(columns: int) -> int:
            return self.abreast if width % columns == 0 and columns >= self.abreast else 1

        def instructions(tile: Parameters) -> float:
            sums = tile["MAPS_TILE"], tile["ROWS_TILE"], tile["COLUMNS_TILE"]
            covered = prod(tiles(size, n) for size, n in zip((own.maps, rows, width), sums, strict=True))
            return covered * forward_instructions(*sums, own.taps[1], own.taps[2], abreast(sums[2]))

        def few_vectors(tile: Parameters) -> bool:
            columns = tile["COLUMNS_TILE"]
            return tile["MAPS_TILE"] * tile["ROWS_TILE"] * tiles(columns, abreast(columns)) <= cost.REGISTERS

        bounded = Constraint(f"MAPS_TILE * ROWS_TILE * vectors of COLUMNS_TILE <= {cost.REGISTERS}", few_vectors)
        benchmark = {"MAPS_TILE": 1, "ROWS_TILE": unit_y, "COLUMNS_TILE": unit_x}
        space = Space(tiles_of, quickest_of(tiles_of, bounded, instructions), benchmark, (bounded,))
        if self.squares:
            return self._or_winograd(space, self.shape, abreast(space.default["COLUMNS_TILE"]))
        planes = own.made[0] * own.taps[0] * own.sources * own.connections * self.place.blocks()
        if self.rows is None:
            return space
        minimal, before = self.rows.forward, self.rows.filters
        return self._or_rows(space, instructions(space.default) * planes, minimal, before, space.benchmark)

    def back(self, brought: bool) -> Space:
        """Of the kernel back to the input; whether the forward kernel has brought its taps to points."""
        geometry = self.geometry
        maps, width, stride = geometry.sources, geometry.read[2], geometry.stride[2]
        tiles_of = {"MAPS_TILE": within(MAPS, maps), "COLUMNS_TILE": columns_of(width, stride)}
        lines = geometry.maps * prod(geometry.taps[:2]) / prod(geometry.stride[:2])
        row = Row(width, geometry.made[2], geometry.taps[2], stride, geometry.padding[2], lines)

        def abreast(columns: int) -> int:
            return self.abreast if columns == width else 1

        def instructions(tile: Parameters) -> float:
            own, columns = tile["MAPS_TILE"], tile["COLUMNS_TILE"]
            if abreast(columns) > 1:
                return tiles(maps, own) * abreast_instructions(row, own, self.abreast)
            return tiles(maps, own) * back_instructions(row, own, columns)

        default = quickest_of(tiles_of, few_sums("MAPS_TILE", "COLUMNS_TILE"), instructions)
        benchmark = {"MAPS_TILE": 1, "COLUMNS_TILE": tiles_of["COLUMNS_TILE"][0]}
        space = Space(tiles_of, default, benchmark)
        if self.squares:
            return self._or_winograd(space, self.shape_back, abreast(default["COLUMNS_TILE"]))
        planes = BACK * prod(geometry.read[:2]) * geometry.connections * self.place.blocks()
        if self.rows is None:
            return space
        minimal, before = self.rows.back, 0.0 if brought else self.rows.filters
        return self._or_rows(space, instructions(default) * planes, minimal, before, benchmark)

    def _or_winograd(self, space: Space, shape: Shape, abreast: int) -> Space:
        """The space of direct convolution, whose default has so many columns abreast, with Winograd's algorithm beside it where that is
        possible.
        """

        def allowed(tile: Parameters) -> bool:
            if not tile["WINOGRAD"]:
                return all(constraint.holds(tile) for constraint in space.constraints)
            return few(tile) and tile.get("ROWS_TILE") == space.benchmark.get("ROWS_TILE")

        maps, columns = space.parameters["MAPS_TILE"], space.parameters["COLUMNS_TILE"]
        minimal = quickest(shape, self.place, maps, columns, self._tiles_made)
        tile = {"ROWS_TILE": 1, **space.default}
        tiling = tile["MAPS_TILE"], tile["ROWS_TILE"], tile["COLUMNS_TILE"]
        covered = prod(tiles(size, n) for size, n in zip((shape.maps, *shape.made), tiling, strict=True))
        direct = self.place.blocks() * covered * shape.sources * forward_instructions(*tiling, 3, 3, abreast)
        constraint = Constraint("few sums, and of Winograd's tiles one row", allowed)
        default = {**space.benchmark, **minimal.parameters} if minimal.instructions < direct else None
        return with_winograd(space, constraint, default, self._tiles_made)

    def gradient(self, brought: bool) -> Space:
        """Of the kernel of the gradient; whether the forward kernel has brought its input to points."""
        geometry = self.geometry
        alone = geometry.shared and geometry.table
        maps, inputs = 1 if alone else geometry.maps, 1 if geometry.shared else geometry.sources
        taps, rows = min(geometry.taps[2], 5), 3 if geometry.taps[1] >= 3 >= geometry.taps[2] else 1
        planes = tiles(geometry.taps[1], rows) * tiles(geometry.taps[2], taps)
        tiles_of = {"MAPS_TILE": within((1, 2, 3, 4, 5, 6), maps), "COLUMNS_TILE": (1, 2, 4)}

        def instructions(tile: Parameters) -> float:
            own = tile["MAPS_TILE"]
            each = gradient_tile_instructions(own, rows, taps, tile["COLUMNS_TILE"], geometry.stride[2] * self.abreast)
            return tiles(maps, own) * each

        bounded = few_sums("MAPS_TILE", "INPUTS_TILE", "ROWS_TILE", "TAPS_TILE", most=SUMS)
        fixed = {"INPUTS_TILE": (1,), "ROWS_TILE": (rows,), "TAPS_TILE": (taps,)}
        default = quickest_of({**tiles_of, **fixed}, bounded, instructions)
        kernels = inputs * geometry.taps[0] * planes
        items = tiles(geometry.maps, default["MAPS_TILE"]) * (kernels + (kernels > 1))
        space = Space(
            parameters={
                **tiles_of,
                "INPUTS_TILE": within((1, 2), inputs),
                "ROWS_TILE": within((1, 3), geometry.taps[1]),
                "TAPS_TILE": sorted({1, taps, min(geometry.taps[2], 3)}),
                "SPLIT": PARTS,
            },
            default={**default, "SPLIT": self._split(items)},
            benchmark={"MAPS_TILE": 1, "INPUTS_TILE": 1, "ROWS_TILE": 1, "TAPS_TILE": 1, "COLUMNS_TILE": 1, "SPLIT": 1},
            constraints=(bounded,),
        )
        if self.squares:
            return self._gradient_or_winograd(space)
        outputs = prod(geometry.made[:2]) * tiles(geometry.made[2], self.abreast) * self.place.blocks()
        if self.rows is None or maps < 2:
            return space
        direct = instructions(default) * kernels * geometry.connections * outputs
        minimal, before = self.rows.gradient, 0.0 if brought else self.rows.see + cost.LAUNCH
        return self._or_rows(space, direct, minimal, before, self._beside(space))

    def _split(self, items: int) -> int:
        """Parts of the gradient's sums, each of so many items: so many that units have enough of them, and that values fit their caches.

        A chain's units have enough; what it loses with parts are units that compute alone (`per_unit.PerUnit`).
        """
        place, kernels = self.place, self.place.kernels
        wanted = 0 if kernels.chained else 2 * ITEMS_A_UNIT * kernels.runtime.limits.compute_units
        values = place.batch * (place.inputs + place.outputs) * kernels.dtype.itemsize
        cached = values // PART_BYTES
        if kernels.chained and cached < MANY_PARTS:
            cached = 1
        lines = place.blocks() * prod(self.geometry.made[:2])
        return max((n for n in PARTS if n <= lines and (n * items <= wanted or n <= cached)), default=1)

    def _gradient_or_winograd(self, space: Space) -> Space:
        """The space of direct sums, with Winograd's algorithm beside it, which chooses its own tiles, where that is possible."""
        place, shape, beside = self.place, self.shape, self._beside(space)

        def allowed(tile: Parameters) -> bool:
            kept = {**beside, "WINOGRAD": tile["WINOGRAD"]}
            return dict(tile) == kept if tile["WINOGRAD"] else all(own.holds(tile) for own in space.constraints)

        def instructions(made: int) -> float:
            return gradient_instructions(shape, made, place.batch, place.kernels)

        best = min(MADE, key=instructions)
        own = self.geometry
        outputs = prod(own.made[:2]) * tiles(own.made[2], self.abreast)
        direct = place.blocks() * outputs * own.sources * own.maps * DIRECT_GRADIENT
        default = {**beside, "WINOGRAD": best} if instructions(best) < direct else None
        return with_winograd(space, Constraint("few sums, and none of Winograd's", allowed), default, MADE)

    def _beside(self, space: Space) -> Parameters:
        """What is direct beside a gradient that is not, those of single samples, has one tile at all sizes; their sums are not dealt to
        parts.
        """
        return {**space.default, "MAPS_TILE": min(2, self.geometry.maps), "COLUMNS_TILE": 2, "SPLIT": 1}

    def _or_rows(
        self, space: Space, direct: float, minimal: RowsTile | None, before: float, beside: Parameters
    ) -> Space:
        """The space of direct convolution, whose default takes so many instructions, with a minimal algorithm for rows of taps beside it,
        before which so many are to be done, and which chooses its own tiles, where that is possible.
        """
        if self.rows is None or minimal is None:
            return space

        def allowed(chosen: Parameters) -> bool:
            made = chosen.get("MINIMAL", 0)
            if made:
                return dict(chosen) == {**beside, "MINIMAL": made}
            return all(own.holds(chosen) for own in space.constraints)

        made, pays = self.rows.how.made, minimal.instructions + before < PAYS * direct
        return Space(
            parameters={**space.parameters, "MINIMAL": (0, made)},
            default={**beside, "MINIMAL": made} if pays else {**space.default, "MINIMAL": 0},
            benchmark={**space.benchmark, "MINIMAL": 0},
            constraints=(Constraint("one tile beside a minimal algorithm for rows", allowed),),
        )


def quickest_of(
    tiles_of: Mapping[str, Sequence[int]], sums: Constraint, instructions: Callable[[Parameters], float]
) -> Parameters:
    """The tile that takes least; one of too many sums only where there is no other."""
    every = [dict(zip(tiles_of, values, strict=True)) for values in product(*tiles_of.values())]
    return min(filter(sums.holds, every), key=instructions, default=every[0])


def with_winograd(space: Space, constraint: Constraint, default: Parameters | None, made: Sequence[int]) -> Space:
    """The space of direct convolution with the other algorithm beside it, whose tile is the default where one is given."""
    return Space(
        parameters={**space.parameters, "WINOGRAD": (0, *made)},
        default=default or {**space.default, "WINOGRAD": 0},
        benchmark={**space.benchmark, "WINOGRAD": 0},
        constraints=(constraint,),
    )


def few_sums(*names: str, most: int = cost.REGISTERS) -> Constraint:
    """A tile keeps no more sums than there are registers."""

    def holds(parameters: Parameters) -> bool:
        return prod(parameters[name] for name in names) <= most

    return Constraint(f"{' * '.join(names)} <= {most}", holds)
