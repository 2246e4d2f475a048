"""Optimizers: hyper-parameters, and penalties that do not fit the network."""

from __future__ import annotations

from math import inf, nan

import numpy as np
import pytest

import gcnn
from gcnn.errors import OptimizerError
from gcnn.optimizers import AdaGrad, Adam, DampedParticle, GradientDescent, Momentum, RMSProp
from gcnn.optimizers.base import MATRIX_LIMIT
from gcnn.optimizers.schedules import Constant, Cosine, Exponential, InverseTime, Step

METHODS = (GradientDescent, Momentum, AdaGrad, RMSProp, Adam)
NO_RATES = [0, -0.1, nan, inf, 10**400, "0.1", None, True, 1j, [0.1]]


@pytest.mark.parametrize("value", [*NO_RATES, Exponential])
def test_a_step_size_that_is_no_positive_number_is_refused(refuses, value):
    for method in METHODS:
        with refuses(OptimizerError, f"{method.__name__}: lr must be a number in (0, inf), or a schedule", repr(value)):
            method(lr=value)
    with refuses(OptimizerError, "DampedParticle: alpha must be a number in (0, inf), or a schedule", repr(value)):
        DampedParticle(value)


@pytest.mark.parametrize("value", NO_RATES)
def test_a_step_size_is_checked_when_it_is_assigned_too_and_the_old_one_stays(refuses, value):
    for method in METHODS:
        optimizer = method(lr=0.25)
        with refuses(OptimizerError, f"{method.__name__}: lr must be a number in (0, inf)", repr(value)):
            optimizer.lr = value
        assert optimizer.lr == 0.25
        optimizer.lr = 0.5
        assert optimizer.hyperparameters["lr"] == 0.5


@pytest.mark.parametrize(("name", "value"), [("beta1", 1), ("beta1", -0.1), ("beta2", 1.0), ("eps", 0), ("l2", -1)])
def test_a_hyper_parameter_outside_its_range_is_refused_by_name(refuses, name, value):
    with refuses(OptimizerError, f"Adam: {name} must be a number in", repr(value)):
        Adam(**{name: value})


@pytest.mark.parametrize(
    ("method", "name", "value"),
    [
        (Momentum, "momentum", 1),
        (Momentum, "momentum", InverseTime(0.1, 0.1)),
        (DampedParticle, "gamma", 0),
        (AdaGrad, "eps", 0),
        (RMSProp, "beta", 1),
        (RMSProp, "beta", -0.5),
        (RMSProp, "eps", nan),
        (Adam, "beta2", "0.9"),
    ],
)
def test_other_hyper_parameters_are_checked_when_made_and_when_assigned(refuses, method, name, value):
    with refuses(OptimizerError, f"{method.__name__}: {name} must be a number in", repr(value)):
        method(**{name: value})
    optimizer = method()
    before = optimizer.hyperparameters
    with refuses(OptimizerError, f"{method.__name__}: {name} must be a number in", repr(value)):
        setattr(optimizer, name, value)
    assert optimizer.hyperparameters == before


def test_a_friction_that_turns_the_velocity_round_is_refused(refuses):
    with refuses(OptimizerError, "alpha * gamma", "at most 1", "0.5 * 4 = 2"):
        DampedParticle(0.5, 4.0)
    particle = DampedParticle(0.5, 2.0)
    with refuses(OptimizerError, "0.5 * 3 = 1.5"):
        particle.gamma = 3.0
    with refuses(OptimizerError, "1 * 2 = 2"):
        particle.alpha = 1
    assert particle.hyperparameters == {"alpha": 0.5, "gamma": 2.0}
    particle.alpha = lambda count: 0.1 * (count + 1)
    with refuses(OptimizerError, "1 * 2 = 2 after 9 updates"):
        particle.values(9)


@pytest.mark.parametrize("value", [0, -1, nan, inf, "1", True, [1.0]])
@pytest.mark.parametrize("name", ["clip_norm", "clip_value"])
def test_a_limit_that_is_no_positive_number_is_refused(refuses, name, value):
    with refuses(OptimizerError, f"Adam: {name} must be a number in (0, inf) or None", repr(value)):
        Adam(**{name: value})


