"""Optimizers: hyper-parameters, and penalties that do not fit the network."""

from __future__ import annotations

from math import inf, nan

import numpy as np
import pytest

import gcnn
from gcnn.errors import OptimizerError
from gcnn.optimizers import Adam, GradientDescent, Momentum


@pytest.mark.parametrize("value", [0, -0.1, nan, inf, "0.1", None, True, 1j, [0.1]])
def test_a_step_size_that_is_no_positive_number_is_refused(refuses, value):
    for method in (GradientDescent, Momentum, Adam):
        with refuses(OptimizerError, f"{method.__name__}: lr must be a number in (0, inf)", repr(value)):
            method(lr=value)


@pytest.mark.parametrize(("name", "value"), [("beta1", 1), ("beta1", -0.1), ("beta2", 1.0), ("eps", 0), ("l2", -1)])
def test_a_hyper_parameter_outside_its_range_is_refused_by_name(refuses, name, value):
    with refuses(OptimizerError, f"Adam: {name} must be a number in", repr(value)):
        Adam(**{name: value})


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
    def decline(*_):
        raise gcnn.Unsupported("numpy", ["no updates today"])

    monkeypatch.setattr(type(model._backend), "plan", decline)
    with refuses(gcnn.Unsupported, "no updates today"):
        gcnn.training_step(model, Adam())
    # The `model` fixture then checks that parameters and plan are as before.
