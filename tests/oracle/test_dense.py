"""Dense layers (Hedberg 2015, Eqs. 13-41, Tables 3-4; delmas, Eqs. 17-18 and 24-29)."""

from __future__ import annotations

import numpy as np
import pytest

from gcnn.layers import Dense

XOR = np.array([[0.0, 0], [0, 1], [1, 0], [1, 1]])
XOR_TARGETS = np.array([[0.0], [1], [1], [0]])
XOR_THETA = np.array([0.5, -0.4, 0.3, 0.8, 0.1, -0.2, 0.7, -0.6, 0.05])
"""W1 row by row, b1, W2, b2 of a 2-2-1 net: convention 7, the order after Hedberg's Eq. 109."""

PRINTED = 1e-12
"""The worked numbers are given to at least twelve decimals."""


@pytest.fixture
def xor_model(bind):
    def model(loss):
        layers = [Dense(2, activation="tanh"), Dense(1, activation="logistic")]
        return bind(layers, 2, XOR_THETA, loss=loss, reduction="sum")

    return model


@pytest.mark.row("N7", "L1")
@pytest.mark.equations("H13", "H17", "H18", "H19", "H21", "H31", "H33", "H38", "H39", "H40", "H41", "HT2", "HT4", "D17")
def test_the_xor_net_gives_the_worked_outputs_squared_error_and_gradients(xor_model):
    model = xor_model("mse")
    outputs = [0.559268242426, 0.383161996097, 0.590524463131, 0.43988815195]
    np.testing.assert_allclose(model.forward(XOR)[:, 0], outputs, rtol=0, atol=PRINTED)
    loss, gradient = model.loss_and_gradient(XOR, XOR_TARGETS)
    assert loss == pytest.approx(0.527220945782721, abs=PRINTED)
    w1 = [0.0235931941171, -0.0204796240917, 0.0271538747349, 0.0305801126426]
    b1 = [0.0257395633936, 0.00990867923831]
    w2, b2 = [0.0244266016071, -0.0377388738558], [0.00143270062317]
    np.testing.assert_allclose(gradient, [*w1, *b1, *w2, *b2], rtol=0, atol=PRINTED)


@pytest.mark.row("N7", "L2")
@pytest.mark.equations("H26", "H33", "H38", "D24", "D29")
def test_the_xor_net_gives_the_worked_binary_cross_entropy_and_gradients(xor_model):
    loss, gradient = xor_model("binary_cross_entropy").loss_and_gradient(XOR, XOR_TARGETS)
    assert loss == pytest.approx(2.88497926389795, abs=PRINTED)
    w1 = [0.0919644147537, -0.0992178845768, 0.114731248699, 0.134843417129]
    b1 = [0.0844193790289, 0.0555996807297]
    w2, b2 = [0.102348239639, -0.167378990585], [-0.027157146396]
    np.testing.assert_allclose(gradient, [*w1, *b1, *w2, *b2], rtol=0, atol=PRINTED)


@pytest.mark.row("N7")
def test_an_exact_solution_of_xor_has_no_loss_and_no_gradient(bind):
    v = 1 / (3 * np.tanh(0.5) - np.tanh(1.5))
    c = -v * (np.tanh(1.5) - np.tanh(0.5))
    theta = [1, 1, 1, 1, -0.5, -1.5, v, -v, c]
    model = bind([Dense(2, activation="tanh"), Dense(1)], 2, theta, reduction="sum")
    np.testing.assert_allclose(model.forward(XOR), XOR_TARGETS, rtol=0, atol=4e-16)
    loss, gradient = model.loss_and_gradient(XOR, XOR_TARGETS)
    assert loss < 1e-30
    assert np.abs(gradient).max() < 2e-15


