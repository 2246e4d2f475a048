from __future__ import annotations

from dataclasses import replace
from itertools import product

import numpy as np
import pytest

from gcnn.backends.accelerated.tuning.cost import (
    Bounds,
    Images,
    brute_force,
    filter_launches,
    optimal_tiling,
    practical_tiling,
)

pytestmark = pytest.mark.equations("HA4")

D16 = [
    # images, bounds, least accesses, all optima
    (Images((28, 28), (5, 5)), Bounds(8, 256, 32768, (24, 24)), 1856, {((6, 12), (0, 0)), ((12, 6), (0, 0))}),
    (Images((27, 27), (5, 5)), Bounds(4, 64, 4096, (64, 64)), 1872, {((8, 8), (1, 1))}),
    (Images((32, 32), (3, 3)), Bounds(8, 64, 1024, (16, 16)), 2340, {((6, 10), (0, 0)), ((10, 6), (0, 0))}),
    (Images((20, 16), (5, 3), 2, 2), Bounds(4, 64, 2048, (16, 16)), 1312, {((8, 7), (0, 0))}),
]


def all_optima(images, bounds):
    """Every hypothesis of Algorithm 4 that costs the least, from formulas of this test's own."""
    best, found = None, set()
    (sx, sy), (fx, fy) = images.size, images.taps
    for px, py in product(range(bounds.padding + 1), repeat=2):
        ox, oy = sx + px - fx + 1, sy + py - fy + 1
        for lx, ly in product(range(1, bounds.largest[0] + 1), range(1, bounds.largest[1] + 1)):
            loaded = (lx + fx - 1) * (ly + fy - 1)
            if ox % lx or oy % ly or lx * ly > bounds.group_items or loaded * images.element > bounds.shared_bytes:
                continue
            groups = ox * oy // (lx * ly)
            if groups < bounds.units:
                continue
            cost = images.outputs * ox * oy + images.connections * groups * loaded
            if best is None or cost < best:
                best, found = cost, set()
            if cost == best:
                found.add(((lx, ly), (px, py)))
    return best, found


@pytest.mark.row("T2")
@pytest.mark.parametrize(("images", "bounds", "cost", "optima"), D16)
def test_algorithm_4_finds_the_worked_optima(images, bounds, cost, optima):
    least, found = all_optima(images, bounds)
    assert least == cost
    assert found == optima
    for search in (brute_force, optimal_tiling):
        chosen = search(images, bounds)
        assert chosen.accesses == cost
        assert (chosen.tile, chosen.padding) in optima
        assert chosen.tile[1] == max(tile[1] for tile, _ in optima), "ties go to the larger extent along y"


@pytest.mark.row("T2")
def test_without_padding_the_best_tile_of_an_odd_image_is_a_strip_and_far_worse():
    images, bounds = Images((27, 27), (5, 5)), Bounds(4, 64, 4096, (23, 23), padding=0)
    least, found = all_optima(images, bounds)
    assert (least, found) == (3634, {((1, 23), (0, 0)), ((23, 1), (0, 0))})
    chosen = optimal_tiling(images, bounds)
    assert (chosen.tile, chosen.accesses) == ((1, 23), 3634)
    assert chosen == brute_force(images, bounds)


def random_problem(rng):
    taps, stride, inner = (tuple(map(int, rng.integers(low, high, 2))) for low, high in ((1, 5), (1, 4), (0, 9)))
    outputs, connections = map(int, rng.integers(1, 9, 2))
    images = Images((taps[0] + inner[0], taps[1] + inner[1]), taps, outputs, connections, stride)
    if rng.random() < 0.3:
        images = replace(images, element=8)
    if rng.random() < 0.3:
        images = replace(images, shared=int(rng.integers(1, 4)))
    limit = int(rng.integers(1, 13))
    bounds = Bounds(
        units=int(rng.integers(1, 17)),
        group_items=int(rng.integers(1, 65)),
        shared_bytes=int(rng.integers(16, 1500)),
        largest=(limit, int(rng.integers(1, 13))),
        padding=int(rng.integers(0, 6)),
    )
    return images, bounds


@pytest.mark.row("T2")
def test_the_fast_search_equals_brute_force():
    rng = np.random.default_rng(2)
    infeasible = padded = 0
    for _ in range(400):
        images, bounds = random_problem(rng)
        expected = brute_force(images, bounds)
        assert optimal_tiling(images, bounds) == expected
        infeasible += expected is None
        padded += expected is not None and expected.padding != (0, 0)
    assert infeasible > 20
    assert padded > 50


