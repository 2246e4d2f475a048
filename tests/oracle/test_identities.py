"""Identities that hold exactly, on random data: one layer written as another, adjoints, invariances."""

from __future__ import annotations

import numpy as np
import pytest

from gcnn import Maps
from gcnn.backend import Program, Saved, get_backend
from gcnn.layers import LENET5_C3, Convolution, Dense, Flatten, MaxPooling, VanillaSubsampling, WeightedSubsampling

CLOSE = 2e-14
"""Sums of some dozens of terms of order one: about 100 units of rounding."""


def close(value, reference):
    np.testing.assert_allclose(value, reference, rtol=0, atol=CLOSE)


@pytest.mark.row("N15", "N16")
@pytest.mark.equations("H62", "H86", "H87", "H92", "H95", "H97")
@pytest.mark.parametrize("window", [(2, 2), (3, 2), (1, 4)])
@pytest.mark.parametrize("table", [None, [[1, 0], [1, 1], [0, 1]]])
def test_weighted_sub_sampling_is_a_strided_convolution_with_constant_kernels(window, table, bind):
    rng = np.random.default_rng(0)
    connected = np.eye(2) if table is None else np.array(table)
    maps, count, cells = len(connected), int(connected.sum()), window[0] * window[1]
    alpha, biases, x = rng.standard_normal(count), rng.standard_normal(maps), rng.standard_normal((2, 2, 7, 9))
    pooled = bind([WeightedSubsampling(window, table=table, weights="cross")], (2, 7, 9), [*alpha, *biases])
    convolution = Convolution(maps, window, stride=window, table=connected)
    convolved = bind([convolution], (2, 7, 9), [*np.repeat(alpha, cells), *biases])
    y = pooled.forward(x)
    close(y, convolved.forward(x))
    v = rng.standard_normal(y.shape)
    (gradient, dx), (by_tap, convolved_dx) = pooled.vjp(x, v), convolved.vjp(x, v)
    close(dx, convolved_dx)
    np.testing.assert_allclose(gradient[:count], by_tap[: count * cells].reshape(count, cells).sum(axis=1), atol=1e-13)
    close(gradient[count:], by_tap[count * cells :])


@pytest.mark.row("N9", "N14")
@pytest.mark.equations("H60", "H61", "H62", "D35", "D38")
@pytest.mark.parametrize("stride", [(1, 1), (2, 1), (2, 3)])
def test_a_fully_connected_convolution_is_delmas_sum_over_channels_and_filter_cells(stride, bind):
    rng = np.random.default_rng(1)
    f, b, x = rng.standard_normal((3, 2, 2, 3)), rng.standard_normal(3), rng.standard_normal((2, 6, 9))
    p = bind([Convolution(3, (2, 3), stride=stride)], x.shape, [*f.ravel(), *b]).forward(x[None])[0]
    (s_v, s_h), (_, o_v, o_h) = stride, p.shape
    for i, j, k in np.ndindex(3, o_v, o_h):
        seen = x[:, j * s_v : j * s_v + 2, k * s_h : k * s_h + 3]
        close(p[i, j, k], (f[i] * seen).sum() + b[i])


@pytest.mark.row("N10")
@pytest.mark.equations("H60", "H80")
@pytest.mark.parametrize("table", [[[1, 1, 1], [1, 1, 1]], [[1, 0, 1], [0, 1, 1]]])
def test_a_shared_kernel_convolves_the_sum_of_its_inputs(table, bind):
    rng = np.random.default_rng(2)
    theta, x = rng.standard_normal(2 * 6 + 2), rng.standard_normal((2, 3, 5, 6))
    shared = bind([Convolution(2, (2, 3), table=table, shared=True)], (3, 5, 6), theta)
    summed = bind([Convolution(2, (2, 3), table=np.eye(2))], (2, 5, 6), theta)
    sums = np.einsum("ij,sjxy->sixy", np.array(table), x)
    close(shared.forward(x), summed.forward(sums))
    v = rng.standard_normal((2, 2, 4, 4))
    close(shared.vjp(x, v)[0], summed.vjp(sums, v)[0])


