"""Limits on the gradient: its components first, then its norm, with the penalty's pull and over all parameters."""

from __future__ import annotations

import numpy as np
import pytest

import gcnn
from gcnn.layers import Dense
from gcnn.optimizers import Adam, GradientDescent, Momentum


def moved(optimizer, gradient, start=None):
    start = np.zeros(len(gradient)) if start is None else np.asarray(start, dtype=float)
    return optimizer.step(start, np.asarray(gradient, dtype=float)) - start


def test_a_longer_gradient_is_scaled_to_the_norm_and_keeps_its_direction():
    np.testing.assert_allclose(moved(GradientDescent(1.0, clip_norm=1.0), [3.0, -4.0]), [-0.6, 0.8], rtol=1e-15)


def test_a_component_beyond_the_value_is_cut_and_the_others_stay():
    np.testing.assert_array_equal(moved(GradientDescent(1.0, clip_value=1.0), [3.0, -4.0, 0.5]), [-1.0, 1.0, -0.5])


def test_components_are_cut_before_the_norm_is_taken():
    both = GradientDescent(1.0, clip_value=3.0, clip_norm=5.0)
    np.testing.assert_allclose(moved(both, [30.0, 4.0]), [-3.0, -3.0], rtol=1e-15)  # (3, 3) is shorter than 5


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("make", [GradientDescent, Momentum, Adam])
def test_limits_that_are_not_reached_change_no_bit(make, dtype):
    rng = np.random.default_rng(6)
    free, limited = make(0.3), make(0.3, clip_norm=1e3, clip_value=1e3)
    q = p = rng.standard_normal(50).astype(dtype)
    for gradient in rng.standard_normal((5, 50)).astype(dtype):
        q, p = free.step(q, gradient), limited.step(p, gradient)
        np.testing.assert_array_equal(q, p)


def test_a_gradient_as_long_as_the_limit_is_within_it():
    np.testing.assert_array_equal(moved(GradientDescent(1.0, clip_norm=5.0), [3.0, 4.0]), [-3.0, -4.0])


@pytest.mark.row("L6")
@pytest.mark.equations("D4")
def test_the_pull_of_the_penalty_is_limited_with_the_gradient():
    rule = GradientDescent(1.0, l2=10.0, clip_norm=1.0)
    np.testing.assert_allclose(moved(rule, [0.0, 0.0], [3.0, 4.0]), [-0.6, -0.8], rtol=1e-15)
    rule = GradientDescent(1.0, l2=10.0, clip_value=1.0)
    np.testing.assert_allclose(moved(rule, [-29.5, -39.0], [3.0, 4.0]), [-0.5, -1.0], rtol=1e-14)


def test_momentum_keeps_the_limited_gradient_and_is_not_limited_itself():
    rule, q = Momentum(1.0, 0.5, clip_norm=1.0), np.zeros(1)
    places = []
    for _ in range(3):
        q = rule.step(q, np.array([100.0]))
        places.append(q[0])
    assert places == pytest.approx([-1.0, -2.5, -4.25], rel=1e-15)  # steps of 1, 1.5 and 1.75


def test_the_norm_of_a_single_precision_gradient_does_not_overflow():
    step = GradientDescent(1.0, clip_norm=1.0).step(np.zeros(4, np.float32), np.full(4, 1e30, np.float32))
    np.testing.assert_allclose(step, -0.5, rtol=1e-6)


@pytest.mark.parametrize("limit", [{"clip_norm": 1.0}, {"clip_value": 1.0}])
def test_a_gradient_that_is_not_a_number_stays_one(limit):
    assert np.isnan(moved(GradientDescent(1.0, **limit), [np.nan, 1.0])[0])


def test_a_training_step_takes_one_norm_over_all_layers(bind):
    rng = np.random.default_rng(7)
    layers = [Dense(3, activation="tanh"), Dense(2)]
    x, t = rng.standard_normal((2, 5, 2))
    theta = rng.standard_normal(2 * 3 + 3 + 3 * 2 + 2)
    model = bind(layers, 2, theta)
    _, gradient = model.loss_and_gradient(x, t)
    limit = 0.5 * np.linalg.norm(gradient)
    gcnn.training_step(model, GradientDescent(0.1, clip_norm=limit))(x, t)
    np.testing.assert_allclose(model.theta, theta - 0.1 * 0.5 * gradient, rtol=1e-13)
