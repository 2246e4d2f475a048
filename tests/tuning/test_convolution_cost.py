"""What tiles of the direct convolution kernels are said to take."""

from __future__ import annotations

import pytest

from gcnn.backends.accelerated.convolution_cost import (
    FAR,
    ITEM,
    VECTOR_REGISTERS,
    WEIGHT,
    Row,
    _back,
    back_instructions,
    columns_of,
    gradient_tile_instructions,
)
from gcnn.backends.accelerated.tuning import cost

SHAPES = [(13, 5, 2, 0), (26, 5, 3, 0), (12, 5, 1, 0), (9, 3, 1, 1), (11, 4, 3, 2), (5, 5, 1, 2)]
"""Cells of a row, taps, stride, padding."""


def row(cells, taps, stride, pad, lines=1.0):
    return Row(cells, (cells + 2 * pad - taps) // stride + 1, taps, stride, pad, lines)


@pytest.mark.parametrize("shape", SHAPES)
def test_a_cell_meets_the_outputs_whose_windows_hold_it(shape):
    one = row(*shape)
    _, taps, stride, pad = shape
    windows = [range(output * stride - pad, output * stride - pad + taps) for output in range(one.outputs)]
    for cell in range(one.cells):
        assert sorted(one.met(cell)) == [output for output, window in enumerate(windows) if cell in window]


@pytest.mark.parametrize("width", [1, 3, 13, 26, 28, 57, 224])
@pytest.mark.parametrize("step", [1, 2, 3])
def test_columns_are_whole_steps_or_the_row_and_few_enough(width, step):
    found = columns_of(width, step)
    assert found == sorted(set(found))
    assert all(n % step == 0 or n == width for n in found)
    assert max(found) <= max(cost.REGISTERS, step)
    assert min(found) <= step


def test_a_row_is_also_split_evenly():
    assert {13, 9} <= set(columns_of(26))  # not 26, which are too many sums
    assert {13, 8, 6} <= set(columns_of(13, 2))  # the whole row, 8 and 5, 6 and 6 and 1
    assert {15, 9} <= set(columns_of(26, 3))


@pytest.mark.parametrize("shape", SHAPES)
def test_a_row_takes_its_multiply_adds_and_what_it_reads(shape):
    one, maps = row(*shape), 3
    _, taps, stride, pad = shape
    inside = [
        output for output in range(one.outputs) for tap in range(taps) if 0 <= output * stride - pad + tap < one.cells
    ]
    spilled = max(0, maps * one.cells + one.outputs - VECTOR_REGISTERS)
    expected = maps * len(inside) + WEIGHT * maps * taps + FAR * (len(set(inside)) + spilled)
    assert back_instructions(one, maps, one.cells) - ITEM == expected


def test_sums_that_are_few_wait_for_one_another():
    one = row(13, 5, 2, 0, lines=1e6)
    assert (
        back_instructions(one, 1, 2) > 1e6 * 6 * cost.CHAIN * 3
    )  # each of six pairs of columns has a sum of three taps
    assert back_instructions(one, 1, 13) < back_instructions(one, 1, 12) < back_instructions(one, 1, 8)


def test_every_tile_takes_its_item():
    one = row(12, 5, 1, 0, lines=0.0)
    assert back_instructions(one, 2, 12) == ITEM
    assert back_instructions(one, 2, 5) == 3 * ITEM


def test_a_gradients_tile_takes_its_multiply_adds_what_it_reads_and_what_does_not_fit():
    # 4 maps by 5 taps, for four columns that move by 1: 80 multiply-adds; 8 inputs and 16 deltas are read; 29 vectors are kept.
    assert gradient_tile_instructions(4, 1, 5, 4, 1) == (80 + WEIGHT * 24) / 4
    # By 2 they see 11 inputs, and with 5 maps 37 vectors are kept of which registers hold 32: one column at a time is better.
    assert gradient_tile_instructions(5, 1, 5, 4, 2) == (100 + WEIGHT * 31 + FAR * 5) / 4
    assert gradient_tile_instructions(5, 1, 5, 1, 2) == 25 + WEIGHT * 10
    # Few sums wait for one another.
    assert gradient_tile_instructions(1, 1, 3, 1, 1) == cost.CHAIN + WEIGHT * 4


@pytest.mark.parametrize("shape", [*SHAPES, (60, 5, 1, 2), (61, 4, 3, 0), (64, 7, 2, 3), (40, 2, 5, 0)])
def test_tiles_inside_a_row_are_counted_once_and_cost_as_often_as_there_are(shape):
    one = row(*shape)
    for columns in columns_of(one.cells, one.stride):
        starts = range(0, one.cells, columns)
        apart = sum(_back(one, 2, range(first, min(first + columns, one.cells))) for first in starts)
        assert back_instructions(one, 2, columns) == pytest.approx(apart)


def test_a_long_row_is_planned_in_no_time():
    asked = []

    class Counted(Row):
        def met(self, cell):
            asked.append(cell)
            return super().met(cell)

    back_instructions(Counted(100_000, 99_970, 31, 1, 0, 1.0), 2, 8)
    assert len(asked) < 200
