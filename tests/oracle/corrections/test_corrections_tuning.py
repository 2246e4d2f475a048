"""Hedberg, section 10: the tuned convolution."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from gcnn import Maps, layers
from gcnn.layers import Convolution


def tile_loads(s, f, tile):
    """Input cells that all work-groups of a convolution load, each group every cell it needs once."""
    out = [n - taps + 1 for n, taps in zip(s, f, strict=True)]
    groups = product(*(range(0, n, step) for n, step in zip(out, tile, strict=True)))
    outputs = list(product(*map(range, tile)))
    taps = list(product(*map(range, f)))
    return sum(len({(x + a + u, y + b + v) for a, b in outputs for u, v in taps}) for x, y in groups)


def tiled_cost(o, r, tile, planes_written, planes_loaded):
    groups = o[0] * o[1] // (tile[0] * tile[1])
    return planes_written * o[0] * o[1] + planes_loaded * groups * (tile[0] + r[0]) * (tile[1] + r[1])


def admissible(s, r, units, work_group, memory, largest, padding, first=1, size=4):
    """The hypotheses of Algorithm 4: (tile, padding, padded output); `memory` in bytes, `size` bytes an element."""
    for p in product(range(padding + 1), repeat=2):
        o = [n + q - m for n, q, m in zip(s, p, r, strict=True)]
        for tile in product(range(first, largest + 1), repeat=2):
            if o[0] % tile[0] or o[1] % tile[1] or tile[0] * tile[1] > work_group:
                continue
            loaded = (tile[0] + r[0]) * (tile[1] + r[1])
            if o[0] * o[1] // (tile[0] * tile[1]) >= units and loaded * size <= memory:
                yield tile, p, o


def best(s, r, planes_loaded, planes=1, **limits):
    costs = {(t, p): tiled_cost(o, r, t, planes, planes_loaded) for t, p, o in admissible(s, r, **limits)}
    return min(costs.values()), {choice for choice, cost in costs.items() if cost == min(costs.values())}


SMALL = {"units": 8, "work_group": 256, "memory": 32768, "largest": 24, "padding": 2}


@pytest.mark.equations("HA4")
def test_constant_memory_holds_thirty_six_large_filters_and_not_fifty_five():
    assert 64 * 1024 // 4 == 16384
    assert 55 * 21 * 21 > 16384
    assert 16000 // (21 * 21) == 36
    assert 16000 // 55 == 290  # 55 filters would be 17x17
    assert 37 * 21 * 21 <= 16384 < 38 * 21 * 21


@pytest.mark.equations("HT9", "HA4")
def test_the_number_of_work_items_and_reads_needs_one_less_than_the_filter_size():
    s, f = (20, 16), (5, 3)
    outputs = [x for x in np.ndindex(s) if x[0] + f[0] <= s[0] and x[1] + f[1] <= s[1]]
    reads = sum(1 for _ in outputs for _ in np.ndindex(f))

    def formula(r):
        return (s[0] - r[0]) * (s[1] - r[1]) * f[0] * f[1]

    assert len(outputs) == 16 * 14 < s[0] * s[1]  # one work-item an output, not an input
    assert formula((f[0] + 1, f[1] + 1)) == 2520 < reads
    assert formula((f[0] - 1, f[1] - 1)) == 3360 == reads
    assert tile_loads(s, f, (4, 7)) == 8 * (4 + 4) * (7 + 2) == 576


@pytest.mark.equations("HA4")
def test_every_plane_loads_its_own_tiles():
    s, f, planes, tile = (20, 16), (5, 3), 8, (4, 7)
    o, r = (16, 14), (4, 2)
    counted = planes * (o[0] * o[1] + tile_loads(s, f, tile))
    assert tiled_cost(o, r, tile, planes, planes_loaded=1) < counted  # S_{l,z} = 1, as printed
    assert tiled_cost(o, r, tile, planes, planes_loaded=planes) == counted
    # With padding the wrong factor also chooses another tile.
    limits = {**SMALL, "largest": 12, "padding": 4}
    printed, corrected = (best((15, 15), (2, 2), loaded, planes, **limits) for loaded in (1, planes))
    assert not printed[1] & corrected[1]


@pytest.mark.equations("HA4")
def test_more_planes_in_a_work_group_do_not_increase_the_loads():
    s, f, planes, tile = (12, 12), (3, 3), 4, (5, 5)

    def counted(depth):
        """Work-groups of `depth` planes, each plane with its own image."""
        return sum(depth * tile_loads(s, f, tile) for _ in range(0, planes, depth))

    printed = [depth * tile_loads(s, f, tile) for depth in (1, 2, 4)]
    assert printed == sorted(set(printed))
    assert counted(1) == counted(2) == counted(4)


@pytest.mark.equations("HA4")
def test_a_connection_table_multiplies_the_reads_by_the_inputs_of_each_map():
    table, s, f = np.array(layers.LENET5_C3), (14, 14), (5, 5)
    o = (s[0] - f[0] + 1) * (s[1] - f[1] + 1)
    counted = sum(o * f[0] * f[1] for row in table for connected in row if connected)
    assert len(table) * o * f[0] * f[1] < counted  # S_z = 16 maps, one image each
    assert table.sum() * o * f[0] * f[1] == counted
    assert Convolution(16, 5, table=table).multiply_adds(Maps((6, *s))) == counted


@pytest.mark.equations("HA4")
def test_the_local_memory_limit_compares_elements_with_bytes():
    tile, r, memory = (12, 24), (4, 4), 1024
    elements = (tile[0] + r[0]) * (tile[1] + r[1])
    assert elements <= memory < elements * 4  # passes as printed, does not fit
    limits = {"s": (28, 28), "r": r, "units": 1, "work_group": 512, "memory": memory, "largest": 24, "padding": 0}
    assert any(t == tile for t, *_ in admissible(**limits, size=1))
    assert not any(t == tile for t, *_ in admissible(**limits))


@pytest.mark.equations("HA4")
def test_algorithm_4_divides_by_zero_when_its_tiles_start_at_zero():
    with pytest.raises(ZeroDivisionError):
        list(admissible((28, 28), (4, 4), **SMALL, first=0))
    cost, choices = best((28, 28), (4, 4), 1, **{**SMALL, "padding": 0})
    assert (cost, choices) == (1856, {((6, 12), (0, 0)), ((12, 6), (0, 0))})


@pytest.mark.equations("HA4")
def test_algorithm_4_never_accepts_a_hypothesis_that_must_exceed_infinity():
    def search(better):
        least, chosen = np.inf, None
        for tile, p, o in admissible((28, 28), (4, 4), **SMALL):
            cost = tiled_cost(o, (4, 4), tile, 1, 1)
            if better(cost, least):
                least, chosen = cost, (tile, p)
        return least, chosen

    assert search(lambda cost, least: least < cost) == (np.inf, None)
    assert search(lambda cost, least: cost < least) == (1856, ((6, 12), (0, 0)))


@pytest.mark.equations("HA4")
def test_algorithm_4_copies_loop_variables_that_have_run_out():
    found = list(admissible((28, 28), (4, 4), **SMALL))
    exhausted = ((SMALL["largest"],) * 2, (SMALL["padding"],) * 2)  # what S_l and P hold after the four loops
    assert exhausted not in [(tile, p) for tile, p, _ in found]
    tile, p, _ = min(found, key=lambda hypothesis: tiled_cost(hypothesis[2], (4, 4), hypothesis[0], 1, 1))
    assert (tile, p) == ((6, 12), (0, 0))
