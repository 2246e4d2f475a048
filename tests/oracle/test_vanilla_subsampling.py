"""Vanilla sub-sampling (Hedberg 2015, Eqs. 101-103, Table 8)."""

from __future__ import annotations

import numpy as np
import pytest

from gcnn import Maps
from gcnn.layers import Convolution, VanillaSubsampling

CASES = {
    "remainder": (2, (2, 5, 5)),
    "step per axis": ((3, 2), (2, 7, 9)),
    "step longer than an axis": ((2, 5), (1, 4, 3)),
    "one axis": (3, (2, 7)),
    "three axes": ((1, 2, 2), (2, 2, 5, 4)),
    "mixed images": (2, Maps([(7, 8), (9, 6), (5, 5)])),
    "coordinates": (2, Maps([[(0, 0), (0, 1), (2, 4), (3, 2)], (5, 4)])),
}
every_case = pytest.mark.parametrize(("step", "inputs"), [(k, Maps(i)) for k, i in CASES.values()], ids=CASES)


@pytest.mark.row("N18")
@pytest.mark.equations("H101")
def test_the_worked_example_keeps_a_cell_of_the_incomplete_last_row(bind):
    y = np.array([[1.0, 5, 2, 0], [3, 4, 2, 2], [7, 7, -1, -2], [0, 7, -3, -1], [9, 8, 6, 5]])
    z = bind([VanillaSubsampling(2)], (1, 5, 4)).forward(y[None, None])
    np.testing.assert_array_equal(z[0, 0], [[1, 2], [7, -1], [9, 6]])


@pytest.mark.row("N18", "N2", "N3", "N4")
@pytest.mark.equations("H101", "H102", "H103", "HT8")
@every_case
def test_forward_keeps_the_cells_whose_coordinates_the_step_divides_and_backward_returns_to_them(
    step, inputs, bind, keys
):
    model = bind([VanillaSubsampling(step)], inputs)
    rng = np.random.default_rng(0)
    K = np.array((step,) * inputs.dimensions if isinstance(step, int) else step)
    x = rng.standard_normal((1, *inputs.shape))
    kept = {key: value for key, value in zip(keys(inputs), x.ravel(), strict=True) if not (np.array(key[1]) % K).any()}
    points_out = [(i, tuple((np.array(c) // K).tolist())) for i, c in kept]
    assert keys(model.network.outputs) == points_out
    np.testing.assert_array_equal(model.forward(x).ravel(), list(kept.values()))
    v = rng.standard_normal((1, *model.network.outputs.shape))
    returned = dict(zip(kept, v.ravel(), strict=True))
    np.testing.assert_array_equal(model.vjp(x, v)[1].ravel(), [returned.get(key, 0) for key in keys(inputs)])


@pytest.mark.row("N1", "N18", "N2", "N3", "N4")
@pytest.mark.equations("H103")
@every_case
def test_gradients_through_vanilla_sub_sampling_equal_the_complex_step(step, inputs, check_gradients):
    check_gradients([VanillaSubsampling(step)], inputs)


@pytest.mark.row("N18")
@pytest.mark.equations("H62", "H101", "H103")
@pytest.mark.parametrize("size", [(7, 9), (5, 5), (10, 10)])
@pytest.mark.parametrize("step", [(2, 2), (3, 2), (1, 4)])
def test_vanilla_sub_sampling_is_a_strided_convolution_with_a_single_tap_of_one(size, step, bind):
    rng = np.random.default_rng(1)
    x = rng.standard_normal((2, 2, *size))
    vanilla = bind([VanillaSubsampling(step)], (2, *size))
    tap = bind([Convolution(2, 1, stride=step, table=np.eye(2))], (2, *size), [1, 1, 0, 0])
    np.testing.assert_array_equal(vanilla.forward(x), tap.forward(x))
    v = rng.standard_normal(vanilla.forward(x).shape)
    np.testing.assert_array_equal(vanilla.vjp(x, v)[1], tap.vjp(x, v)[1])
