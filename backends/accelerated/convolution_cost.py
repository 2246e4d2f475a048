"""Tiles of the direct convolution kernels: which there are, and what each takes, counted in instructions of vectors.

Counted are multiply-adds, or what they wait for where a tile has few sums; what is read; and what registers cannot hold. Untuned, kernels
take the tile that takes least.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from gcnn.backends.accelerated.place import tiles
from gcnn.backends.accelerated.tuning import cost

MAPS = (1, 2, 3, 4, 5, 6, 8)
COLUMNS = (1, 2, 3, 4, 5, 6, 7, 8, 12, 14)
"""Candidates for the maps and columns of a tile."""
SPLITS = 3
"""Even parts of a row, up to so many, are candidates too."""
VECTOR_REGISTERS = 32
"""Of a CPU's core with AVX-512."""
WEIGHT, FAR = 0.5, 2.0
"""What it takes to read a number that the first cache holds, and a vector that only the second does."""
SUMS = 25
"""Sums that an item of the gradient keeps, at most: 5 maps of 5 taps, beside what one column sees."""
ITEM = 40
"""What a work-item takes to find its place and to end."""


def within(candidates: Iterable[int], most: int) -> list[int]:
    """The candidates that a size allows."""
    return [n for n in candidates if n <= most] or [1]


def columns_of(width: int, step: int = 1, abreast: int = 1) -> list[int]:
    """Candidates for a tile's columns of a row so wide, multiples of a step or the whole row; so many columns may be one vector."""
    steps = tiles(width, step)
    splits = {min(step * tiles(steps, parts), width) for parts in range(1, SPLITS + 1)}
    usual = {n for n in COLUMNS if n < width and n % step == 0}
    return sorted(n for n in usual | splits if n <= cost.REGISTERS * abreast) or [min(step, width)]


def forward_instructions(maps: int, rows: int, columns: int, taps_y: int, taps_x: int, abreast: int = 1) -> float:
    """Of a tile of the forward kernel, for one input map; where columns are abreast, of whole vectors of them."""
    weights, vectors = rows * taps_y * taps_x, tiles(columns, abreast)
    multiply_adds = weights * max(maps * vectors, cost.CHAIN)
    seen = min(columns - abreast + taps_x, vectors * taps_x)
    loads = (weights * maps + (rows + taps_y - 1) * seen) * WEIGHT
    spilled = max(0, maps * rows * vectors + vectors + taps_x - VECTOR_REGISTERS)
    return multiply_adds + loads + spilled * taps_y * maps * rows / 2


@dataclass(frozen=True)
class Row:
    """A row of cells that the way back computes.

    Attributes:
        cells: how many.
        outputs: how many lie in a row of them.
        taps, stride, pad: along the row.
        lines: rows of outputs that a cell meets, those of all maps.
    """

    cells: int
    outputs: int
    taps: int
    stride: int
    pad: int
    lines: float

    def met(self, cell: int) -> list[int]:
        """The outputs that read a cell."""
        ends = (divmod(cell + self.pad - tap, self.stride) for tap in range(self.taps))
        return [output for output, left in ends if left == 0 and 0 <= output < self.outputs]


def abreast_instructions(row: Row, maps: int, abreast: int) -> float:
    """Of the kernel back to the input, for a row of so many maps whose outputs are abreast."""
    vectors = tiles(row.outputs, abreast)
    multiply_adds = max(maps * row.taps * vectors, cost.CHAIN)
    spilled = max(0, (maps * row.taps + 1) * vectors - VECTOR_REGISTERS)
    read = WEIGHT * maps * row.taps + FAR * (vectors + spilled)
    return row.lines * (multiply_adds + read) + maps * row.taps * row.outputs + ITEM


def back_instructions(row: Row, maps: int, columns: int) -> float:
    """Of the kernel back to the input, for a row of so many maps, taken in tiles of these columns. Tiles that lie inside are alike."""

    def instructions(tile: int) -> float:
        return _back(row, maps, range(tile * columns, min((tile + 1) * columns, row.cells)))

    every = tiles(row.cells, columns)
    first = min(tiles(max(row.taps - 1 - row.pad, 0), columns), every)
    last = max(min(row.outputs * row.stride - row.pad, row.cells) // columns, first)
    inside = (last - first) * instructions(first) if last > first else 0.0
    return inside + sum(instructions(tile) for tile in range(every) if not first <= tile < last)


def _back(row: Row, maps: int, cells: Sequence[int]) -> float:
    met = [row.met(cell) for cell in cells]
    outputs = {output for own in met for output in own}
    multiply_adds = max(maps * sum(map(len, met)), cost.CHAIN * max(map(len, met)))
    spilled = max(0, maps * len(cells) + len(outputs) - VECTOR_REGISTERS)
    read = WEIGHT * maps * row.taps + FAR * (len(outputs) + spilled)
    return row.lines * (multiply_adds + read) + ITEM


def gradient_tile_instructions(maps: int, rows: int, taps: int, columns: int, stride: int) -> float:
    """Of a tile of the gradient, of so many taps in so many rows, for one column of outputs; it takes `columns` at a time."""
    sums, seen = maps * rows * taps, rows * ((columns - 1) * stride + taps)
    spilled = max(0, sums + seen + 1 - VECTOR_REGISTERS)
    multiply_adds = columns * max(sums, cost.CHAIN)
    return (multiply_adds + WEIGHT * (seen + columns * maps) + FAR * spilled) / columns
