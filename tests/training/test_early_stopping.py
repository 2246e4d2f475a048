"""`EarlyStopping`: when it stops, what it keeps, and that nothing of one training reaches the next."""

from __future__ import annotations

from math import inf, nan

import numpy as np
import pytest

import gcnn
from gcnn import EarlyStopping, History, Network
from gcnn.errors import DataError, FormatError
from gcnn.layers import Dense
from gcnn.optimizers import GradientDescent


@pytest.fixture
def model():
    return Network([Dense(1, bias=False)], 1, "mse").bind("numpy", dtype="float64")


def epochs_until_stopped(stopping, model, curve):
    """Call it as a training does, with θ = the epoch's number; the epochs that were run."""
    history = History()
    for epoch in range(1, len(curve) + 1):
        model.theta = np.array([float(epoch)])
        history.loss.append(0.0)
        getattr(history, stopping.monitor)[:] = curve[:epoch]
        if stopping(epoch, model, history):
            return epoch
    return None


@pytest.mark.parametrize(
    ("patience", "curve", "stops", "best"),
    [
        (1, [3, 2, 1, 1, 0], 4, 3),
        (1, [3, 4], 2, 1),
        (2, [3, 4, 2, 4, 3, 0], 5, 3),
        (3, [3, 4, 4, 2, 4, 3, 3, 0], 7, 4),
        (2, [5, 4, 3, 2, 1], None, 5),
        (2, [1, 1, 1], 3, 1),
        (5, [1, 2, 3, 4, 5], None, 1),
        (2, [inf, 5, 6, 7], 4, 2),
        (2, [inf, inf, inf], 3, 1),
        (2, [nan, 5, 4, 5, 6], 5, 3),
        (2, [5, nan, 4, nan, nan, 0], 5, 3),
        (3, [nan, nan, nan, 1], 3, None),
        (1, [0.0, -0.0], 2, 1),
    ],
)
def test_it_stops_when_patience_epochs_brought_nothing_better_and_gives_back_the_best(
    patience, curve, stops, best, model
):
    stopping = EarlyStopping(patience, "loss")
    assert epochs_until_stopped(stopping, model, curve) == stops
    last = stops or len(curve)
    stopping.finish(model, History())
    assert model.theta.tolist() == [best or last]


def test_of_the_accuracy_more_is_better(model):
    stopping = EarlyStopping(2, "accuracy")
    assert epochs_until_stopped(stopping, model, [0.1, 0.5, 0.4, 0.5, 0.9]) == 4
    assert (stopping.best, stopping.best_epoch) == (0.5, 2)


@pytest.mark.parametrize(("least", "stops"), [(0.0, None), (0.49, None), (0.5, 3), (1.0, 3)])
@pytest.mark.parametrize("monitor", EarlyStopping.MONITORS)
def test_no_gain_but_one_of_more_than_least_counts(monitor, least, stops, model):
    curve = [0.0, 0.25, 0.5, 0.75, 1.0]
    stopping = EarlyStopping(2, monitor, least)
    assert epochs_until_stopped(stopping, model, curve if monitor == "accuracy" else curve[::-1]) == stops


def test_gains_add_up_against_the_best_and_not_against_the_epoch_before(model):
    stopping = EarlyStopping(3, "loss", least=1.0)
    assert epochs_until_stopped(stopping, model, [10.0, 9.5, 9.0, 8.5, 8.0, 7.5]) is None
    assert (stopping.best, stopping.best_epoch) == (8.5, 4)


def test_without_keep_best_the_last_parameters_stay(model):
    stopping = EarlyStopping(1, "loss", keep_best=False)
    assert epochs_until_stopped(stopping, model, [1, 2, 3]) == 2
    stopping.finish(model, History())
    assert model.theta.tolist() == [2.0]


def test_the_best_parameters_are_a_copy(model):
    stopping = EarlyStopping(3, "loss")
    epochs_until_stopped(stopping, model, [1.0])
    model.plan.theta[...] = 77.0
    stopping.finish(model, History())
    assert model.theta.tolist() == [1.0]


X, T = np.array([[1.0], [2.0]]), np.array([3.0, 5.0])


