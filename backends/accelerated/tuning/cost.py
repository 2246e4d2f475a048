"""What a kernel costs in accesses to global memory, from shapes alone, and Algorithm 4 (Hedberg 2015, section 10).

    convolution, naive    loads Σ_i |D_i| O_x O_y F_x F_y                     writes N O_x O_y
    convolution, tiled    loads reads (O_x / l_x) (O_y / l_y) span_x span_y   writes N O_x O_y
    matrix product        loads M N K (1/m + 1/n)
    pooling               loads every input once, whatever the tile

with O = (S - F) / k + 1 and span = (l - 1) k + F, which is l + R with R = F - 1 where the stride k is 1. Corrections of what is printed:
R is F - 1, loads have the same factor as writes, tiles begin at 1, memory is counted in bytes (docs/corrections.md).
Axis x comes first and y, the last, is the one along which elements are neighbours in memory.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import product
from typing import NamedTuple

Pair = tuple[int, int]

CHAIN = 8
"""Sums that are needed lest multiply-adds wait for one another: two begin in each cycle of a CPU's core and take four."""
REGISTERS = 24
"""Sums that a work-item keeps, at most: with what it reads they fill the 32 vector registers of a CPU's core."""
LAUNCH = 1 << 15
"""Multiply-adds of vectors that one work-item does in the time that two launches take, about 20 µs."""


class Accesses(NamedTuple):
    """Elements read from and written to global memory."""

    loads: int
    writes: int

    @property
    def total(self) -> int:
        """What Algorithm 4 minimises."""
        return self.loads + self.writes


