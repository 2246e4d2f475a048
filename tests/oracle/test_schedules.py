"""Schedules of the step size (μ_i of Hedberg 2015, Eq. 118)."""

from __future__ import annotations

import json
from math import cos, pi

import numpy as np
import pytest

import gcnn
from gcnn.layers import Dense
from gcnn.optimizers import AdaGrad, Adam, DampedParticle, GradientDescent, Momentum, RMSProp
from gcnn.optimizers.schedules import Constant, Cosine, Exponential, InverseTime, Step

pytestmark = [pytest.mark.row("O1"), pytest.mark.equations("H118")]

SCHEDULES = [
    (Constant(0.1), {0: 0.1, 10**9: 0.1}),
    (Step(0.8, 0.5, every=3), {0: 0.8, 2: 0.8, 3: 0.4, 5: 0.4, 6: 0.2}),
    (InverseTime(0.3, 0.5), {0: 0.3, 1: 0.2, 4: 0.1, 58: 0.01}),
    (Exponential(0.8, 0.25, every=2), {0: 0.8, 1: 0.4, 2: 0.2, 4: 0.05}),
    (Cosine(0.5, 0.1, updates=4), {0: 0.5, 1: 0.3 + 0.2 * cos(pi / 4), 2: 0.3, 4: 0.1, 100: 0.1}),
    (Cosine(0.6, 0.1, updates=7, warmup=3), {0: 0.2, 1: 0.4, 2: 0.6, 3: 0.6, 5: 0.35, 7: 0.1, 8: 0.1}),
]
each_schedule = pytest.mark.parametrize(("schedule", "rates"), SCHEDULES, ids=[repr(s) for s, _ in SCHEDULES])


@each_schedule
def test_a_schedule_gives_its_rate_for_a_number_of_updates_done(schedule, rates):
    assert [schedule(count) for count in rates] == pytest.approx(list(rates.values()), rel=1e-15)


@each_schedule
def test_a_schedule_prints_as_the_call_that_makes_it_and_describes_itself_in_json(schedule, rates):
    assert eval(repr(schedule)) == schedule  # noqa: S307  # our own text
    document = json.loads(json.dumps(schedule.describe()))
    assert document.pop("schedule") == type(schedule).__name__
    assert type(schedule)(**document) == schedule


def test_a_cosine_only_falls_between_warm_up_and_floor_and_meets_both_ends_exactly():
    rates = [Cosine(0.7, 0.3, updates=50, warmup=10)(count) for count in range(10, 51)]
    assert rates[0] == 0.7
    assert rates[-1] == 0.3
    assert all(np.diff(rates) < 0)


def test_inverse_time_with_enough_updates_outlives_the_noise_that_a_constant_rate_keeps():
    """Robbins and Monro: on ½ q² with unit noise in the gradient, a constant rate stops at a variance of μ / (2 - μ)."""
    rng, runs = np.random.default_rng(4), 2000
    settled = {}
    for name, rate in (("constant", Constant(0.5)), ("falling", InverseTime(0.5, 0.5))):
        rule, q = GradientDescent(rate), np.ones(runs)
        for _ in range(1000):
            q = rule.step(q, q + rng.standard_normal(runs))
        settled[name] = float(np.mean(q**2))
    assert settled["constant"] == pytest.approx(0.5 / 1.5, rel=0.1)  # 2000 runs: a standard error of 3 %
    assert settled["falling"] < 0.01


@pytest.mark.parametrize(
    ("make", "name"),
    [
        (GradientDescent, "lr"),
        (Momentum, "lr"),
        (DampedParticle, "alpha"),
        (AdaGrad, "lr"),
        (lambda lr: AdaGrad(lr, "mean"), "lr"),
        (lambda lr: AdaGrad(lr, "full"), "lr"),
        (RMSProp, "lr"),
        (Adam, "lr"),
    ],
    ids=["gradient descent", "momentum", "particle", "sum", "mean", "full", "rmsprop", "adam"],
)
def test_a_schedule_gives_the_steps_of_a_rate_that_is_set_by_hand_before_each(make, name, bind):
    rates = [0.1, 0.05, 0.2, 0.01]
    x, t = np.random.default_rng(5).standard_normal((2, 6, 2))
    made = []
    for by_hand in (False, True):
        model = bind([Dense(2, activation="tanh")], 2, [0.1, -0.2, 0.3, 0.4, 0.5, -0.6])
        optimizer = make(0.1 if by_hand else rates.__getitem__)
        step = gcnn.training_step(model, optimizer)
        for rate in rates:
            if by_hand:
                setattr(optimizer, name, rate)
            step(x, t)
        made.append(model.theta)
    np.testing.assert_array_equal(*made)


def test_step_on_vectors_counts_its_updates_for_the_schedule():
    rule, q = GradientDescent(Step(1.0, 0.1, every=2)), np.zeros(1)
    moved = [rule.step(q, np.ones(1))[0] for _ in range(5)]
    assert moved == pytest.approx([-1, -1, -0.1, -0.1, -0.01])
    assert rule.values(4) == {"lr": pytest.approx(0.01)}
    assert rule.hyperparameters == {"lr": 1.0}


def test_a_new_training_step_on_the_same_optimizer_starts_its_schedule_again(bind):
    optimizer = GradientDescent(Step(0.5, 0.5, every=1))
    for _ in range(2):
        model = bind([Dense(1, bias=False)], 1, [1.0])
        step = gcnn.training_step(model, optimizer)
        for expected in (0.5, 0.375):  # 1 - ½, then times 1 - ¼
            step(np.ones((1, 1)), np.zeros((1, 1)))
            assert model.theta == pytest.approx([expected], abs=1e-15)
