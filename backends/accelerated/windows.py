"""What layers on windows side by side share on a device (kernels/windows.h)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod

from gcnn.backends.accelerated.lanes import PLANES, SCALARS, VECTORS
from gcnn.backends.accelerated.layer import DeviceLayer
from gcnn.backends.accelerated.place import Place, tiles
from gcnn.backends.accelerated.runtime import Runtime
from gcnn.backends.accelerated.tuning.key import Problem
from gcnn.backends.accelerated.tuning.space import Parameters, Space
from gcnn.backends.accelerated.work import Argument, Work
from gcnn.layers import Layer
from gcnn.maps import Maps, Size

ROWS_TILE = {VECTORS: 32, SCALARS: 1, PLANES: 1}
"""Rows of windows that one work-item takes where nothing is known: more, where it is alone in its group."""
AMOUNTS = (1, 2, 4, 8, 16, 32)
"""Candidates for how much a work-item takes."""
MOST_WORK = 1000
"""Of one work-item in the benchmark: the most that Hedberg's section 9 measured."""
_AXES = ("DEPTH", "HEIGHT", "WIDTH")


def as_volume(size: Size) -> tuple[int, int, int]:
    """A size of at most three axes as (depth, height, width), 1 where there is no such axis."""
    depth, height, width = (1,) * (3 - len(size)) + size
    return depth, height, width


class DeviceWindows(DeviceLayer):
    """A layer that reads windows moved by their own size.

    Args:
        place: the memory around it.
        window: cells per axis; where it is larger than a map, what is beyond the map is not read.

    Attributes:
        file: of its kernels.
        sizes: the defines of kernels/windows.h.
        cells: of a window.
        output_rows, input_rows: rows of windows with an output cell, and of all windows.
    """

    file: str

    def __init__(self, place: Place, window: Size) -> None:
        super().__init__(place)
        inputs, outputs = place.stage.inputs, place.stage.outputs
        read, made = as_volume(inputs.box), as_volume(outputs.box)
        cells = [min(n, size) for n, size in zip(as_volume(window), read, strict=True)]
        self.sizes: dict[str, int] = {"IN_MAPS": inputs.count, "OUT_MAPS": outputs.count}
        self.sizes |= {f"IN_{axis}": size for axis, size in zip(_AXES, read, strict=True)}
        self.sizes |= {f"OUT_{axis}": size for axis, size in zip(_AXES, made, strict=True)}
        self.sizes |= {f"WINDOW_{axis}": n for axis, n in zip("ZYX", cells, strict=True)}
        self.cells = prod(cells)
        self.output_rows = outputs.count * made[0] * made[1]
        self.input_rows = inputs.count * tiles(read[0], cells[0]) * tiles(read[1], cells[1])

    def rows_tile(self, kernel: str, rows: int, options: Mapping[str, object]) -> Parameters:
        """How many of so many rows an item of a kernel takes."""
        place = self.place
        default = ROWS_TILE[place.kernels.lanes.style]
        space = amount_space("ROWS_TILE", rows, rows * place.blocks(), default, place.kernels.runtime)
        return self.tuned(space, Problem(self.file, kernel, self.sizes | {"BLOCKS": place.blocks()}, options))

    @classmethod
    def awkward(cls, layer: Layer, own: Maps, parameters: Parameters) -> list[tuple[Layer, Maps]]:
        """A row more than a tile takes, one map each, and a map whose windows are cut off at all borders."""
        window = cls.window(layer, own)
        row = (*window[:-1], 2 * window[-1] + 1)
        corner = [2 * n + 1 for n in window]
        return [(layer, Maps((max(parameters.values()) + 1, *row))), (layer, Maps((1, *corner)))]

    @staticmethod
    def window(layer: Layer, inputs: Maps) -> Size:
        """Cells of a window per axis."""
        raise NotImplementedError

    def bind(
        self,
        kernel: str,
        groups: Sequence[int],
        arguments: Sequence[Argument],
        defines: Mapping[str, object],
    ) -> Work:
        """A launch of one of the layer's kernels."""
        return self.place.kernels.bind(self.file, kernel, groups, arguments, **self.sizes, **defines)

    def bind_rows(
        self,
        kernel: str,
        rows: int,
        samples: int,
        arguments: Sequence[Argument],
        defines: Mapping[str, object],
        tile: Parameters,
    ) -> Work:
        """The same, where items take rows of windows of one block."""
        groups = (tiles(rows, tile["ROWS_TILE"]), self.place.blocks(samples))
        return self.bind(kernel, groups, arguments, {**defines, **tile})


def amount_space(name: str, most: int, items: int, default: int, runtime: Runtime) -> Space:
    """How many of `most` neighbours a work-item takes, where there are so many items of one.

    Windows do not overlap, and every input is read once whatever an item takes (`cost.pooling`): there is nothing to rank
    candidates by. The benchmark is the advice of Hedberg's section 9: on CPUs a work-item a unit, on GPUs one for each.
    It is tried too.
    """
    share = tiles(items, runtime.limits.compute_units) if runtime.device.kind == "cpu" else 1
    benchmark = max(1, min(share, most, MOST_WORK))
    candidates = sorted({benchmark, *(n for n in AMOUNTS if n <= max(most, 1))})
    return Space(
        parameters={name: candidates},
        default={name: max(n for n in candidates if n <= default)},
        benchmark={name: benchmark},
    )