@pytest.mark.row("N7")
@pytest.mark.equations(
    "H14",
    "H15",
    "H16",
    "H33",
    "H34",
    "H35",
    "H36",
    "H37",
    "H38",
    "H39",
    "HT4",
    "D17",
    "D18",
    "D24",
    "D26",
    "D27",
    "D28",
    "D29",
)
def test_two_layers_agree_with_the_equations_written_as_loops_over_units(bind, relative_error):
    rng = np.random.default_rng(1)
    w1, b1, w2, b2 = (rng.standard_normal(shape) for shape in ((4, 3), 4, (2, 4), 2))
    theta = np.concatenate([w1.ravel(), b1, w2.ravel(), b2])
    x, t = rng.standard_normal(3), rng.standard_normal(2)
    z1 = [sum(w1[i, j] * x[j] for j in range(3)) + b1[i] for i in range(4)]
    y1 = [np.tanh(z) for z in z1]
    z2 = [sum(w2[i, j] * y1[j] for j in range(4)) + b2[i] for i in range(2)]
    d2 = [(np.tanh(z2[i]) - t[i]) * (1 - np.tanh(z2[i]) ** 2) for i in range(2)]
    d1 = [(1 - y1[j] ** 2) * sum(d2[i] * w2[i, j] for i in range(2)) for j in range(4)]
    expected = [d1[i] * x[j] for i in range(4) for j in range(3)] + d1
    expected += [d2[i] * y1[j] for i in range(2) for j in range(4)] + d2
    model = bind([Dense(4, activation="tanh"), Dense(2, activation="tanh")], 3, theta, reduction="sum")
    np.testing.assert_allclose(model.forward(x[None])[0], np.tanh(z2), rtol=0, atol=2e-14)
    _, gradient = model.loss_and_gradient(x[None], t[None])
    assert relative_error(gradient, np.array(expected)) < 1e-14


@pytest.mark.row("N7")
def test_a_batched_weight_gradient_is_the_sum_of_outer_products(bind, relative_error):
    rng = np.random.default_rng(2)
    model = bind([Dense(4)], 3)
    x, v = rng.standard_normal((5, 3)), rng.standard_normal((5, 4))
    gradient, _ = model.vjp(x, v)
    assert relative_error(gradient[:12].reshape(4, 3), sum(map(np.outer, v, x))) < 1e-14
    assert relative_error(gradient[12:], v.sum(axis=0)) < 1e-14


TABLE = [[1, 0, 1], [0, 0, 0], [0, 1, 1]]


@pytest.mark.row("N7")
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("table", [None, TABLE])
@pytest.mark.parametrize("activation", ["tanh", "soft_logistic", "softmax"])
def test_gradients_of_dense_layers_equal_the_complex_step(activation, table, bias, check_gradients):
    between = Dense(3, table=table, bias=bias)
    check_gradients([Dense(3, activation=activation), between, Dense(2, activation=activation)], 4)


@pytest.mark.row("N5", "N7")
def test_a_table_over_maps_connects_every_value_of_the_map(bind):
    x = np.arange(8.0).reshape(1, 2, 2, 2)
    model = bind([Dense(2, table=[[1, 0], [0, 1]], bias=False)], (2, 2, 2), np.ones(8))
    np.testing.assert_array_equal(model.forward(x), [[0 + 1 + 2 + 3, 4 + 5 + 6 + 7]])


@pytest.mark.row("N7")
def test_a_table_is_a_dense_layer_whose_other_weights_are_zero(bind):
    rng = np.random.default_rng(3)
    table = np.array(TABLE, dtype=bool)
    theta, x, v = rng.standard_normal(7), rng.standard_normal((2, 3)), rng.standard_normal((2, 3))
    full = np.zeros((3, 3))
    full[table] = theta[:4]
    sparse = bind([Dense(3, table=TABLE)], 3, theta)
    dense = bind([Dense(3)], 3, np.concatenate([full.ravel(), theta[4:]]))
    np.testing.assert_allclose(sparse.forward(x), dense.forward(x), rtol=0, atol=2e-14)
    kept = np.concatenate([table.ravel(), np.ones(3, bool)])
    np.testing.assert_allclose(sparse.vjp(x, v)[0], dense.vjp(x, v)[0][kept], rtol=0, atol=2e-14)
    np.testing.assert_allclose(sparse.vjp(x, v)[1], dense.vjp(x, v)[1], rtol=0, atol=2e-14)


@pytest.mark.row("N7")
@pytest.mark.equations("D26", "D28")
def test_the_rows_of_a_jacobian_are_the_gradients_of_single_samples(bind):
    rng = np.random.default_rng(4)
    model = bind([Dense(3, activation="tanh"), Dense(2)], 4)
    x, v = rng.standard_normal((3, 4)), rng.standard_normal((3, 2))
    rows = model.plan.sample_gradients(x, v)
    singles = [model.vjp(x[s : s + 1], v[s : s + 1])[0] for s in range(3)]
    np.testing.assert_allclose(rows, singles, rtol=0, atol=2e-14)