@pytest.mark.row("T2")
def test_the_practical_rule_never_pads_more_than_a_tile_needs_and_finds_what_fits():
    rng = np.random.default_rng(3)
    other = relaxed = 0
    for _ in range(400):
        images, bounds = random_problem(rng)
        chosen, exact = practical_tiling(images, bounds), optimal_tiling(images, bounds)
        if chosen is None:
            fits = images.tile_bytes((1, 1)) <= bounds.shared_bytes
            assert exact is None
            assert not fits, "one output a group fits wherever its input does"
            continue
        assert chosen.padding == tuple(-n % t for n, t in zip(images.written, chosen.tile, strict=True))
        other += exact is not None and exact != chosen
        relaxed += exact is None
    assert other > 0
    assert relaxed > 0


@pytest.mark.row("T2")
def test_the_practical_rule_drops_the_units_where_no_tile_makes_enough_groups():
    images = Images((6, 6), (5, 5))  # four outputs
    bounds = Bounds(units=8, group_items=64, shared_bytes=4096, largest=(8, 8), padding=0)
    assert optimal_tiling(images, bounds) is None
    assert practical_tiling(images, bounds) == practical_tiling(images, replace(bounds, units=1))
    assert practical_tiling(images, bounds).tile == (2, 2)
    # Padding would make groups that compute nothing: Algorithm 4 takes them, the practical rule does not.
    assert optimal_tiling(images, replace(bounds, padding=10)).padding != (0, 0)
    assert practical_tiling(images, replace(bounds, padding=10)).padding == (0, 0)


@pytest.mark.row("T2")
def test_equal_costs_with_one_extent_along_y_go_to_the_smaller_padding():
    # 24 groups of one output: 3 x 2 outputs padded to 12 x 2, 8 x 3, 6 x 4, 4 x 6 or 3 x 8.
    images, bounds = Images((3, 2), (1, 1)), Bounds(units=24, group_items=1, shared_bytes=4096, largest=(1, 1))
    assert optimal_tiling(images, bounds) == brute_force(images, bounds) == ((1, 1), (1, 4), 48)


@pytest.mark.row("T2")
def test_nothing_feasible_is_none_so_that_the_untiled_kernel_is_taken():
    images = Images((28, 28), (21, 21))
    tight = Bounds(units=1, group_items=64, shared_bytes=21 * 21 * 4 - 1, largest=(8, 8))
    assert brute_force(images, tight) is optimal_tiling(images, tight) is practical_tiling(images, tight) is None
    assert practical_tiling(images, replace(tight, shared_bytes=21 * 21 * 4)).tile == (1, 1)


@pytest.mark.row("T3")
@pytest.mark.parametrize(
    "limit",
    [
        {"group_items": 71},  # the optimum has 6 x 12 = 72 work-items
        {"shared_bytes": 10 * 16 * 4 - 1},  # and loads 10 x 16 elements
        {"units": 9},  # in 8 groups
        {"largest": (11, 11)},
    ],
    ids=lambda limit: next(iter(limit)),
)
def test_each_constraint_alone_changes_the_optimum(limit):
    images, bounds = D16[0][:2]
    if "largest" in limit:
        bounds = replace(bounds, largest=(11, 24))  # where (12, 6), as good otherwise, is too long
    before = optimal_tiling(images, bounds)
    assert before == ((6, 12), (0, 0), 1856)
    after = optimal_tiling(images, replace(bounds, **limit))
    assert after.accesses > before.accesses
    assert after == brute_force(images, replace(bounds, **limit))
    [(name, value)] = limit.items()
    enough = (11, 12) if name == "largest" else value + (-1 if name == "units" else 1)
    assert optimal_tiling(images, replace(bounds, **{name: enough})) == before, "the limit itself still fits"


@pytest.mark.row("T3")
def test_local_memory_is_compared_in_bytes():
    images, bounds = Images((28, 28), (5, 5)), Bounds(1, 512, 1024, (24, 24))
    assert images.tile_bytes((12, 24)) == 16 * 28 * 4
    in_bytes, in_elements = optimal_tiling(images, bounds), optimal_tiling(replace(images, element=1), bounds)
    assert images.tile_bytes(in_bytes.tile) <= 1024 < images.tile_bytes(in_elements.tile)
    assert optimal_tiling(replace(images, element=8), bounds).accesses > in_bytes.accesses


@pytest.mark.row("T3", "P12")
def test_filters_beyond_constant_memory_are_spread_over_launches_or_read_from_global_memory():
    bounds = Bounds(8, 256, 32768, (24, 24), constant_bytes=65536)
    large = Images((28, 28), (21, 21), 1, 37)
    assert filter_launches(large, bounds) == 1
    assert filter_launches(replace(large, connections=38), bounds) == 2
    assert filter_launches(replace(large, element=8), bounds) == 3  # 18 fit
    assert filter_launches(large, replace(bounds, constant_bytes=21 * 21 * 4)) == 37
    assert filter_launches(large, replace(bounds, constant_bytes=21 * 21 * 4 - 1)) is None
