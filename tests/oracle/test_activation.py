"""Activation functions (Hedberg 2015, Eqs. 20, 24-25; delmas, texts before Eq. 15 and Eqs. 20, 31)."""

from __future__ import annotations

import numpy as np
import pytest

import gcnn
from gcnn import activations
from gcnn.layers import Activation, Convolution, Dense

ELEMENTWISE = ["identity", "logistic", "relu", "scaled_tanh", "soft_logistic", "softplus", "softsign", "tanh"]
Z = np.array([-3.0, -1, 0, 1, 3])
FORMULAS = {
    "identity": lambda z: z,
    "logistic": lambda z: 1 / (1 + np.exp(-z)),
    "relu": lambda z: z * (z > 0),
    "scaled_tanh": lambda z: 1.7159 * np.tanh(2 * z / 3),
    "soft_logistic": lambda z: (abs(z) + z + 1) / (2 * abs(z) + 2),
    "softplus": lambda z: np.log(1 + np.exp(z)),
    "softsign": lambda z: z / (1 + abs(z)),
    "tanh": np.tanh,
}


@pytest.fixture(scope="module")
def cube():
    """φ(z) = z³, registered once."""
    return gcnn.register_activation("cube of test_activation", lambda z: z**3, lambda z: 3 * z**2).name


def slopes(model, z):
    """φ'(z), each value a sample of its own."""
    return model.vjp(z.reshape(-1, 1), np.ones((len(z), 1)))[1].ravel()


def test_every_activation_that_ships_is_tested_here():
    shipped = {name for name in activations.names() if activations.get(name).function is None}
    assert shipped == {*ELEMENTWISE, "sigmoid", "softmax"}


@pytest.mark.row("A1")
@pytest.mark.equations("H20", "D15")
@pytest.mark.parametrize("name", ELEMENTWISE)
def test_an_activation_has_the_values_of_its_formula(name, bind):
    np.testing.assert_allclose(bind([Activation(name)], 5).forward(Z[None])[0], FORMULAS[name](Z), rtol=1e-14)


@pytest.mark.row("A1")
def test_sigmoid_is_another_name_of_logistic(bind):
    np.testing.assert_array_equal(
        bind([Activation("sigmoid")], 5).forward(Z[None]), bind([Activation("logistic")], 5).forward(Z[None])
    )


@pytest.mark.row("A1")
@pytest.mark.equations("D15")
def test_the_soft_logistic_has_its_worked_values_and_slopes(bind):
    model = bind([Activation("soft_logistic")], 1)
    np.testing.assert_array_equal(model.forward(Z[:, None])[:, 0], [1 / 8, 1 / 4, 1 / 2, 3 / 4, 7 / 8])
    np.testing.assert_array_equal(slopes(model, Z), [1 / 32, 1 / 8, 1 / 2, 1 / 8, 1 / 32])


@pytest.mark.row("A1")
@pytest.mark.equations("H6", "H25", "D20", "D31")
@pytest.mark.parametrize("name", [*ELEMENTWISE, "softmax"])
def test_the_slope_of_an_activation_equals_the_complex_step(name, check_gradients):
    check_gradients([Activation(name)], 7, samples=3)


@pytest.mark.row("A1")
@pytest.mark.parametrize("name", ELEMENTWISE)
def test_the_slope_of_an_activation_equals_the_central_difference(name, bind):
    """h = 6e-6 max(1, |z|): truncation h² and rounding u / h are both below 1e-10, so 1e-7 relative is safe."""
    z = np.array([-2.7, -1.1, -0.3, 0.4, 1.3, 2.9])
    h = 6e-6 * np.maximum(1, np.abs(z))
    model = bind([Activation(name)], 1)
    difference = (model.forward((z + h)[:, None]) - model.forward((z - h)[:, None]))[:, 0] / (2 * h)
    np.testing.assert_allclose(slopes(model, z), difference, rtol=1e-7, atol=1e-9)


@pytest.mark.row("A1")
@pytest.mark.parametrize(
    ("dtype", "largest"), [("float64", 1e4), ("float32", 1e4), ("float32", 3e38), ("float64", 1.7e308)]
)
@pytest.mark.parametrize("name", [*ELEMENTWISE, "softmax"])
def test_activations_and_their_slopes_are_finite_at_any_finite_input(name, dtype, largest, bind):
    z = np.array([[-largest, 0.0, largest]])
    model = bind([Activation(name)], 3, dtype=dtype)
    y = model.forward(z)
    assert np.isfinite(y).all()
    assert np.isfinite(model.vjp(z, np.ones((1, 3)))[1]).all()
    if activations.get(name).codomain.probability:
        np.testing.assert_allclose(y[0, [0, 2]], [0, 1], atol=1e-4)


@pytest.mark.row("A1")
@pytest.mark.equations("D15")
def test_the_tail_of_the_soft_logistic_keeps_its_digits(bind):
    y = bind([Activation("soft_logistic")], 1).forward(np.array([[-1e12]]))
    assert y[0, 0] == pytest.approx(0.5 / (1 + 1e12), rel=1e-15, abs=0)


@pytest.mark.row("A1")
@pytest.mark.equations("H24", "H25", "D20")
def test_softmax_has_its_worked_values_even_at_logits_of_a_thousand(bind):
    model = bind([Activation("softmax")], 3)
    np.testing.assert_allclose(
        model.forward(np.array([[1000.0, 1001, 1002]]))[0], [0.0900306, 0.2447285, 0.6652410], atol=5e-8
    )
    y = model.forward(np.array([[0.5, 0.1, 0.6]]))[0]
    np.testing.assert_allclose(y, [0.360296615241, 0.241514043715, 0.398189341045], rtol=0, atol=1e-12)


@pytest.mark.row("A1")
@pytest.mark.equations("H25", "D20", "D31")
@pytest.mark.parametrize("size", [(4,), (2, 2, 2)])
def test_softmax_couples_all_values_of_a_sample_and_none_of_another(size, bind):
    z, v = np.random.default_rng(0).standard_normal((2, 3, *size))
    model = bind([Activation("softmax")], size)
    y, (_, dz) = model.forward(z), model.vjp(z, v)
    for s in range(3):
        zeta = np.exp(z[s].ravel()) / sum(np.exp(z[s].ravel()))
        np.testing.assert_allclose(y[s].ravel(), zeta, rtol=1e-14)
        jacobian = np.diag(zeta) - np.outer(zeta, zeta)
        np.testing.assert_allclose(dz[s].ravel(), v[s].ravel() @ jacobian, rtol=0, atol=1e-15)


@pytest.mark.row("A2")
@pytest.mark.equations("H1")
def test_gradients_of_a_users_activation_equal_the_complex_step(cube, bind, check_gradients):
    z = np.array([[-2.0, 0, 3]])
    np.testing.assert_array_equal(bind([Activation(cube)], 3).forward(z), z**3)
    check_gradients([Convolution(2, 2, activation=cube), Dense(3, activation=cube)], (1, 3, 3))
