"""delmas: logistic regression and dense networks, Eqs. 15-33."""

from __future__ import annotations

import numpy as np
import pytest

from gcnn.layers import Activation, Dense
from tests.oracle.corrections.formulas import ROUNDING, WRONG, logistic, softmax


@pytest.mark.equations("D15")
def test_the_soft_logistic_as_printed_is_not_a_number_near_the_end_of_the_range(bind):
    z = np.float32(3e38) * np.array([-1, 1], np.float32)
    with np.errstate(over="ignore", invalid="ignore"):
        printed = (np.abs(z) + z + 1) / (2 * np.abs(z) + 2)
    assert np.isnan(printed[1])
    tail = 0.5 / (1 + np.abs(z))
    np.testing.assert_array_equal(np.where(z < 0, tail, 1 - tail), np.array([tail[0], 1]))
    model = bind([Activation("soft_logistic")], 2, dtype="float32")
    np.testing.assert_array_equal(model.forward(z[None])[0], np.array([tail[0], 1]))


@pytest.mark.equations("D15", "D27")
def test_the_soft_logistic_does_not_have_the_slope_of_the_logistic(bind):
    z, h = np.array([-3.0, -0.4, 0.7, 3.0]), 6e-6

    def sigma(z):
        return (np.abs(z) + z + 1) / (2 * np.abs(z) + 2)

    np.testing.assert_allclose(sigma(np.array([-3.0, -1, 0, 1, 3])), [1 / 8, 1 / 4, 1 / 2, 3 / 4, 7 / 8], rtol=ROUNDING)
    differences = (sigma(z + h) - sigma(z - h)) / (2 * h)
    assert np.abs(sigma(z) * (1 - sigma(z)) - differences).max() > WRONG
    corrected = 1 / (2 * (1 + np.abs(z)) ** 2)
    np.testing.assert_allclose(corrected, differences, rtol=1e-8)  # what central differences can give
    model = bind([Activation("soft_logistic")], 4)
    np.testing.assert_allclose(model.vjp(z[None], np.ones((1, 4)))[1][0], corrected, rtol=ROUNDING)


@pytest.mark.equations("D19", "D20")
@pytest.mark.parametrize("n", [2, 10])
def test_softmax_of_logistic_outputs_never_passes_e_over_e_plus_n_minus_one(bind, n):
    z = np.full(n, -60.0)
    z[0] = 60  # as sure as a logistic layer can be
    bound = np.e / (np.e + n - 1)
    theta = np.concatenate([np.zeros(n), z])
    capped = bind([Dense(n, activation="logistic"), Activation("softmax")], 1, theta).forward(np.zeros((1, 1)))
    free = bind([Dense(n), Activation("softmax")], 1, theta).forward(np.zeros((1, 1)))
    assert capped[0, 0] == pytest.approx(bound, rel=1e-12)
    assert softmax(logistic(z))[0] == pytest.approx(bound, rel=1e-12)
    assert free[0, 0] == 1
    assert -np.log(bound) == pytest.approx({2: 0.3133, 10: 1.4612}[n], abs=1e-4)  # the least cross-entropy


@pytest.mark.equations("D21", "D22", "D25", "D30")
def test_the_dot_product_costs_lack_the_mean_over_outputs_of_equation_22(bind, complex_step, relative_error, rng):
    z, y = rng.standard_normal(3), np.array([0.0, 1, 1])

    def dot(z):  # Eq. 21, "everything entry-wise"
        p = logistic(z)
        return -y @ np.log(p) - (1 - y) @ np.log(1 - p)

    by_equation_32 = (logistic(z) - y) / 3
    assert relative_error(by_equation_32, complex_step(dot, z)) > WRONG
    assert relative_error(by_equation_32, complex_step(lambda moved: dot(moved) / 3, z)) <= ROUNDING
    theta = np.concatenate([np.zeros(3), z])
    layer = Dense(3, activation="logistic")
    model = bind([layer], 1, theta, loss="binary_cross_entropy", reduction="mean_outputs")
    gradient = model.loss_and_gradient(np.zeros((1, 1)), y[None])[1][3:]
    assert relative_error(gradient, by_equation_32) <= ROUNDING


@pytest.mark.equations("D21")
def test_cross_entropy_is_no_distance():
    p, other = np.array([0.2, 0.3, 0.5]), np.array([0.5, 0.3, 0.2])

    def divergence(y, v):
        return -y @ np.log(v) + y @ np.log(y)  # cross-entropy less the entropy of the targets

    assert -p @ np.log(p) > WRONG  # cross-entropy of a distribution to itself
    assert divergence(p, p) == 0 < divergence(p, other)


@pytest.mark.equations("D30", "D32", "D33")
@pytest.mark.parametrize("post", ["identity", "softmax"])
def test_the_start_of_back_propagation_needs_the_slope_of_the_last_layer(bind, complex_step, relative_error, rng, post):
    x, y, w = rng.standard_normal(3), np.array([0.0, 1, 0]), rng.standard_normal((2, 3, 3))
    zeta = softmax if post == "softmax" else lambda v: v
    z = [w[0] @ x, w[1] @ np.tanh(w[0] @ x)]
    slopes = [1 - np.tanh(z[0]) ** 2, 1 - np.tanh(z[1]) ** 2]  # q of both layers, equally wide
    p = np.tanh(z[1])

    def cost(last):
        return ((zeta(np.tanh(last)) - y) ** 2).sum() / 2 / 3

    by_post = zeta(p) - y
    if post == "softmax":
        by_post = zeta(p) * (by_post - by_post @ zeta(p))  # Eq. 33
    reference = complex_step(cost, z[1])
    assert relative_error(by_post / 3 * slopes[0], reference) > WRONG
    assert relative_error(by_post / 3 * slopes[1], reference) <= ROUNDING
    model = bind(
        [Dense(3, activation="tanh"), Activation(post)],
        3,
        np.concatenate([np.zeros(9), z[1]]),
        reduction="mean_outputs",
    )
    assert relative_error(model.loss_and_gradient(np.zeros((1, 3)), y[None])[1][9:], reference) <= ROUNDING


@pytest.mark.equations("D33")
def test_equation_33_is_not_a_number_for_cross_entropy_of_a_vanished_class(bind):
    v, y = np.array([0.0, 800.0]), np.array([1.0, 0])
    zeta = softmax(v)
    with np.errstate(divide="ignore", invalid="ignore"):
        slope = -y / zeta  # ℓ̃'
        assert np.isnan(zeta * (slope - slope @ zeta)).any()
    corrected = (y.sum() * zeta - y) / 2
    model = bind([Dense(2, activation="softmax")], 1, [0, 0, *v], loss="cross_entropy", reduction="mean_outputs")
    gradient = model.loss_and_gradient(np.zeros((1, 1)), y[None])[1][2:]
    np.testing.assert_array_equal(gradient, corrected)
    np.testing.assert_array_equal(corrected, [-0.5, 0.5])