@pytest.mark.parametrize(
    ("name", "value"), [("l2", 0.2), ("l2_centre", None), ("l2_mask", [True]), ("clip_norm", 1.0), ("clip_value", 1.0)]
)
def test_what_plans_are_made_from_cannot_be_changed_afterwards(refuses, name, value):
    optimizer = Adam(l2=0.1, clip_norm=2.0)
    with refuses(OptimizerError, f"Adam: {name} is part of the rule", "Make a new optimizer", "new training step"):
        setattr(optimizer, name, value)
    assert (optimizer.l2, optimizer.l2_centre, optimizer.clip_norm) == (0.1, None, 2.0)


def test_an_unknown_form_of_adagrad_is_refused_with_the_nearest(refuses):
    with refuses(OptimizerError, "AdaGrad: unknown form 'men'", "Did you mean 'mean'?"):
        AdaGrad(form="men")


def test_a_full_matrix_of_too_many_parameters_is_refused_before_any_of_it_is_made(refuses, monkeypatch):
    monkeypatch.setattr(np, "zeros", lambda *_: pytest.fail("something was allocated"))
    n = MATRIX_LIMIT + 1
    q = np.ones(n)
    with refuses(
        OptimizerError, f"{n} x {n}", f"{8 * n * n:,} bytes", f"at most {MATRIX_LIMIT}", "AdaGrad(form='sum')"
    ):
        AdaGrad(form="full").step(q, q)


def test_a_network_with_too_many_parameters_for_a_full_matrix_keeps_its_plan(refuses):
    model = gcnn.Network([gcnn.layers.Dense(64)], 64, loss="mse").bind("numpy")
    plan = model.plan
    with refuses(OptimizerError, "4160 x 4160", "for 4160 parameters"):
        gcnn.training_step(model, AdaGrad(form="full"))
    assert model.plan is plan


SCHEDULES = [
    (Constant, {"lr": 0.1}),
    (Step, {"lr": 0.1, "factor": 0.5, "every": 3}),
    (InverseTime, {"lr": 0.1, "k": 0.5}),
    (Exponential, {"lr": 0.1, "factor": 0.5, "every": 3}),
    (Cosine, {"lr": 0.1, "floor": 0.01, "updates": 3, "warmup": 1}),
]


@pytest.mark.parametrize(("schedule", "good"), SCHEDULES, ids=[schedule.__name__ for schedule, _ in SCHEDULES])
def test_a_schedule_is_checked_when_it_is_made(refuses, schedule, good):
    schedule(**good)
    for name in good:
        counts = name in ("every", "updates", "warmup")
        expected = "counts updates and must be an integer" if counts else "must be a number in (0, inf)"
        for value in (-1, nan, "1", None, True, 1j, 0.5 if counts else 0):
            with refuses(OptimizerError, f"{schedule.__name__}: {name} {expected}", repr(value)):
                schedule(**good | {name: value})


def test_a_cosine_that_rises_or_never_falls_is_refused(refuses):
    with refuses(OptimizerError, "Cosine: floor must not be above lr=0.1", "0.2"):
        Cosine(0.1, 0.2, 10)
    with refuses(OptimizerError, "Cosine: warmup must end before updates=10"):
        Cosine(0.1, 0.01, 10, warmup=10)


@pytest.mark.parametrize("rate", [0.0, -1.0, nan, inf, "0.1", None, True, [0.1]])
def test_a_function_that_gives_no_rate_is_refused_at_once_with_its_name(refuses, rate):
    def my_rate(count):
        return rate

    with refuses(OptimizerError, "Adam: lr after 0 updates", "my_rate", "must be a number in (0, inf)", repr(rate)):
        Adam(my_rate)
    optimizer = Adam(0.25)
    with refuses(OptimizerError, "Adam: lr after 0 updates"):
        optimizer.lr = my_rate
    assert optimizer.lr == 0.25


@pytest.mark.parametrize(
    ("schedule", "count"),
    [(Exponential(0.1, 0.5), 2000), (Exponential(0.1, 2.0), 2000), (Step(0.1, 3.0, 1), 2000), (lambda n: 3.0 - n, 3)],
)
def test_a_schedule_that_leaves_the_range_later_is_refused_then_with_schedule_and_count(refuses, schedule, count):
    optimizer = Momentum(schedule)
    assert optimizer.values(count - 1 if count == 3 else 10)["lr"] > 0
    with refuses(
        OptimizerError, f"Momentum: lr after {count} updates, from {schedule!r}, must be a number in (0, inf)"
    ):
        optimizer.values(count)


