"""Convolution on a device (kernels/convolution_*.cl)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import product
from math import prod
from typing import Any, cast

import numpy as np

from gcnn.backends.accelerated.convolution_cost import (
    MAPS,
    SUMS,
    Row,
    back_instructions,
    columns_of,
    forward_instructions,
    gradient_tile_instructions,
    within,
)
from gcnn.backends.accelerated.layer import DeviceLayer, slope
from gcnn.backends.accelerated.place import Place, tiles
from gcnn.backends.accelerated.runtime import Buffer
from gcnn.backends.accelerated.tuning import cost
from gcnn.backends.accelerated.tuning.key import Problem
from gcnn.backends.accelerated.tuning.space import Constraint, Parameters, Space
from gcnn.backends.accelerated.windows import as_volume
from gcnn.backends.accelerated.winograd import (
    MADE,
    Shape,
    Winograd,
    WinogradGradient,
    few,
    gradient_instructions,
    quickest,
)
from gcnn.backends.accelerated.work import Argument, Work
from gcnn.layers import Convolution, Layer
from gcnn.maps import Maps

ITEMS_A_UNIT = 8
"""Work-items for each compute unit, so that none of them waits long for the last."""
DIRECT_GRADIENT = 8
"""Instructions of a direct gradient for an output and an input map, beside Winograd's: both took as long at 16 and 24 maps of 32x32, and
at 32 maps it twice as long."""
LONGEST_LIST = 16384
"""Positions of kernels that fit into 64 KB, which every device has for constants."""
PARTS = (1, 2, 4, 8, 16, 32, 64)
"""Candidates for the parts that the gradient's sums are dealt to."""
PART_BYTES, MANY_PARTS = 1 << 20, 8
"""Values that a part reads, again and again: what a second cache holds; and from how many on such parts are worth what a chain loses."""
RUN = 256
"""Parameters whose parts one group adds."""


