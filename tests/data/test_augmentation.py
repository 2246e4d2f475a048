from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gcnn.data import Shift
from gcnn.errors import DataError


class Dice:
    """A generator that gives the numbers laid down, and remembers what it was asked."""

    def __init__(self, offsets):
        self.offsets, self.calls = np.asarray(offsets), []

    def integers(self, *arguments, **named):
        self.calls.append((arguments, named))
        return self.offsets


def moved(x, offset, fill):
    """One sample (maps, *size), cell by cell."""
    out = np.empty_like(x)
    for place in product(*map(range, x.shape)):
        came_from = (place[0], *(cell - by for cell, by in zip(place[1:], offset, strict=True)))
        inside = all(0 <= cell < size for cell, size in zip(came_from, x.shape, strict=True))
        out[place] = x[came_from] if inside else fill[place[0]]
    return out


def test_a_positive_offset_moves_the_image_down_and_to_the_right():
    x = np.array([[[[1.0, 2.0], [3.0, 4.0]]]])
    assert Shift(1, fill=9.0)(x, Dice([[1, 0]])).tolist() == [[[[9, 9], [1, 2]]]]
    assert Shift(1, fill=9.0)(x, Dice([[0, 1]])).tolist() == [[[[9, 1], [9, 3]]]]
    assert Shift(1, fill=9.0)(x, Dice([[-1, -1]])).tolist() == [[[[4, 9], [9, 9]]]]


@given(
    st.integers(0, 4),
    st.lists(st.integers(1, 4), min_size=1, max_size=3),
    st.integers(1, 3),
    st.integers(0, 4),
    st.integers(0, 99),
)
def test_every_sample_moves_by_its_own_offset_and_each_map_takes_its_own_fill(most, size, maps, count, seed):
    x = np.random.default_rng(seed).random((count, maps, *size), np.float32)
    fill = tuple(-1.0 - i for i in range(maps))
    offsets = np.random.default_rng(seed).integers(-most, most + 1, size=(count, len(size)))
    shifted = Shift(most, fill)(x, np.random.default_rng(seed))
    expected = np.array([moved(*pair, fill) for pair in zip(x, offsets, strict=True)]).reshape(x.shape)
    np.testing.assert_array_equal(shifted, expected)
    assert shifted.dtype == np.float32


def test_a_batch_draws_once_whatever_it_holds():
    dice = Dice([[1, 0], [0, 1], [0, 0]])
    Shift(2)(np.zeros((3, 5, 4, 4)), dice)
    assert dice.calls == [((-2, 3), {"size": (3, 2)})]


def test_equal_generators_give_equal_batches_and_all_offsets_occur():
    x = np.zeros((500, 1, 7, 7))
    x[:, 0, 3, 3] = 1
    first, second, other = (Shift(2)(x, np.random.default_rng(seed)) for seed in (0, 0, 1))
    np.testing.assert_array_equal(first, second)
    assert not np.array_equal(first, other)
    places = {tuple(place) for place in np.argwhere(first)[:, 2:]}
    assert places == set(product(range(1, 6), repeat=2))


def test_what_is_given_is_not_changed_nor_shared():
    x = np.ones((2, 1, 3, 3))
    shifted = Shift(0)(x, np.random.default_rng(0))
    np.testing.assert_array_equal(shifted, x)
    assert not np.shares_memory(shifted, x)


@pytest.mark.parametrize(
    "x", [np.zeros((4, 3)), np.zeros(4), np.zeros((2, 1, 3, 3), np.uint8), np.zeros((2, 1, 3, 3), complex)]
)
def test_vectors_and_numbers_that_cannot_hold_the_fill_are_refused(x):
    with pytest.raises(DataError, match="expected images"):
        Shift(1)(x, np.random.default_rng(0))


def test_a_fill_for_another_number_of_maps_is_refused():
    with pytest.raises(DataError, match="x has 3 maps, but fill has 1 numbers"):
        Shift(1, (0.5,))(np.zeros((2, 3, 4, 4)), np.random.default_rng(0))


@pytest.mark.parametrize("most", [-1, 1.0, True, "2", None])
def test_only_a_number_of_cells_can_be_the_most(most):
    with pytest.raises(DataError, match="most="):
        Shift(most)


@pytest.mark.parametrize("fill", [float("nan"), (0.0, float("inf")), 10**400, (), "0", (True,), [0.0]])
def test_only_finite_numbers_can_fill(fill):
    with pytest.raises(DataError, match="fill="):
        Shift(1, fill)