def test_a_step_whose_rate_is_refused_changes_nothing(refuses):
    optimizer, q = Momentum(lambda count: 0.1 if count < 2 else -0.1), np.ones(2)
    for _ in range(2):
        q = optimizer.step(q, q)
    before, document = optimizer.state()
    with refuses(OptimizerError, "lr after 2 updates"):
        optimizer.step(q, q)
    after, same = optimizer.state()
    assert document == same
    np.testing.assert_array_equal(before["step"], after["step"])


@pytest.mark.parametrize(
    ("arrays", "document"),
    [
        ({"step": np.zeros(2)}, {"kind": "momentum", "count": 1}),
        ({"m": np.zeros(2)}, {"kind": "adam", "count": 1}),
        ({"m": np.zeros(2), "v": np.zeros(2)}, {"kind": "adam"}),
        ({"m": np.zeros(2), "v": np.zeros(2)}, {"kind": "adam", "count": -1}),
        ({"m": np.zeros(2), "v": np.zeros(2)}, {"kind": "adam", "count": True}),
        ({"m": np.zeros(2), "v": np.zeros(2)}, {"kind": "adam", "count": 0}),
        ({}, {}),
    ],
)
def test_a_state_of_another_method_or_in_part_is_refused(refuses, arrays, document):
    optimizer = Adam()
    with refuses(OptimizerError, "cannot go on from a state", "'adam'", "['m', 'v']"):
        optimizer.restore(arrays, document)
    assert optimizer.state() == ({}, {"kind": "adam", "count": 0})


def test_a_state_of_another_length_is_refused_by_the_next_step(refuses):
    optimizer = AdaGrad(form="full")
    optimizer.restore({"products": np.zeros(9)}, {"kind": "adagrad_full", "count": 1})
    with refuses(OptimizerError, "state for another length than 2"):
        optimizer.step(np.ones(2), np.ones(2))


@pytest.mark.parametrize("name", ["l2_centre", "l2_mask"])
@pytest.mark.parametrize("value", ["origin", [[1.0]], [nan], [1j], [1, [2]], 3.0])
def test_a_penalty_vector_that_is_no_vector_is_refused(refuses, name, value):
    with refuses(OptimizerError, f"GradientDescent: {name}", "vector"):
        GradientDescent(l2=1.0, **{name: value})


@pytest.mark.parametrize("name", ["l2_centre", "l2_mask"])
def test_a_penalty_vector_of_another_length_is_refused_before_the_model_is_planned_again(model, refuses, name):
    plan = model.plan
    optimizer = GradientDescent(l2=1.0, **{name: np.ones(3)})
    with refuses(OptimizerError, f"{name} has 3 entries for 17 parameters"):
        gcnn.training_step(model, optimizer)
    assert model.plan is plan
    with refuses(OptimizerError, f"{name} has 3 entries for 2 parameters"):
        optimizer.step(np.ones(2), np.ones(2))


@pytest.mark.parametrize("optimizer", ["adam", Adam, 0, False])
def test_what_is_no_optimizer_is_refused_with_an_example_of_one(model, refuses, optimizer):
    x, t = np.zeros((4, 2)), np.zeros(4, dtype=int)
    with refuses(OptimizerError, "gcnn.optimizers.Adam()", repr(optimizer)):
        gcnn.training_step(model, optimizer)
    with refuses(OptimizerError, "gcnn.optimizers.Adam()", repr(optimizer)):
        gcnn.train(model, (x, t), optimizer)


def test_a_model_survives_an_update_that_its_backend_declines(model, refuses, monkeypatch):
    plan = type(model._backend).plan

    def decline(backend, program, *rest):
        if program.update is not None:
            raise gcnn.Unsupported("numpy", ["no updates today"])
        return plan(backend, program, *rest)

    monkeypatch.setattr(type(model._backend), "plan", decline)
    with refuses(gcnn.Unsupported, "no updates today"):
        gcnn.training_step(model, Adam())
    # The `model` fixture then checks that parameters and plan are as before.