class DeviceConvolution(DeviceLayer):
    """Kernels are read where they lie in θ; a table becomes the positions of those that exist."""

    def __init__(self, place: Place) -> None:
        super().__init__(place)
        layer, inputs, outputs = cast(Convolution, place.stage.layer), place.stage.inputs, place.stage.outputs
        self._made, self._read, self._taps = (
            as_volume(size) for size in (outputs.box, inputs.box, layer.kernel_box(inputs))
        )
        self._maps, self._sources, self._shared = outputs.count, inputs.count, layer.shared
        self._stride = as_volume(layer.strides(inputs))
        self._parameters = layer.parameter_count(inputs)
        self._padding = padding = tuple((0, 0, 0, *layer.paddings(inputs))[-3:])
        self._sizes = {"IN_MAPS": self._sources, "OUT_MAPS": self._maps, "BIASES": self._parameters - self._maps}
        for name, *values in zip(("DEPTH", "HEIGHT", "WIDTH"), self._read, self._made, strict=True):
            self._sizes |= {f"{which}_{name}": value for which, value in zip(("IN", "OUT"), values, strict=True)}
        shape = zip("ZYX", self._taps, self._stride, padding, strict=True)
        for axis, *values in shape:
            names = ("TAPS", "STRIDE", "PAD")
            self._sizes |= {f"{which}_{axis}": value for which, value in zip(names, values, strict=True)}
        self._options: dict[str, object] = {"SHARED_KERNELS": int(layer.shared)}
        self._offsets: tuple[Buffer, ...] = ()
        if layer.table is not None:
            self._list_kernels(kernel_offsets(layer, inputs))
        self._forward = self._choose("forward", self._forward_space(), self._forward_options)
        # One tile with φ' of a layer below and without.
        self._back = self._choose("backpropagate", self._back_space(), slope(None, place.dy_in)[0])
        self._gradient = self._choose("gradient", self._gradient_space(), {"SUM_SAMPLES": 1})
        self._winograd_forward = self._winograd(self._forward, self._shape, self._forward_options | {"BACK": 0})
        self._winograd_back = self._winograd(self._back, self._shape_back, {"BACK": 1})
        made = self._gradient.get("WINOGRAD")
        self._winograd_gradient = WinogradGradient(place, self._shape, self._sizes["BIASES"], made) if made else None
        split = self._gradient["SPLIT"]
        self._parts = place.kernels.alloc(split * self._parameters, "parts of a gradient") if split > 1 else None

    def _list_kernels(self, offsets: np.ndarray[Any, np.dtype[np.int64]]) -> None:
        if offsets.size <= LONGEST_LIST:
            self._options["KERNEL_OFFSETS"] = ",".join(map(str, offsets.ravel()))
        else:
            self._options["KERNEL_LIST"] = 1
            self._offsets = (self.place.kernels.constant(offsets.astype(np.int32), "positions of kernels"),)

    def _winograd(self, tile: Parameters, shape: Shape, options: dict[str, object]) -> Winograd | None:
        """The convolution of that shape by Winograd's algorithm, where the tile says so."""
        if not tile.get("WINOGRAD"):
            return None
        return Winograd(self.place, shape, options | {"BIASES": self._sizes["BIASES"]}, tile)

    @property
    def _minimal(self) -> bool:
        """Whether Winograd's algorithm may be used: on vectors of samples, for 3x3 taps one by one, of which all exist."""
        plane = self._taps == (1, 3, 3) and self._stride[1:] == (1, 1) and self._read[0] == 1
        whole = not self._shared and not self._has_table
        allowed = self.place.kernels.lanes.vector > 1 and not self.place.kernels.strict
        return allowed and plane and whole and bool(self._tiles_made) and max(self._padding[1:]) <= 2

    @property
    def _tiles_made(self) -> list[int]:
        """Rows and columns of Winograd's tiles that hold whole windows."""
        return [made for made in MADE if all(made % n == 0 for n in self._unit)]

    @property
    def _shape(self) -> Shape:
        border = self._padding[1], self._padding[2]
        return Shape(self._sources, self._maps, self._read[1:], self._made[1:], border)

    @property
    def _shape_back(self) -> Shape:
        border = 2 - self._padding[1], 2 - self._padding[2]
        return Shape(self._maps, self._sources, self._made[1:], self._read[1:], border)

    @property
    def _forward_options(self) -> dict[str, object]:
        return {"SAVE_Z": int(self.saves_z), "ACTIVATION": self.fused}

    def _choose(self, kernel: str, space: Space, options: dict[str, object]) -> Parameters:
        sizes = self._sizes | {"BLOCKS": self.place.blocks()}
        problem = Problem(f"convolution_{kernel}.cl", kernel, sizes, self._options | options)
        return self.tuned(space, problem)

    def _forward_space(self) -> Space:
        maps, (rows, width), (unit_y, unit_x) = self._maps, self._computed, self._unit
        tiles_of = {
            "MAPS_TILE": within(MAPS, maps),
            "ROWS_TILE": [n * unit_y for n in within((1, 2), rows // unit_y)],
            "COLUMNS_TILE": [n * unit_x for n in columns_of(width // unit_x)],
        }

        def instructions(tile: Parameters) -> float:
            sums = tile["MAPS_TILE"], tile["ROWS_TILE"], tile["COLUMNS_TILE"]
            covered = prod(tiles(size, n) for size, n in zip((maps, rows, width), sums, strict=True))
            return covered * forward_instructions(*sums, self._taps[1], self._taps[2])

        bounded = few_sums("MAPS_TILE", "ROWS_TILE", "COLUMNS_TILE")
        benchmark = {"MAPS_TILE": 1, "ROWS_TILE": unit_y, "COLUMNS_TILE": unit_x}
        space = Space(tiles_of, quickest_of(tiles_of, bounded, instructions), benchmark, (bounded,))
        return self._or_winograd(space, self._shape)

    def _back_space(self) -> Space:
        maps, width, stride = self._sources, self._read[2], self._stride[2]
        tiles_of = {"MAPS_TILE": within(MAPS, maps), "COLUMNS_TILE": columns_of(width, stride)}
        lines = self._maps * prod(self._taps[:2]) / prod(self._stride[:2])
        row = Row(width, self._made[2], self._taps[2], stride, self._padding[2], lines)

        def instructions(tile: Parameters) -> float:
            return tiles(maps, tile["MAPS_TILE"]) * back_instructions(row, tile["MAPS_TILE"], tile["COLUMNS_TILE"])

        default = quickest_of(tiles_of, few_sums("MAPS_TILE", "COLUMNS_TILE"), instructions)
        benchmark = {"MAPS_TILE": 1, "COLUMNS_TILE": tiles_of["COLUMNS_TILE"][0]}
        return self._or_winograd(Space(tiles_of, default, benchmark), self._shape_back)

    def _or_winograd(self, space: Space, shape: Shape) -> Space:
        """The space of direct convolution, with Winograd's algorithm beside it where that is possible."""
        if not self._minimal:
            return space

        def allowed(tile: Parameters) -> bool:
            if not tile["WINOGRAD"]:
                return all(constraint.holds(tile) for constraint in space.constraints)
            return few(tile) and tile.get("ROWS_TILE") == space.benchmark.get("ROWS_TILE")

        maps, columns = space.parameters["MAPS_TILE"], space.parameters["COLUMNS_TILE"]
        minimal = quickest(shape, self.place, maps, columns, self._tiles_made)
        tile = {"ROWS_TILE": 1, **space.default}
        tiling = tile["MAPS_TILE"], tile["ROWS_TILE"], tile["COLUMNS_TILE"]
        covered = prod(tiles(size, n) for size, n in zip((shape.maps, *shape.made), tiling, strict=True))
        direct = self.place.blocks() * covered * shape.sources * forward_instructions(*tiling, 3, 3)
        constraint = Constraint("few sums, and of Winograd's tiles one row", allowed)
        default = {**space.benchmark, **minimal.parameters} if minimal.instructions < direct else None
        return with_winograd(space, constraint, default, self._tiles_made)

    def _gradient_space(self) -> Space:
        alone = self._shared and self._has_table
        maps, inputs = 1 if alone else self._maps, 1 if self._shared else self._sources
        taps, rows = min(self._taps[2], 5), 3 if self._taps[1] >= 3 >= self._taps[2] else 1
        planes = tiles(self._taps[1], rows) * tiles(self._taps[2], taps)
        tiles_of = {"MAPS_TILE": within((1, 2, 3, 4, 5, 6), maps), "COLUMNS_TILE": (1, 2, 4)}

        def instructions(tile: Parameters) -> float:
            own = tile["MAPS_TILE"]
            each = gradient_tile_instructions(own, rows, taps, tile["COLUMNS_TILE"], self._stride[2])
            return tiles(maps, own) * each

        bounded = few_sums("MAPS_TILE", "INPUTS_TILE", "ROWS_TILE", "TAPS_TILE", most=SUMS)
        fixed = {"INPUTS_TILE": 1, "ROWS_TILE": rows, "TAPS_TILE": taps}
        every = ({**tile, **fixed} for tile in combinations_of(tiles_of))
        default = min(filter(bounded.holds, every), key=instructions)
        items = tiles(self._maps, default["MAPS_TILE"]) * (inputs * self._taps[0] * planes + 1)
        space = Space(
            parameters={
                **tiles_of,
                "INPUTS_TILE": within((1, 2), inputs),
                "ROWS_TILE": within((1, 3), self._taps[1]),
                "TAPS_TILE": sorted({1, taps, min(self._taps[2], 3)}),
                "SPLIT": PARTS,
            },
            default=default | {"SPLIT": self._split(items)},
            benchmark={"MAPS_TILE": 1, "INPUTS_TILE": 1, "ROWS_TILE": 1, "TAPS_TILE": 1, "COLUMNS_TILE": 1, "SPLIT": 1},
            constraints=(bounded,),
        )
        return self._gradient_or_winograd(space)

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
        lines = place.blocks() * self._made[0] * self._made[1]
        return max((n for n in PARTS if n <= lines and (n * items <= wanted or n <= cached)), default=1)

    def _gradient_or_winograd(self, space: Space) -> Space:
        """The space of direct sums, with Winograd's algorithm beside it, which chooses its own tiles, where that is possible."""
        if not self._minimal:
            return space
        place, shape = self.place, self._shape
        # What is direct beside it, gradients of single samples, keeps its tile; their sums are not dealt to parts.
        beside = {**space.default, "SPLIT": 1}

        def allowed(tile: Parameters) -> bool:
            kept = {**beside, "WINOGRAD": tile["WINOGRAD"]}
            return dict(tile) == kept if tile["WINOGRAD"] else all(own.holds(tile) for own in space.constraints)

        def instructions(made: int) -> float:
            return gradient_instructions(shape, made, place.batch, place.kernels)

        best = min(MADE, key=instructions)
        direct = place.blocks() * prod(self._made) * self._sources * self._maps * DIRECT_GRADIENT
        default = {**beside, "WINOGRAD": best} if instructions(best) < direct else None
        return with_winograd(space, Constraint("few sums, and none of Winograd's", allowed), default, MADE)

    @classmethod
    def awkward(cls, layer: Layer, own: Maps, parameters: Parameters) -> list[tuple[Layer, Maps]]:
        """A map and a column more than a tile, forward and back; without the table, whose rows are of the layer's own maps."""
        convolution = cast(Convolution, layer)
        maps = parameters["MAPS_TILE"] + 1
        box = convolution.kernel_box(own)
        strides = convolution.strides(own)
        tile = (parameters.get("ROWS_TILE", 1), parameters.get("COLUMNS_TILE", 1))
        more = [1] * max(len(box) - 2, 0) + [n + 1 for n in tile][-len(box) :]
        size = tuple(n + extra * step for n, extra, step in zip(box, more, strides, strict=True))
        small = Maps((max(maps, parameters.get("INPUTS_TILE", 1) + 2), *size))
        return [(replace(convolution, maps=maps, table=None, remainder="floor"), small)]

    @property
    def _unit(self) -> tuple[int, int]:
        """Rows and columns that a tile of outputs holds whole numbers of."""
        return 1, 1

    @property
    def _computed(self) -> tuple[int, int]:
        """Rows and columns of outputs that are computed."""
        return self._made[1], self._made[2]

    def rounds(self, kernel: str) -> bool:
        tile = {"forward": self._forward, "backpropagate": self._back, "gradient": self._gradient}[kernel]
        return tile.get("WINOGRAD", 0) > 2  # whose matrices have thirds

    def prepare(self, back: bool = False) -> list[Work]:
        winograd = self._winograd_back if back else self._winograd_forward
        return [winograd.filters()] if winograd else []

    def combine(self, samples: int) -> list[Work]:
        place = self.place
        return [self._bind_forward(samples, place.z, self.target)]

    def _bind_forward(self, samples: int, kept: Buffer, target: Buffer) -> Work:
        """The forward pass into `target`, with what it keeps."""
        place = self.place
        if self._winograd_forward:
            return self._winograd_forward.correlate(samples, place.y_in, kept, target)
        arguments = (place.y_in, place.theta, place.theta0, kept, target, *self._offsets)
        tile, (rows, columns) = self._forward, self._computed
        groups = self.place.blocks(samples) * self._made[0] * tiles(self._maps, tile["MAPS_TILE"])
        groups *= tiles(rows, tile["ROWS_TILE"]) * tiles(columns, tile["COLUMNS_TILE"])
        return self._bind("forward", "forward", groups, arguments, self._forward_options | dict(tile))

    def backpropagate(self, samples: int) -> list[Work]:
        place, tile = self.place, self._back
        if self._winograd_back:
            return [self._winograd_back.correlate(samples, place.dy, place.dy_in, place.dy_in)]
        groups = place.blocks(samples) * self._read[0] * self._read[1] * tiles(self._sources, tile["MAPS_TILE"])
        groups *= tiles(self._read[2], tile["COLUMNS_TILE"])
        options, values = slope(place.below, place.dy_in)
        arguments = (place.dy, place.theta, place.theta0, *values, place.dy_in, *self._offsets)
        return [self._bind("backpropagate", "backpropagate", groups, arguments, options | dict(tile))]

    @property
    def slopes_below(self) -> bool:
        return self.place.below is not None and self._winograd_back is None

    def gradient(self, samples: int) -> list[Work]:
        place = self.place
        if self._winograd_gradient:
            return self._winograd_gradient.works(samples)
        if self._parts is None:
            work = self._gradients(samples, place.gradient, self._parameters, place.theta0, 1, 1, place.add)
            return [replace(work, sums=(0, 1), gives=True)]
        parts = self._gradients(samples, self._parts, self._parameters, np.int64(0), self._gradient["SPLIT"], 1)
        arguments = (self._parts, place.gradient, place.theta0, place.add)
        return [
            parts,
            replace(self._bind_gradient("add_parts", tiles(self._parameters, RUN), arguments, 1), gives=True),
        ]

    def sample_gradients(self, samples: int, rows: Buffer, width: int) -> list[Work]:
        return [self._gradients(samples, rows, width, self.place.theta0, self.place.blocks(samples), 0)]

    def _gradients(
        self,
        samples: int,
        rows: Buffer,
        width: int,
        first: np.int64,
        parts: int,
        sum_samples: int,
        add: Argument = np.int32(0),  # noqa: B008  # it cannot change
    ) -> Work:
        place, maps = self.place, tiles(self._maps, self._gradient["MAPS_TILE"])
        groups = parts * maps * (self._kernel_tiles + 1 - self._biases_too)
        arguments = (place.dy, place.y_in, place.counts(samples)[0], rows, np.int64(width), first, add, *self._offsets)
        return self._bind_gradient("gradient", groups, arguments, sum_samples)

    @property
    def _kernel_tiles(self) -> int:
        """Of a map's kernels, in the gradient."""
        tile, inputs = self._gradient, 1 if self._shared else tiles(self._sources, self._gradient["INPUTS_TILE"])
        rows, taps = tiles(self._taps[1], tile["ROWS_TILE"]), tiles(self._taps[2], tile["TAPS_TILE"])
        return inputs * self._taps[0] * rows * taps

    @property
    def _biases_too(self) -> bool:
        """Whether items that compute weights add up the biases as well."""
        plane = self._read[0] == self._made[0] == 1 and not self._padding[0]
        return plane and not self._shared and not self._has_table and self._kernel_tiles == 1

    @property
    def _has_table(self) -> bool:
        return not {"KERNEL_OFFSETS", "KERNEL_LIST"}.isdisjoint(self._options)

    def _bind_gradient(self, kernel: str, groups: int, arguments: tuple[Any, ...], sum_samples: int) -> Work:
        defines = {**self._gradient, "SUM_SAMPLES": sum_samples, "RUN": RUN}
        defines["BIASES_TOO"] = int(self._biases_too)
        return self._bind("gradient", kernel, groups, arguments, defines)

    def _bind(self, file: str, kernel: str, groups: int, arguments: tuple[Any, ...], defines: dict[str, Any]) -> Work:
        every = self._sizes | self._options | defines
        return self.place.kernels.bind(f"convolution_{file}.cl", kernel, (groups,), arguments, **every)


def kernel_offsets(layer: Convolution, inputs: Maps) -> np.ndarray[Any, np.dtype[np.int64]]:
    """(maps, input maps): where the kernel of each connection begins among the layer's parameters, -1 where there is none."""
    table = layer.connections(inputs)
    exists = table.any(axis=1, keepdims=True) if layer.shared else table
    positions = (np.cumsum(exists) - 1).reshape(exists.shape) * prod(layer.kernel_box(inputs))
    return np.where(table, positions, -1)


def combinations_of(tiles_of: Mapping[str, Sequence[int]]) -> list[dict[str, int]]:
    """Every tile of these candidates."""
    return [dict(zip(tiles_of, values, strict=True)) for values in product(*tiles_of.values())]


def quickest_of(
    tiles_of: Mapping[str, Sequence[int]], sums: Constraint, instructions: Callable[[Parameters], float]
) -> Parameters:
    """The tile that takes least; one of too many sums only where there is no other."""
    every = combinations_of(tiles_of)
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
