"""A model that is planned again for training keeps its parameters, holds one plan at a time, and stays as it was where that is refused."""

from __future__ import annotations

import numpy as np
import pytest

import gcnn
from gcnn.layers import Dense
from gcnn.optimizers import Adam, Momentum

X, T = np.linspace(-1, 1, 12).reshape(4, 3), np.eye(2)[[0, 1, 0, 1]]


@pytest.fixture
def model():
    return gcnn.Network([Dense(5, activation="tanh"), Dense(2)], (3,), "mse").bind("numpy", dtype="float64", batch=4)


@pytest.fixture
def planned(model, monkeypatch):
    """Which plans were made and closed, in order."""
    plan, events = model._backend.plan, []

    def made(program, *arguments):
        if program.update is not None and program.update.kind == "adam":
            raise gcnn.Unsupported("numpy", ["adam"])
        found = plan(program, *arguments)
        close = found.close
        found.close = lambda: (events.append("closed"), close())
        events.append("made")
        return found

    monkeypatch.setattr(model._backend, "plan", made)
    close = model.plan.close
    model.plan.close = lambda: (events.append("closed"), close())
    return events


def test_the_plan_before_is_closed_first(model, planned):
    theta, y = model.theta, model.forward(X)
    gcnn.training_step(model, Momentum())
    assert planned == ["closed", "made"]
    np.testing.assert_array_equal(model.theta, theta)
    np.testing.assert_array_equal(model.forward(X), y)


def test_what_is_refused_leaves_the_model_as_it_was(model, planned):
    theta, y = model.theta, model.forward(X)
    with pytest.raises(gcnn.Unsupported, match="adam"):
        gcnn.training_step(model, Adam())
    np.testing.assert_array_equal(model.theta, theta)
    np.testing.assert_array_equal(model.forward(X), y)


def test_what_is_refused_leaves_a_step_as_it_was(model, planned):
    step = gcnn.training_step(model, Momentum())
    first = step(X, T)
    with pytest.raises(gcnn.Unsupported, match="adam"):
        gcnn.training_step(model, Adam())
    assert step(X, T) < first
    assert step.count == 2
