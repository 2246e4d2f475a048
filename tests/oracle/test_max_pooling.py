"""Max pooling (Hedberg 2015, Eqs. 98-100, Table 7)."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from gcnn import Maps
from gcnn.layers import Convolution, MaxPooling

POOLED_Y = np.array([[1.0, 5, 2, 0], [3, 4, 2, 2], [7, 7, -1, -2], [0, 7, -3, -1], [9, 8, 6, 5]])
"""Ties in two windows, and a row that a window of 2 leaves over."""

BLOCKS = [[(a + u, b + v) for a, b in ((0, 0), (2, 2)) for u in (0, 1) for v in (0, 1)], (5, 4)]
CASES = {
    "remainder": (2, (2, 5, 5)),
    "seven by nine": ((3, 2), (2, 7, 9)),
    "one axis": (3, (2, 7)),
    "three axes": ((1, 2, 2), (2, 2, 5, 4)),
    "mixed images": (2, Maps([(7, 8), (9, 6), (5, 5)])),
    "coordinates": (2, Maps(BLOCKS)),
}
every_case = pytest.mark.parametrize(("window", "inputs"), [(k, Maps(i)) for k, i in CASES.values()], ids=CASES)


@pytest.mark.row("N17")
@pytest.mark.equations("H98", "H100", "HT7")
def test_the_worked_example_gives_each_window_to_its_first_maximum_and_drops_the_remainder(bind):
    model = bind([MaxPooling(2)], (1, 5, 4))
    x, delta = POOLED_Y[None, None], np.array([[[[1.0, 2], [3, 4]]]])
    np.testing.assert_array_equal(model.forward(x)[0, 0], [[5, 2], [7, -1]])
    _, dx = model.vjp(x, delta)
    np.testing.assert_array_equal(dx[0, 0], [[0, 1, 2, 0], [0, 0, 0, 0], [3, 0, 4, 0], [0, 0, 0, 0], [0, 0, 0, 0]])


@pytest.mark.row("N17", "N2", "N3", "N4")
@pytest.mark.equations("H98", "H99", "H100", "HT7")
@pytest.mark.parametrize("levels", [2, 10**6])
@every_case
def test_forward_and_backward_are_the_published_maxima(window, inputs, levels, bind, keys):
    """Few levels make ties in almost every window."""
    model = bind([MaxPooling(window)], inputs)
    rng = np.random.default_rng(0)
    x, v = rng.integers(levels, size=(1, *inputs.shape)) * 1.0, rng.standard_normal((1, *model.network.outputs.shape))
    K = np.array((window,) * inputs.dimensions if isinstance(window, int) else window)
    points_in, points_out = keys(inputs), keys(model.network.outputs)
    y, expected = dict(zip(points_in, x.ravel(), strict=True)), dict.fromkeys(points_in, 0.0)
    z = []
    for (i, corner), delta in zip(points_out, v.ravel(), strict=True):
        cells = [(i, tuple(int(n) for n in K * corner + u)) for u in product(*map(range, K))]
        first = max(cells, key=y.__getitem__)
        z.append(y[first])
        expected[first] = delta
    np.testing.assert_array_equal(model.forward(x).ravel(), z)
    np.testing.assert_array_equal(model.vjp(x, v)[1].ravel(), list(expected.values()))


@pytest.mark.row("N1", "N17", "N2", "N3", "N4")
@pytest.mark.equations("H100")
@every_case
def test_gradients_through_max_pooling_equal_the_complex_step(window, inputs, check_gradients):
    check_gradients([MaxPooling(window)], inputs)


@pytest.mark.row("N1", "N17")
@pytest.mark.equations("H99", "H100")
def test_gradients_of_a_layer_below_max_pooling_pass_through_its_own_activation_once(check_gradients):
    check_gradients([Convolution(2, 2, activation="tanh"), MaxPooling(2)], (1, 6, 6))


@pytest.mark.row("N17")
@pytest.mark.equations("H98")
def test_a_nan_wins_its_window(bind):
    """`Model` refuses an input that is not finite, so the plan is asked: a NaN may also arise inside a network."""
    y = bind([MaxPooling(2)], (1, 2, 4)).plan.forward(np.array([[[[1.0, np.nan, 5, 6], [9, 2, 7, 8]]]]))
    np.testing.assert_array_equal(y[0, 0], [[np.nan, 8]])


@pytest.mark.row("N17")
@pytest.mark.equations("H100")
def test_the_gradient_of_a_window_is_neither_lost_nor_multiplied_at_a_tie(bind):
    _, dx = bind([MaxPooling(3)], (1, 3, 3)).vjp(np.full((1, 1, 3, 3), 4.0), np.full((1, 1, 1, 1), 2.5))
    assert dx.sum() == 2.5
    assert np.count_nonzero(dx) == 1
