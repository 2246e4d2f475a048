"""Update rules and the L2 penalty (Hedberg 2015, Eqs. 118-121; delmas, Eqs. 1-12)."""

from __future__ import annotations

import numpy as np
import pytest

import gcnn
from gcnn.errors import OptimizerError
from gcnn.layers import Convolution, Dense, RadialBasis, WeightedSubsampling
from gcnn.optimizers import AdaGrad, Adam, DampedParticle, GradientDescent, Momentum, RMSProp
from gcnn.optimizers.schedules import InverseTime

CURVATURE = np.array([1.0, 10.0])
START = np.array([1.0, 1.0])
"""V = ½ (q1² + 10 q2²) from (1, 1): one problem for every rule."""

WORKED = {
    "gradient descent": (lambda: GradientDescent(0.05), [(0.95, 0.5), (0.9025, 0.25), (0.857375, 0.125)]),
    "heavy ball": (lambda: Momentum(0.05, 0.9), [(0.95, 0.5), (0.8575, -0.2), (0.731375, -0.73)]),
    "damped particle": (lambda: DampedParticle(0.2, 2.5), [(0.96, 0.6), (0.9016, 0.16), (0.836336, -0.124)]),
    "AdaGrad, sum": (
        lambda: AdaGrad(0.1),
        [(0.900000001, 0.9000000001), (0.833103528294, 0.833103526983), (0.780456183089, 0.780456181522)],
    ),
    "AdaGrad, mean": (
        lambda: AdaGrad(0.1, "mean"),
        [(0.900000001, 0.9000000001), (0.805394102315, 0.805394100573), (0.716428963728, 0.716428961213)],
    ),
    "RMSProp": (
        lambda: RMSProp(0.1, 0.9),
        [(0.683772243983, 0.683772234983), (0.498870620117, 0.498870608219), (0.369180567428, 0.369180554583)],
    ),
    "Adam": (
        lambda: Adam(0.1, 0.9, 0.999, eps=1e-8),
        [(0.900000001, 0.9000000001), (0.800412229712, 0.800412227875), (0.701586274504, 0.701586271699)],
    ),
}
PRINTED = 6e-13
"""Half a unit in the twelfth decimal, and rounding."""
every_rule = pytest.mark.parametrize(("make", "iterates"), WORKED.values(), ids=WORKED)


@pytest.mark.row("O1", "O3", "O4", "O5", "O6")
@pytest.mark.equations("H118", "H120", "H121", "D2", "D7", "D8", "D9", "D10", "D11", "D12")
@every_rule
def test_a_rule_takes_the_three_worked_steps(make, iterates):
    rule, q = make(), START
    for expected in iterates:
        q = rule.step(q, CURVATURE * q)
        np.testing.assert_allclose(q, expected, rtol=0, atol=PRINTED)


@pytest.mark.row("O1", "O3", "O4", "O5", "O6")
@pytest.mark.equations("H118", "H121", "D7", "D9", "D10", "D11")
@every_rule
def test_a_training_step_takes_the_three_worked_steps_too(make, iterates, bind):
    """The same V as the loss of a network: inputs (1, 0) and (0, sqrt 10), targets 0."""
    model = bind([Dense(1, bias=False)], 2, START, reduction="sum")
    step, x = gcnn.training_step(model, make()), np.diag(np.sqrt(CURVATURE))
    for before, expected in zip([START, *map(np.array, iterates)], iterates, strict=False):
        assert step(x, np.zeros((2, 1))) == pytest.approx(0.5 * CURVATURE @ before**2, abs=1e-11)
        np.testing.assert_allclose(model.theta, expected, rtol=0, atol=PRINTED)


@pytest.mark.row("O6")
@pytest.mark.equations("D11")
def test_the_first_step_of_adam_is_its_rate_times_the_sign_of_the_gradient():
    gradient = np.array([1e-3, -5.0, 2e4])
    step = Adam(0.1).step(np.zeros(3), gradient)
    np.testing.assert_allclose(step, -0.1 * np.sign(gradient), rtol=2e-5)  # ε = 1e-8 against 1e-3


@pytest.mark.row("O3")
@pytest.mark.equations("D5", "D6", "D7", "H121")
@pytest.mark.parametrize(("alpha", "gamma"), [(0.2, 2.5), (0.4, 0.3), (0.05, 20.0)])
def test_heavy_ball_and_damped_particle_take_the_same_steps_by_the_map_between_them(alpha, gamma):
    particle = DampedParticle(alpha, gamma, l2=0.1, clip_norm=6.0)
    ball = particle.as_momentum()
    assert (ball.lr, ball.momentum) == (alpha**2, max(1 - gamma * alpha, 0))
    back = DampedParticle.from_momentum(ball)
    assert (back.alpha, back.gamma) == (pytest.approx(alpha, rel=1e-15), pytest.approx(gamma, rel=1e-13))
    assert ball.common() == back.common() == particle.common()
    positions = [START] * 3
    for _ in range(200):
        positions = [rule.step(q, CURVATURE * q) for rule, q in zip((particle, ball, back), positions, strict=True)]
        for q in positions[1:]:
            np.testing.assert_allclose(q, positions[0], rtol=0, atol=1e-13)


@pytest.mark.equations("D5", "D6", "D7")
def test_the_damped_particle_is_eulers_step_for_the_velocity_and_then_for_the_place():
    alpha, gamma = 0.2, 2.5
    rule, q, position, speed = DampedParticle(alpha, gamma), START, START, np.zeros(2)
    for _ in range(200):
        q = rule.step(q, CURVATURE * q)
        speed = speed + alpha * (-gamma * speed - CURVATURE * position)
        position = position + alpha * speed
        np.testing.assert_allclose(q, position, rtol=0, atol=1e-14)


