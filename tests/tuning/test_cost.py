from __future__ import annotations

from dataclasses import replace
from itertools import product

import numpy as np
import pytest

from gcnn.backends.accelerated.tuning.cost import Images, matrix_product, naive, pooling, tiled

pytestmark = pytest.mark.equations("HA4")


def connected(rng):
    """A connection table (outputs, inputs) in which every output reads something."""
    table = rng.random((rng.integers(1, 5), rng.integers(1, 4))) < 0.6
    table[np.arange(len(table)), rng.integers(table.shape[1], size=len(table))] = True
    return table


def random_images(rng):
    table = connected(rng)
    taps = tuple(map(int, rng.integers(1, 5, 2)))
    stride = tuple(map(int, rng.integers(1, 4, 2)))
    size = tuple(f + int(rng.integers(0, 9)) for f in taps)
    return table, Images(size, taps, len(table), int(table.sum()), stride)


def outputs_of(images):
    """Where filters lie whole inside the image, one by one."""
    along = [
        [start for start in range(0, s, k) if start + f <= s]
        for s, f, k in zip(images.size, images.taps, images.stride, strict=True)
    ]
    return [(x, y) for x in range(len(along[0])) for y in range(len(along[1]))]


def walk_naive(table, images):
    loads = writes = 0
    for row in table:
        for _ in outputs_of(images):
            loads += sum(1 for connection in row if connection for _ in np.ndindex(images.taps))
            writes += 1
    return loads, writes


def walk_tiled(table, images, tile, padding):
    """Groups one after another, each loading once the rectangle of cells that its outputs read, dummy outputs too."""
    extent = [n + p for n, p in zip(images.written, padding, strict=True)]
    loads = writes = 0
    for corner in product(*(range(0, n, step) for n, step in zip(extent, tile, strict=True))):
        rectangle = 1
        for start, length, k, f in zip(corner, tile, images.stride, images.taps, strict=True):
            read = {(start + x) * k + u for x in range(length) for u in range(f)}
            rectangle *= max(read) - min(read) + 1
        images_loaded = table.sum() if images.shared is None else table.any(axis=0).sum()
        loads += int(images_loaded) * rectangle
        writes += len(table) * tile[0] * tile[1]
    return loads, writes


@pytest.mark.row("T1")
def test_naive_accesses_equal_a_count_of_every_read_and_write():
    rng = np.random.default_rng(0)
    for _ in range(100):
        table, images = random_images(rng)
        assert images.written == (outputs_of(images)[-1][0] + 1, outputs_of(images)[-1][1] + 1)
        assert tuple(naive(images)) == walk_naive(table, images)


@pytest.mark.row("T1")
def test_tiled_and_padded_accesses_equal_a_count_over_all_groups():
    rng = np.random.default_rng(1)
    padded = shared = 0
    for _ in range(100):
        table, images = random_images(rng)
        if rng.random() < 0.5:
            images = replace(images, shared=int(table.any(axis=0).sum()))
            shared += 1
        tile = tuple(map(int, rng.integers(1, 6, 2)))
        padding = tuple(-n % length for n, length in zip(images.written, tile, strict=True))
        padded += padding != (0, 0)
        assert tuple(tiled(images, tile, padding)) == walk_tiled(table, images, tile, padding)
    assert padded > 30
    assert shared > 30


@pytest.mark.row("T1")
def test_the_worked_numbers_of_the_cost_model():
    images = Images((20, 16), (5, 3))
    assert naive(images).loads == 3360
    assert tuple(tiled(images, (4, 7))) == (576, 224)


@pytest.mark.row("T1")
def test_without_stride_a_tile_reads_filter_size_less_one_beyond_itself():
    assert Images((20, 16), (5, 3)).span((4, 7)) == (4 + 4, 7 + 2)
    assert Images((20, 16), (5, 3), stride=(2, 3)).span((4, 7)) == (3 * 2 + 5, 6 * 3 + 3)


@pytest.mark.row("T6")
def test_no_tile_of_pooling_windows_loads_less_than_another():
    # Windows that do not overlap are a convolution whose stride is its filter size.
    images = Images((24, 36), (2, 3), 5, 5, stride=(2, 3))
    for tile in [(1, 1), (1, 12), (12, 1), (3, 4), (12, 12)]:
        assert tuple(tiled(images, tile)) == tuple(pooling((24, 36), (2, 3), 5)) == (5 * 24 * 36, 5 * 12 * 12)
    assert pooling((25, 38), (2, 3), 5) == pooling((24, 36), (2, 3), 5), "a strip that fills no window is not read"


@pytest.mark.row("T7")
def test_a_tiled_matrix_product_loads_what_a_walk_over_its_tiles_counts():
    rng = np.random.default_rng(4)
    for _ in range(100):
        rows, columns, depth, m, n = map(int, rng.integers(1, 12, 5))
        loads = 0
        for row in range(0, rows, m):
            for column in range(0, columns, n):
                for _ in range(depth):
                    loads += min(m, rows - row) + min(n, columns - column)
        assert tuple(matrix_product(rows, columns, depth, (m, n))) == (loads, rows * columns)
    M, N, K, m, n = 24, 36, 5, 4, 6
    assert matrix_product(M, N, K, (m, n)).loads == pytest.approx(M * N * K * (1 / m + 1 / n), rel=1e-12)
