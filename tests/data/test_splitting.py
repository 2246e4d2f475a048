from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gcnn.data import split
from gcnn.errors import DataError


@given(st.integers(2, 60), st.floats(0.05, 0.95), st.integers(0, 9))
def test_every_sample_is_in_exactly_one_part_and_keeps_its_target(count, fraction, seed):
    held_back = round(fraction * count)
    x, t = np.arange(count) * 10, np.arange(count)
    if not 0 < held_back < count:
        with pytest.raises(DataError, match="one part empty"):
            split(x, t, fraction, seed)
        return
    rest, part = split(x, t, fraction, seed)
    assert len(part[0]) == held_back
    assert sorted([*rest[1], *part[1]]) == t.tolist()
    for inputs, targets in (rest, part):
        assert (inputs == targets * 10).all()


def test_a_seed_decides_the_parts():
    x = t = np.arange(100)
    held_back = [split(x, t, 0.2, seed)[1][0].tolist() for seed in (3, 3, 4)]
    assert held_back[0] == held_back[1] != held_back[2]


def test_samples_are_shuffled_before_they_are_held_back():
    x = t = np.arange(100)
    (_, rest), (_, part) = split(x, t, 0.2, 0)
    assert part.tolist() != sorted(part.tolist())
    assert set(part) not in (set(range(20)), set(range(80, 100)))
    assert rest.tolist() != sorted(rest.tolist())


@pytest.mark.parametrize("fraction", [0, 1, -0.5, 1.5, float("nan"), 0.001])
def test_a_fraction_that_leaves_a_part_empty_is_refused(fraction):
    with pytest.raises(DataError, match="one part empty"):
        split(np.zeros(10), np.zeros(10), fraction, 0)


def test_targets_of_another_length_are_refused():
    with pytest.raises(DataError, match="x has 3 samples, t has 4"):
        split(np.zeros(3), np.zeros(4), 0.5, 0)
