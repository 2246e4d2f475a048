"""Convolution: worked numbers, relations between its forms, counts (Hedberg 2015, Eqs. 60-81, Remarks 2-4)."""

from __future__ import annotations

import numpy as np
import pytest

from gcnn import Maps, Network
from gcnn.layers import LENET5_C3, Convolution, VanillaSubsampling

HAND_Y = np.array([[1.0, 2, 0, 3], [4, 1, 5, 2], [0, 6, 2, 1]])
HAND_THETA = [1.0, -1, 2, 0, 3, -2, 1]
STRIDED_Y = np.arange(1.0, 26).reshape(5, 5)
STRIDED_Y[2, 2], STRIDED_Y[4, 1] = -3, 0
STRIDED_DELTA = np.array([[1.0, -2], [3, 4]])


@pytest.mark.row("N9")
@pytest.mark.equations("H60", "H61", "H70", "H73", "H74", "H78", "H79", "H81", "HT5")
def test_the_convolution_worked_by_hand_comes_out_in_exact_integers(bind):
    model = bind([Convolution(1, (2, 3))], (1, 3, 4), HAND_THETA, reduction="sum")
    x, t = HAND_Y[None, None], np.array([[[[0.0, 5], [20, 10]]]])
    np.testing.assert_array_equal(model.forward(x)[0, 0], [[-7, 20], [28, 5]])
    loss, gradient = model.loss_and_gradient(x, t)
    assert loss == 181.5
    np.testing.assert_array_equal(gradient, [50, -31, 75, -43, 106, 6, 11])
    _, dx = model.vjp(x, np.array([[[[-7.0, 15], [8, -5]]]]))
    np.testing.assert_array_equal(dx[0, 0], [[-7, 22, -29, 30], [8, -34, 80, -40], [0, 24, -31, 10]])


STRIDED = {
    "window of the stride": (
        [[1, 2], [-1, 3]],
        [[20, 30], [70, 64]],
        [[1, 2, -2, -4, 0], [-1, 3, 2, -6, 0], [3, 6, 4, 8, 0], [-3, 9, -4, 12, 0], [0, 0, 0, 0, 0]],
        [[16, 86], [110, 116]],
    ),
    "overlapping windows": (
        [[1, 0, -1], [2, 1, 0], [0, -1, 3]],
        [[-4, 54], [132, 88]],
        [[1, 0, -3, 0, 2], [2, 1, -4, -2, 0], [3, -1, 4, 2, -10], [6, 3, 8, 4, 0], [0, -3, 9, -4, 12]],
        [[16, 86, 44], [110, 116, 122], [172, 80, 136]],
    ),
}


@pytest.mark.row("N12")
@pytest.mark.equations("H62", "H75", "HR5", "D38", "D45", "D47")
@pytest.mark.parametrize(("kernel", "z", "dy", "dw"), STRIDED.values(), ids=STRIDED)
def test_the_strided_convolutions_worked_by_hand_come_out_in_exact_integers(kernel, z, dy, dw, bind):
    model = bind([Convolution(1, len(kernel), stride=2)], (1, 5, 5), [*np.ravel(kernel), 0])
    x = STRIDED_Y[None, None]
    np.testing.assert_array_equal(model.forward(x)[0, 0], z)
    gradient, dx = model.vjp(x, STRIDED_DELTA[None, None])
    np.testing.assert_array_equal(dx[0, 0], dy)
    np.testing.assert_array_equal(gradient, [*np.ravel(dw), STRIDED_DELTA.sum()])


@pytest.mark.row("N3")
@pytest.mark.parametrize("size", [5, 8])
def test_a_one_dimensional_convolution_is_numpys_correlate(size, bind):
    rng = np.random.default_rng(0)
    y, w = rng.standard_normal(size), rng.standard_normal(3)
    z = bind([Convolution(1, 3)], (1, size), [*w, 0.7]).forward(y[None, None])[0, 0]
    np.testing.assert_allclose(z, np.correlate(y, w, "valid") + 0.7, rtol=0, atol=2e-14)


@pytest.mark.row("N10")
@pytest.mark.equations("H60", "H80", "H81", "HT5", "HR2")
@pytest.mark.parametrize("table", [[[1, 1, 1], [1, 1, 1]], [[1, 0, 1], [0, 1, 0]]])
def test_a_shared_kernel_is_equal_cross_kernels_and_its_gradient_sums_over_the_inputs_of_the_map(table, bind):
    rng = np.random.default_rng(1)
    kernels, biases, x = rng.standard_normal((2, 3, 2)), rng.standard_normal(2), rng.standard_normal((2, 3, 6, 5))
    inputs_of = np.sum(table, axis=1)
    repeated = np.repeat(kernels, inputs_of, axis=0)
    shared = bind([Convolution(2, (3, 2), table=table, shared=True)], (3, 6, 5), [*kernels.ravel(), *biases])
    cross = bind([Convolution(2, (3, 2), table=table)], (3, 6, 5), [*repeated.ravel(), *biases])
    np.testing.assert_allclose(shared.forward(x), cross.forward(x), rtol=0, atol=2e-14)
    v = rng.standard_normal((2, 2, 4, 4))
    (shared_gradient, shared_dx), (cross_gradient, cross_dx) = shared.vjp(x, v), cross.vjp(x, v)
    np.testing.assert_allclose(shared_dx, cross_dx, rtol=0, atol=2e-14)
    owners = np.repeat([0, 1], inputs_of)
    per_kernel = cross_gradient[: repeated.size].reshape(-1, 3, 2)
    summed = np.stack([per_kernel[owners == i].sum(axis=0) for i in range(2)])
    np.testing.assert_allclose(shared_gradient[:12].reshape(2, 3, 2), summed, rtol=0, atol=1e-13)
    np.testing.assert_allclose(shared_gradient[12:], cross_gradient[repeated.size :], rtol=0, atol=2e-14)