def test_only_a_constant_rate_has_a_counterpart_in_the_other_form():
    rate = InverseTime(0.1, 1.0)
    with pytest.raises(OptimizerError, match="only while alpha is constant"):
        DampedParticle(rate).as_momentum()
    with pytest.raises(OptimizerError, match="only while lr is constant"):
        DampedParticle.from_momentum(Momentum(rate))


@pytest.mark.row("O3")
@pytest.mark.equations("H121")
@pytest.mark.parametrize("p", [0.0, 0.5, 0.9])
def test_the_heavy_ball_is_stable_up_to_a_curvature_of_twice_one_plus_p_over_its_rate(p):
    for factor, stays in ((0.999, True), (1.001, False)):
        rule, q, curvature = Momentum(0.1, p), np.array([1.0]), factor * 2 * (1 + p) / 0.1
        for _ in range(40_000):
            q = rule.step(q, curvature * q)
            if abs(q[0]) > 1e6 or abs(q[0]) < 1e-6:
                break
        assert (abs(q[0]) < 1e-6) == stays


@pytest.mark.equations("D10", "D11")
def test_adam_is_the_ratio_of_the_two_unbiased_moving_averages():
    rng = np.random.default_rng(0)
    gradients = rng.standard_normal((6, 4))
    rule, q = Adam(0.01, 0.8, 0.95), np.zeros(4)
    expected = np.zeros(4)
    for n in range(1, 7):
        q = rule.step(q, gradients[n - 1])
        first, second = (
            (1 - beta) * sum(beta ** (n - k) * gradients[k - 1] ** power for k in range(1, n + 1)) / (1 - beta**n)
            for beta, power in ((0.8, 1), (0.95, 2))
        )
        expected = expected - 0.01 * first / (np.sqrt(second) + 1e-8)
        np.testing.assert_allclose(q, expected, rtol=1e-12)


A, TARGET = np.diag([1.0, 10.0]), np.array([1.0, 2.0])
"""V = ½ (q - a)ᵀ A (q - a)."""


def settle(rule, steps=3000):
    q = np.zeros(2)
    for _ in range(steps):
        q = rule.step(q, A @ (q - TARGET))
    return q


@pytest.mark.row("L6")
@pytest.mark.equations("D3", "D4")
@pytest.mark.parametrize(
    "rule",
    [
        GradientDescent(0.05, l2=0.5),
        Momentum(0.02, 0.5, l2=0.5),
        DampedParticle(0.1, 3.0, l2=0.5),
        AdaGrad(1.0, l2=0.5),
    ],
    ids=str,
)
def test_a_penalised_quadratic_settles_at_the_worked_fixed_point(rule):
    np.testing.assert_allclose(settle(rule), [2 / 3, 40 / 21], rtol=1e-14)


@pytest.mark.row("L6")
@pytest.mark.equations("D3", "D4")
@pytest.mark.parametrize("mask", [None, np.array([True, False]), np.array([0.3, 2.0])])
def test_centre_and_mask_move_the_fixed_point_as_the_normal_equations_say(mask):
    centre, strength = np.array([-1.0, 3.0]), 0.7
    pull = strength * np.diag(np.ones(2) if mask is None else mask.astype(float))
    rule = GradientDescent(0.05, l2=strength, l2_centre=centre, l2_mask=mask)
    np.testing.assert_allclose(settle(rule), np.linalg.solve(A + pull, A @ TARGET + pull @ centre), rtol=1e-13)


@pytest.mark.row("L6")
@pytest.mark.equations("D4")
def test_a_penalised_gradient_step_shrinks_the_parameters_first():
    q, gradient = np.array([2.0, -3.0]), np.array([0.5, 0.25])
    step = GradientDescent(0.1, l2=0.4).step(q, gradient)
    np.testing.assert_allclose(step, (1 - 0.1 * 0.4) * q - 0.1 * gradient, rtol=1e-15)


@pytest.mark.row("L6")
@pytest.mark.equations("D3")
def test_a_training_step_pulls_on_weights_only_and_reports_the_penalty(bind):
    model = bind([Dense(1)], 2, [2, -4, 7], reduction="sum")
    step, x, t = gcnn.training_step(model, GradientDescent(0.1, l2=0.5)), np.zeros((1, 2)), np.array([[7.0]])
    assert step(x, t) == pytest.approx(0.5 * 0.5 * (2**2 + 4**2))
    np.testing.assert_allclose(model.theta, [2 * 0.95, -4 * 0.95, 7], rtol=1e-15)


@pytest.mark.row("L6")
@pytest.mark.parametrize(
    ("layer", "decaying", "free"),
    [
        (Dense(2), 2 * 16, 2),
        (Convolution(2, 3), 2 * 9, 2),
        (WeightedSubsampling(2), 1, 1),
        (RadialBasis(2), 0, 2 * 16 + 2),
    ],
    ids=str,
)
def test_by_default_the_penalty_pulls_on_weights_but_not_on_biases_centres_or_widths(layer, decaying, free, bind):
    mask = bind([layer], (1, 4, 4)).network.decay_mask()
    assert mask.tolist() == [True] * decaying + [False] * free


def test_a_step_size_changed_between_training_steps_takes_effect(bind):
    model = bind([Dense(1, bias=False)], 1, [1.0], loss="mse")
    optimizer = GradientDescent(0.5)
    step = gcnn.training_step(model, optimizer)
    x, t = np.ones((1, 1)), np.zeros((1, 1))
    step(x, t)
    assert model.theta == pytest.approx([0.5], abs=1e-15)
    optimizer.lr = 0.25
    step(x, t)
    assert model.theta == pytest.approx([0.375], abs=1e-15)
