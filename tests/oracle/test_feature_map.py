"""Logistic regression and feature maps (delmas, Eqs. 15-16 and the texts around them)."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

import gcnn
from gcnn.layers import Dense, FeatureMap, RadialBasis
from gcnn.optimizers import GradientDescent

XOR = np.array([[0.0, 0], [0, 1], [1, 0], [1, 1]])
XOR_LABELS = np.array([0, 1, 1, 0])


@pytest.fixture(scope="module")
def squares():
    """φ(x) = x², registered once."""
    name = "squares of test_feature_map"
    gcnn.register_feature_map(name, lambda inputs: inputs, lambda x: x * x, lambda x, v: 2 * x * v)
    return name


def descend(model, x, labels, lr, steps):
    step = gcnn.training_step(model, GradientDescent(lr))
    for _ in range(steps):
        step(x, labels.astype(float)[:, None])
    return gcnn.accuracy(model, x, labels)


@pytest.mark.row("N22")
@pytest.mark.equations("D15")
def test_logistic_regression_reaches_every_point_of_a_separable_set(bind):
    x = np.random.default_rng(0).uniform(-1, 1, (60, 2))
    side = x @ [1.5, -1] + 0.2
    x, side = x[np.abs(side) > 0.1], side[np.abs(side) > 0.1]
    model = bind([Dense(1, activation="logistic")], 2, np.zeros(3), loss="binary_cross_entropy")
    assert descend(model, x, (side > 0).astype(int), lr=5, steps=300) == 1.0


@pytest.mark.row("N22")
@pytest.mark.equations("D15")
@pytest.mark.parametrize(
    ("layers", "solved"), [([], False), ([FeatureMap("monomials")], True)], ids=["plain", "quadratic"]
)
def test_quadratic_monomials_solve_xor_and_the_bare_inputs_do_not(layers, solved, bind):
    model = bind([*layers, Dense(1, activation="logistic")], 2, loss="binary_cross_entropy")
    model.theta = np.zeros(model.theta.shape)
    assert (descend(model, XOR, XOR_LABELS, lr=2, steps=500) == 1.0) == solved


@pytest.mark.row("N22")
@pytest.mark.equations("D15")
def test_quadratic_monomials_of_two_inputs_are_the_published_five(bind):
    x1, x2 = 3.0, -2.0
    features = bind([FeatureMap("monomials")], 2).forward(np.array([[x1, x2]]))
    np.testing.assert_array_equal(features[0], [x1, x2, x1 * x1, x1 * x2, x2 * x2])


@pytest.mark.row("N22")
@pytest.mark.equations("D15")
@pytest.mark.parametrize(("inputs", "degree"), [(1, 4), (3, 3), (4, 1)])
def test_monomials_are_all_products_up_to_the_degree_each_once(inputs, degree, bind):
    x = np.random.default_rng(1).uniform(0.5, 2, inputs)
    powers = [p for p in product(range(degree + 1), repeat=inputs) if 1 <= sum(p) <= degree]
    expected = sorted(np.prod([value**p for value, p in zip(x, power, strict=True)]) for power in powers)
    features = bind([FeatureMap("monomials", degree)], inputs).forward(x[None])[0]
    np.testing.assert_allclose(sorted(features), expected, rtol=1e-14)


@pytest.mark.row("N22")
@pytest.mark.equations("D15")
def test_trigonometric_features_are_cosines_then_sines_by_frequency(bind):
    x = np.array([0.3, -1.2])
    features = bind([FeatureMap("trigonometric", 2)], 2).forward(x[None])[0]
    np.testing.assert_allclose(features, [*np.cos(x), *np.sin(x), *np.cos(2 * x), *np.sin(2 * x)], rtol=1e-15)


@pytest.mark.row("N22")
@pytest.mark.equations("D16")
def test_a_net_with_one_hidden_layer_is_regression_on_a_learned_feature_map(bind):
    rng = np.random.default_rng(2)
    w_inner, b_inner, w, b = (rng.standard_normal(shape) for shape in ((4, 3), 4, 4, 1))
    layers = [Dense(4, activation="tanh"), Dense(1, activation="logistic")]
    model = bind(layers, 3, [*w_inner.ravel(), *b_inner, *w, *b], loss="binary_cross_entropy")
    x = rng.standard_normal(3)
    phi = [np.tanh(sum(w_inner[f, n] * x[n] for n in range(3)) + b_inner[f]) for f in range(4)]
    p = 1 / (1 + np.exp(-(sum(w[f] * phi[f] for f in range(4)) + b[0])))
    assert model.forward(x[None])[0, 0] == pytest.approx(p, rel=1e-14)


@pytest.mark.row("N1", "N22")
@pytest.mark.equations("D15")
@pytest.mark.parametrize("features", [("monomials", 1), ("monomials", 3), ("trigonometric", 2)])
@pytest.mark.parametrize("inputs", [3, (2, 1, 2)])
def test_gradients_through_feature_maps_equal_the_complex_step(features, inputs, check_gradients):
    check_gradients([FeatureMap(*features), Dense(2, activation="tanh")], inputs)


@pytest.mark.row("N22")
@pytest.mark.equations("D15", "D16")
def test_a_users_feature_map_passes_gradients_to_a_learned_one_below_it(squares, check_gradients):
    check_gradients([Dense(3, activation="tanh"), FeatureMap(squares), RadialBasis(2)], 2)
