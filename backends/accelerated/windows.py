"""What layers on windows side by side share on a device (kernels/windows.h)."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

import numpy as np

from gcnn.backends.accelerated.lanes import PLANES, SCALARS, VECTORS
from gcnn.backends.accelerated.layer import DeviceLayer
from gcnn.backends.accelerated.place import Place, tiles
from gcnn.backends.accelerated.runtime import Buffer
from gcnn.backends.accelerated.work import Work
from gcnn.maps import Size

ROWS_TILE = {VECTORS: 4, SCALARS: 1, PLANES: 1}
"""Rows of windows that one work-item takes: more, where it is alone in its group."""
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
        self._rows = ROWS_TILE[place.kernels.lanes.style]
        self.sizes: dict[str, object] = {"IN_MAPS": inputs.count, "OUT_MAPS": outputs.count, "ROWS_TILE": self._rows}
        self.sizes |= {f"IN_{axis}": size for axis, size in zip(_AXES, read, strict=True)}
        self.sizes |= {f"OUT_{axis}": size for axis, size in zip(_AXES, made, strict=True)}
        self.sizes |= {f"WINDOW_{axis}": n for axis, n in zip("ZYX", cells, strict=True)}
        self.cells = prod(cells)
        self.output_rows = outputs.count * made[0] * made[1]
        self.input_rows = inputs.count * tiles(read[0], cells[0]) * tiles(read[1], cells[1])

    def bind(self, kernel: str, groups: Sequence[int], arguments: Sequence[Buffer | np.generic]) -> Work:
        """A launch of one of the layer's kernels."""
        return self.place.kernels.bind(self.file, kernel, groups, arguments, **self.sizes)

    def bind_rows(self, kernel: str, rows: int, samples: int, arguments: Sequence[Buffer | np.generic]) -> Work:
        """The same, where items take rows of windows of one block."""
        return self.bind(kernel, (tiles(rows, self._rows), self.place.blocks(samples)), arguments)
