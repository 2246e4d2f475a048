"""Minimal algorithms are exact: in fractions they give what sums give, forward, back and for the taps."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from gcnn.backends.accelerated.minimal import minimal

SHAPES = [(made, taps, stride) for taps in range(1, 8) for stride in (1, 2, 3) for made in range(1, 7)]


def paired(how):
    """P as a matrix."""
    matrix = np.array([[Fraction(i == j) for j in range(how.points)] for i in range(how.points)], dtype=object)
    for k in range(0, 2 * how.pairs, 2):
        matrix[k : k + 2, k : k + 2] = [[1, 1], [1, -1]]
    return matrix


@pytest.mark.parametrize(("made", "taps", "stride"), [shape for shape in SHAPES if minimal(*shape)])
def test_they_give_what_sums_give(made, taps, stride):
    how = minimal(made, taps, stride)
    rng = np.random.default_rng(0)
    d, w, delta = (np.array([Fraction(int(n)) for n in rng.integers(-9, 10, size)]) for size in (how.seen, taps, made))
    a, b, g = (np.array(matrix, dtype=object) for matrix in (how.a, how.b, how.g))
    assert (a.shape, b.shape, g.shape) == ((made, how.points), (how.points, how.seen), (how.points, taps))
    p = paired(how)
    windows = [d[n * stride : n * stride + taps] for n in range(made)]
    assert [*a @ p @ ((p @ g @ w) * (p @ b @ d))] == [sum(w * window) for window in windows]
    back = [
        sum(delta[n] * w[x - n * stride] for n in range(made) if 0 <= x - n * stride < taps) for x in range(how.seen)
    ]
    assert [*b.T @ p @ ((p @ g @ w) * (p @ a.T @ delta))] == back
    assert [*g.T @ p @ ((p @ a.T @ delta) * (p @ b @ d))] == [sum(delta * np.array(windows)[:, u]) for u in range(taps)]


def test_they_take_fewer_products():
    assert [minimal(*shape).points for shape in ((4, 5, 1), (5, 5, 2), (4, 3, 1), (2, 3, 1))] == [8, 13, 6, 4]


def test_there_are_so_many_points_only():
    assert minimal(4, 7) is None
    assert minimal(4, 7, 2) is not None