@dataclass(frozen=True)
class Images:
    """Images to convolve, with stride and connections.

    Attributes:
        size: (S_x, S_y) of an image that is read.
        taps: (F_x, F_y) of a filter.
        outputs: N, the images that are written.
        connections: Σ_i |D_i|, images read by every output, added up; also the number of filters.
        stride: k of each axis.
        shared: images that a work-group loads where it computes all outputs of its tile, so that they are read once for
            all; `None` where each connection loads its own.
        element: bytes of a number.
    """

    size: Pair
    taps: Pair
    outputs: int = 1
    connections: int = 1
    stride: Pair = (1, 1)
    shared: int | None = None
    element: int = 4

    @property
    def written(self) -> Pair:
        """(O_x, O_y) of an image that is written."""
        x, y = ((s - f) // k + 1 for s, f, k in zip(self.size, self.taps, self.stride, strict=True))
        return x, y

    def span(self, tile: Pair) -> Pair:
        """The input that a tile of outputs reads."""
        x, y = ((n - 1) * k + f for n, k, f in zip(tile, self.stride, self.taps, strict=True))
        return x, y

    def tile_bytes(self, tile: Pair) -> int:
        """Local memory for the input of a tile."""
        x, y = self.span(tile)
        return x * y * self.element


@dataclass(frozen=True)
class Bounds:
    """What a device allows a tiled kernel.

    Attributes:
        units: U, groups that run at once (CL_DEVICE_MAX_COMPUTE_UNITS).
        group_items: work-items of a group (CL_KERNEL_WORK_GROUP_SIZE).
        shared_bytes: M, local memory left for the tile.
        largest: work-items of a group on each axis (CL_DEVICE_MAX_WORK_ITEM_SIZES).
        padding: the most dummy outputs on each axis.
        constant_bytes: of one buffer in constant memory (CL_DEVICE_MAX_CONSTANT_BUFFER_SIZE).
    """

    units: int
    group_items: int
    shared_bytes: int
    largest: Pair
    padding: int = 10
    constant_bytes: int = 65536


class Tiling(NamedTuple):
    """A solution: outputs of a work-group, dummy outputs on each axis, and the accesses with them."""

    tile: Pair
    padding: Pair
    accesses: int


def naive(images: Images) -> Accesses:
    """Every output reads all that it depends on."""
    outputs, taps = _area(images.written), _area(images.taps)
    return Accesses(images.connections * outputs * taps, images.outputs * outputs)


def tiled(images: Images, tile: Pair, padding: Pair = (0, 0)) -> Accesses:
    """Every group loads the input of its tile once; dummy outputs count. The tile must divide the padded output."""
    padded = _padded(images, padding)
    groups = _area(padded) // _area(tile)
    loaded = images.connections if images.shared is None else images.shared
    return Accesses(loaded * groups * _area(images.span(tile)), images.outputs * _area(padded))


def pooling(size: Pair, window: Pair, images: int = 1) -> Accesses:
    """Windows do not overlap: there is nothing to reuse, and no tile loads less than another."""
    windows = _area((size[0] // window[0], size[1] // window[1]))
    return Accesses(images * windows * _area(window), images * windows)


def matrix_product(rows: int, columns: int, depth: int, tile: Pair) -> Accesses:
    """(rows, depth) times (depth, columns) in tiles: each loads its rows and its columns once, the last ones what is left."""
    m, n = tile
    return Accesses(depth * (rows * -(-columns // n) + columns * -(-rows // m)), rows * columns)


def filter_launches(images: Images, bounds: Bounds) -> int | None:
    """Launches over which the filters are spread so that each finds its own in constant memory; `None` where not one fits."""
    fitting = bounds.constant_bytes // (_area(images.taps) * images.element)
    return -(-images.connections // fitting) if fitting else None


def brute_force(images: Images, bounds: Bounds) -> Tiling | None:
    """Algorithm 4 with its four mistakes corrected, loop by loop: O(S_max^2 P_max^2). `None` where nothing is feasible."""
    amounts = range(bounds.padding + 1)
    found = []
    for padding in product(amounts, amounts):
        padded = _padded(images, padding)
        for tile in product(range(1, bounds.largest[0] + 1), range(1, bounds.largest[1] + 1)):
            divides = padded[0] % tile[0] == 0 and padded[1] % tile[1] == 0
            if divides and _fits(images, bounds, tile) and _area(padded) // _area(tile) >= bounds.units:
                found.append(Tiling(tile, padding, tiled(images, tile, padding).total))
    return _least(found)


def optimal_tiling(images: Images, bounds: Bounds) -> Tiling | None:
    """Algorithm 4 exactly, fast: tiles that fit, and only the paddings that they divide."""
    return _least(_hypotheses(images, bounds, bounds.units))


def practical_tiling(images: Images, bounds: Bounds) -> Tiling | None:
    """Algorithm 4 as it is used: the smallest padding of each tile, and fewer groups than units where there is no other way.

    As printed it would rather add dummy groups until there are enough of them. `None` where no tile fits: take the untiled kernel.
    """
    for units in (bounds.units, 1):
        least = _least(_hypotheses(images, bounds, units, smallest=True))
        if least is not None:
            return least
    return None


def _hypotheses(images: Images, bounds: Bounds, units: int, smallest: bool = False) -> Iterator[Tiling]:
    for x in range(1, bounds.largest[0] + 1):
        for y in range(1, bounds.largest[1] + 1):
            if not _fits(images, bounds, (x, y)):
                break  # neither does a longer one
            amounts_x, amounts_y = (
                range(-outputs % length, bounds.padding + 1, length)[: 1 if smallest else None]
                for outputs, length in zip(images.written, (x, y), strict=True)
            )
            for padding in product(amounts_x, amounts_y):
                if _area(_padded(images, padding)) // (x * y) >= units:
                    yield Tiling((x, y), padding, tiled(images, (x, y), padding).total)


def _fits(images: Images, bounds: Bounds, tile: Pair) -> bool:
    return _area(tile) <= bounds.group_items and images.tile_bytes(tile) <= bounds.shared_bytes


def _least(found: Iterable[Tiling]) -> Tiling | None:
    """Ties are common: the larger extent along y then wins, then the smaller padding."""
    return min(found, key=lambda t: (t.accesses, -t.tile[1], sum(t.padding), -t.tile[0], t.padding), default=None)


def _padded(images: Images, padding: Pair) -> Pair:
    (x, y), (more_x, more_y) = images.written, padding
    return x + more_x, y + more_y


def _area(pair: Pair) -> int:
    return pair[0] * pair[1]