LINEAR = {
    "dense": (Dense(4), (2, 3, 4)),
    "dense with table": (Dense(2, table=[[1, 0], [1, 1]], bias=False), (2, 3, 4)),
    "convolution": (Convolution(3, 2), (2, 5, 6)),
    "convolution, LeNet-5 C3": (Convolution(16, 3, table=LENET5_C3), (6, 5, 5)),
    "convolution, strided, shared, padded": (Convolution(2, 3, stride=(2, 3), padding=(1, 2), shared=True), (2, 5, 6)),
    "convolution, mixed images": (Convolution(2, 2), Maps([(4, 5), (6, 3)])),
    "weighted": (WeightedSubsampling((2, 3)), (2, 5, 7)),
    "weighted with table": (WeightedSubsampling(2, table=[[1, 1]], weights="cross"), (2, 5, 7)),
    "vanilla": (VanillaSubsampling((2, 3)), (2, 5, 7)),
    "flatten": (Flatten(), (2, 3, 2)),
}


@pytest.mark.row("N13")
@pytest.mark.equations("H7", "H11", "H44", "H58", "H84")
@pytest.mark.parametrize(("layer", "inputs"), LINEAR.values(), ids=LINEAR)
def test_the_two_passes_of_a_linear_layer_are_adjoint_in_its_input_and_in_its_parameters(layer, inputs, bind):
    rng = np.random.default_rng(3)
    model = bind([layer], inputs)
    theta, inputs = rng.standard_normal(model.theta.shape), model.network.inputs
    x = rng.standard_normal((2, *inputs.shape))
    v = rng.standard_normal((2, *model.network.outputs.shape))
    model.theta = theta
    y, y_0 = model.forward(x), model.forward(np.zeros_like(x))
    gradient, dx = model.vjp(x, v)
    size = np.linalg.norm(y) * np.linalg.norm(v)
    assert abs(((y - y_0) * v).sum() - (dx * x).sum()) < CLOSE * size
    if theta.size:
        # z is linear in θ too: a layer with parameters has no part that does not scale with them.
        assert abs((y * v).sum() - gradient @ theta) < CLOSE * size


@pytest.mark.row("N17")
@pytest.mark.equations("H98", "H100")
def test_max_pooling_is_the_linear_map_of_its_winners(bind):
    rng = np.random.default_rng(4)
    model, x = bind([MaxPooling(2)], (2, 5, 6)), rng.standard_normal((2, 2, 5, 6))
    v = rng.standard_normal((2, 2, 2, 3))
    assert abs((model.forward(x) * v).sum() - (model.vjp(x, v)[1] * x).sum()) < CLOSE


@pytest.mark.row("A1", "L3")
@pytest.mark.equations("H25", "D20", "D31")
def test_a_shift_of_all_logits_changes_neither_softmax_nor_its_cross_entropy_nor_their_gradients(bind):
    rng = np.random.default_rng(5)
    x, t, theta = rng.standard_normal((4, 3)), rng.uniform(0, 1, (4, 5)), rng.standard_normal(20)
    last = [Dense(5, activation="softmax")]
    plain, shifted = (bind(last, 3, theta + np.repeat([0, s], [15, 5]), loss="cross_entropy") for s in (0, 64))
    # The logits lose about 64 units of rounding each to the shift.
    np.testing.assert_allclose(shifted.forward(x), plain.forward(x), rtol=1e-13)
    (loss, gradient), (shifted_loss, shifted_gradient) = (model.loss_and_gradient(x, t) for model in (plain, shifted))
    assert shifted_loss == pytest.approx(loss, rel=1e-13)
    np.testing.assert_allclose(shifted_gradient, gradient, rtol=0, atol=1e-13)


@pytest.mark.row("L4")
@pytest.mark.equations("H31", "H111")
@pytest.mark.parametrize("activation", ["identity", "tanh", "logistic"])
def test_an_output_delta_is_minus_the_slope_times_the_residual_that_levenberg_marquardt_starts_from(activation, bind):
    rng = np.random.default_rng(6)
    model = bind([Dense(4, activation=activation)], 3, reduction="sum")
    z, t = rng.standard_normal((2, 5, 4))
    phi = {"identity": lambda z: z, "tanh": np.tanh, "logistic": lambda z: 1 / (1 + np.exp(-z))}[activation]
    y = phi(z)
    slope = {"identity": np.ones_like(y), "tanh": 1 - y * y, "logistic": y * (1 - y)}[activation]
    loss = get_backend("numpy").loss(Program.of(model.network), model.device, model.dtype)
    _, delta = loss.evaluate(Saved(None, z, y), t)
    close(delta, -slope * (t - y))