@pytest.mark.row("N11")
@pytest.mark.equations("H60", "H61", "HR3")
def test_small_kernels_act_like_large_ones_with_zeros_on_the_common_domain(bind):
    rng = np.random.default_rng(2)
    sizes = [(2, 3), (3, 1), (1, 1), (3, 3)]
    small, biases = [rng.standard_normal(size) for size in sizes], rng.standard_normal(2)
    large = [np.pad(w, [(0, 3 - n) for n in w.shape]) for w in small]
    x = rng.standard_normal((2, 2, 6, 7))
    mixed = bind([Convolution(2, sizes)], (2, 6, 7), [*np.concatenate([w.ravel() for w in small]), *biases])
    padded = bind([Convolution(2, 3)], (2, 6, 7), [*np.ravel(large), *biases])
    first, second = mixed.network.outputs.split(mixed.forward(x))
    # Map 0 reads a 2x3 and a 3x1 kernel: rows by the 3, columns by the 3. Map 1 reads 1x1 and 3x3.
    assert first.shape == second.shape == (2, 4, 5)
    np.testing.assert_allclose(np.stack([first, second], axis=1), padded.forward(x), rtol=0, atol=2e-14)


@pytest.mark.row("N11")
@pytest.mark.equations("HR3")
def test_each_map_has_the_domain_of_its_own_kernels(bind):
    model = bind([Convolution(2, [(2, 3), (5, 1)], table=[[1, 0], [0, 1]])], (2, 6, 7))
    assert list(model.network.outputs) == [(5, 5), (2, 7)]


@pytest.mark.row("N12")
@pytest.mark.equations("H62", "H101", "HR4")
@pytest.mark.parametrize("stride", [(1, 1), (2, 2), (3, 1), (2, 3), (4, 4)])
@pytest.mark.parametrize("size", [(7, 9), (8, 6)])
def test_a_strided_convolution_is_a_convolution_and_vanilla_sub_sampling(size, stride, bind):
    rng = np.random.default_rng(3)
    theta, x = rng.standard_normal(2 * 3 * 9 + 2), rng.standard_normal((2, 3, *size))
    strided = bind([Convolution(2, 3, stride=stride)], (3, *size), theta)
    chained = bind([Convolution(2, 3), VanillaSubsampling(stride)], (3, *size), theta)
    np.testing.assert_allclose(strided.forward(x), chained.forward(x), rtol=0, atol=2e-14)
    v = rng.standard_normal(strided.forward(x).shape)
    for one, other in zip(strided.vjp(x, v), chained.vjp(x, v), strict=True):
        np.testing.assert_allclose(one, other, rtol=0, atol=1e-13)


PUBLISHED_C3 = """
X...XXX..XXXX.XX
XX...XXX..XXXX.X
XXX...XXX..X.XXX
.XXX..XXXX..X.XX
..XXX..XXXX.XX.X
...XXX..XXXX.XXX
"""
"""LeCun et al. 1998, Table I: a row an input map, a column an output map."""


@pytest.mark.row("N5")
def test_the_table_of_layer_c3_is_the_published_one():
    marks = np.array([[mark == "X" for mark in row] for row in PUBLISHED_C3.split()])
    np.testing.assert_array_equal(LENET5_C3, marks.T)


@pytest.mark.row("N5")
@pytest.mark.equations("H60", "H80")
def test_layer_c3_of_lenet_5_has_sixty_kernels_and_1516_parameters():
    layer, inputs = Convolution(16, 5, table=LENET5_C3), Maps((6, 14, 14))
    kernels, biases = layer.parameters(inputs)
    assert (kernels.count, biases.count) == (60 * 25, 16)
    assert Network([layer], inputs, "mse").parameter_count == 1516
    inputs_of = np.sum(LENET5_C3, axis=1).tolist()
    assert (inputs_of.count(3), inputs_of.count(4), inputs_of.count(6)) == (6, 9, 1)


@pytest.mark.row("N5")
@pytest.mark.equations("H74")
def test_the_maps_fed_by_an_input_are_the_transpose_of_the_table(bind):
    rng = np.random.default_rng(4)
    model = bind([Convolution(16, 2, table=LENET5_C3)], (6, 2, 2))
    model.theta = rng.uniform(1, 2, model.theta.shape)
    for i in range(16):
        v = np.zeros((1, 16, 1, 1))
        v[0, i] = 1
        _, dx = model.vjp(np.ones((1, 6, 2, 2)), v)
        reached = {j for j in range(6) if dx[0, j].any()}
        assert reached == {j for j in range(6) if LENET5_C3[i][j]}


@pytest.mark.row("N5")
def test_a_map_without_inputs_is_its_bias_and_an_input_without_maps_gets_no_gradient(bind):
    model = bind([Convolution(2, 2, table=[[0, 0], [1, 0]])], (2, 3, 3), [1, 2, 3, 4, 0.5, -1])
    y = model.forward(np.ones((1, 2, 3, 3)))
    np.testing.assert_array_equal(y[0, 0], np.full((2, 2), 0.5))
    np.testing.assert_array_equal(y[0, 1], np.full((2, 2), 9))
    _, dx = model.vjp(np.ones((1, 2, 3, 3)), np.ones((1, 2, 2, 2)))
    assert not dx[0, 1].any()