def test_nothing_of_one_training_reaches_the_next():
    def run(stopping, seed, t):
        model = Network([Dense(1)], 1, "mse", seed).bind("numpy", dtype="float64")
        history = gcnn.train(model, (X, t), GradientDescent(1e-3), 8, callbacks=[stopping])
        return model.theta.tolist(), history

    used = EarlyStopping(2, "loss")
    run(used, 0, T)
    again, alone = run(used, 1, 100 * T), run(EarlyStopping(2, "loss"), 1, 100 * T)
    assert again == alone
    assert alone[1].epochs == 8, "every epoch is better: none may be counted against the losses of the first training"


@pytest.mark.parametrize("monitor", ["validation_loss", "accuracy"])
def test_what_is_not_measured_is_told_with_the_remedy(monitor, model):
    with pytest.raises(DataError, match=rf"looks at {monitor}.*give train validation data"):
        gcnn.train(model, (X, T), callbacks=[EarlyStopping(monitor=monitor)])


def test_the_accuracy_of_numbers_is_not_measured_either(model):
    with pytest.raises(DataError, match="looks at accuracy"):
        gcnn.train(model, (X, T), validation=(X, T), callbacks=[EarlyStopping(monitor="accuracy")])


def test_a_training_ends_with_the_best_parameters_of_the_validation_data():
    model, thetas = Network([Dense(1)], 1, "mse").bind("numpy", dtype="float64"), []

    def look(epoch, given, history):
        thetas.append(given.theta.tolist())

    validation = (X, T)  # lies on the way to what is trained for
    history = gcnn.train(model, (X, 3 * T), GradientDescent(0.02), 60, validation, callbacks=[EarlyStopping(3), look])
    best = int(np.argmin(history.validation_loss))
    assert 0 < best == history.epochs - 4 < 50
    assert model.theta.tolist() == thetas[best]
    assert model.loss(*validation) == min(history.validation_loss)


def test_a_state_goes_through_json_and_back(model):
    stopping = EarlyStopping(4, "loss")
    epochs_until_stopped(stopping, model, [0.1 + 0.2, 1.0])
    tensors, document = stopping.state()
    other = EarlyStopping(4, "loss")
    other.restore(tensors, document)
    assert (other.best, other.best_epoch) == (0.1 + 0.2, 1)
    assert other.state()[1] == document
    other.finish(model, History())
    assert model.theta.tolist() == [1.0]


GOOD = ({"theta": np.ones(1)}, {"best": 1.0, "best_epoch": 1})


@pytest.mark.parametrize(
    ("tensors", "document", "said"),
    [
        ({}, GOOD[1], "best parameters are missing"),
        ({"theta": np.zeros(0)}, GOOD[1], "best parameters are missing"),
        ({"theta": np.array([nan])}, GOOD[1], "damaged"),
        (GOOD[0], {"best": None, "best_epoch": 0}, "damaged"),
        (GOOD[0], {"best": "1", "best_epoch": 1}, "'best' must be float or null"),
        (GOOD[0], {"best": 1.0}, "'best_epoch' is missing"),
        (GOOD[0], {"best": 1.0, "best_epoch": 1.0}, "'best_epoch' must be int"),
    ],
)
def test_a_damaged_state_is_refused(tensors, document, said):
    with pytest.raises(FormatError, match=said):
        EarlyStopping().restore(tensors, document)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"patience": 0}, "patience must be an integer of at least 1, got 0"),
        ({"patience": 2.0}, "patience"),
        ({"patience": True}, "patience"),
        ({"monitor": "validation-loss"}, "Did you mean 'validation_loss'"),
        ({"least": -0.1}, "least must be a number of at least 0"),
        ({"least": nan}, "least"),
        ({"least": inf}, "least"),
        ({"least": None}, "least"),
    ],
)
def test_settings_out_of_range_are_refused(settings, said):
    with pytest.raises(DataError, match=said):
        EarlyStopping(**settings)


def test_settings_that_differ_in_the_last_digit_are_told_apart():
    assert repr(EarlyStopping(least=0.1)) != repr(EarlyStopping(least=np.nextafter(0.1, 1)))
