"""`gcnn.training_step`: one update, the loss it returns, its penalty, and hyper-parameters that change between steps."""

from __future__ import annotations

import numpy as np
import pytest

import gcnn
from gcnn import Network
from gcnn.layers import Convolution, Dense, RadialBasis, WeightedSubsampling
from gcnn.optimizers import Adam, GradientDescent, Momentum

X = np.random.default_rng(1).standard_normal((5, 1, 6))
T = np.random.default_rng(2).standard_normal((5, 2))


@pytest.fixture
def model():
    """A layer of every kind that has parameters, none of them zero, on images of one axis."""
    kinds = [Convolution(2, 3, activation="tanh"), WeightedSubsampling(2), RadialBasis(3), Dense(2)]
    model = Network(kinds, (1, 6), "mse").bind("numpy", dtype="float64", batch=5)
    model.theta = np.random.default_rng(3).uniform(0.3, 0.9, model.network.parameter_count)
    return model


WEIGHTS = [1] * 6 + [0] * 2 + [1] * 2 + [0] * 2 + [0] * 12 + [0] * 3 + [1] * 6 + [0] * 2
"""1 on the weights of that network: kernels, biases; α, biases; centres, widths; weights, biases."""


def test_a_step_returns_the_loss_before_its_update(model):
    before = model.loss(X, T)
    assert gcnn.training_step(model, GradientDescent(0.1))(X, T) == pytest.approx(before, rel=1e-14)
    assert model.loss(X, T) < 0.95 * before


def test_making_a_step_leaves_the_parameters_as_they_were(model):
    theta = model.theta
    gcnn.training_step(model, Adam())
    np.testing.assert_array_equal(model.theta, theta, strict=True)


def test_the_penalty_joins_the_loss_and_pulls_on_weights_only(model):
    theta, (loss, gradient) = model.theta, model.loss_and_gradient(X, T)
    returned = gcnn.training_step(model, GradientDescent(0.1, l2=0.5))(X, T)
    weights = np.array(WEIGHTS)
    assert returned == pytest.approx(loss + 0.25 * (weights * theta**2).sum(), rel=1e-14)
    np.testing.assert_allclose(model.theta, theta - 0.1 * (gradient + 0.5 * weights * theta), rtol=1e-14)


def test_a_mask_and_a_centre_of_ones_own_replace_the_default_ones(model):
    theta, (loss, gradient) = model.theta, model.loss_and_gradient(X, T)
    rng = np.random.default_rng(4)
    mask, centre = 1.0 - np.array(WEIGHTS), rng.standard_normal(theta.size)
    returned = gcnn.training_step(model, GradientDescent(0.1, l2=0.5, l2_mask=mask, l2_centre=centre))(X, T)
    assert returned == pytest.approx(loss + 0.25 * (mask * (theta - centre) ** 2).sum(), rel=1e-14)
    np.testing.assert_allclose(model.theta, theta - 0.1 * (gradient + 0.5 * mask * (theta - centre)), rtol=1e-13)


CHANGES = [
    (GradientDescent, "lr", 0.2),
    (Momentum, "lr", 0.2),
    (Momentum, "momentum", 0.3),
    (Adam, "lr", 0.2),
    (Adam, "beta1", 0.3),
    (Adam, "beta2", 0.4),
    (Adam, "eps", 0.5),
]


@pytest.mark.parametrize(("method", "name", "value"), CHANGES, ids=lambda v: getattr(v, "__name__", str(v)))
def test_a_hyper_parameter_changed_between_steps_counts_from_the_next_one(method, name, value, model):
    trained, by_hand = method(lr=0.01), method(lr=0.01)
    step, theta = gcnn.training_step(model, trained), model.theta
    unchanged = None
    for number in range(4):
        if number == 2:
            setattr(trained, name, value)
            setattr(by_hand, name, value)
        _, gradient = model.loss_and_gradient(X, T)
        theta = by_hand.step(theta, gradient)
        step(X, T)
        np.testing.assert_array_equal(model.theta, theta, strict=True)
        unchanged = theta if number == 1 else unchanged
    assert (theta != unchanged).any()


def test_training_follows_a_schedule_that_a_callback_sets(unit):
    """The error e = w + b - 1 shrinks by 1 - 2 lr in every step: -1, then -1/2 by lr = 1/4, then -3/8 by lr = 1/8."""
    optimizer = GradientDescent(0.25)

    def halve(epoch, model, history):
        optimizer.lr /= 2

    data = np.ones((1, 1)), np.ones(1)
    history = gcnn.train(unit((0.0, 0.0)), data, optimizer, epochs=3, callbacks=[halve])
    assert history.loss == [1 / 2, 1 / 8, 9 / 128]


def test_a_step_takes_a_batch_of_any_size_and_divides_by_it(unit):
    model = unit((0.0, 0.0), batch=4)
    step, b = gcnn.training_step(model, GradientDescent(0.5)), 0.0
    for n in (4, 1, 3):
        step(np.zeros((n, 1)), np.arange(1.0, n + 1))
        b += 0.5 * (np.arange(1.0, n + 1).mean() - b)
        assert model.theta == pytest.approx([0.0, b], abs=1e-15)
