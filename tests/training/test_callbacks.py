"""Callbacks: in order, all of them, before the training is saved; those that raise, that last, and that finish."""

from __future__ import annotations

import numpy as np
import pytest

import gcnn
from gcnn import Checkpoint, Network
from gcnn.checkpoint import read_checkpoint
from gcnn.errors import CheckpointError, DataError, NetworkError
from gcnn.layers import Dense
from gcnn.optimizers import GradientDescent, Momentum
from gcnn.optimizers.schedules import Cosine, InverseTime

X = np.linspace(-1, 1, 11)[:, None]
T = 2 * X[:, 0] + 1


class Fail(Exception):
    pass


class Counter:
    """A callback with a state, that is printed with it."""

    def __init__(self, stop_at=None):
        self.calls, self.finished, self.stop_at = 0, 0, stop_at

    def __call__(self, epoch, model, history):
        self.calls += 1
        return epoch == self.stop_at

    def state(self):
        return {"calls": np.array([float(self.calls)])}, {"calls": self.calls}

    def restore(self, tensors, document):
        self.calls = document["calls"]
        assert tensors["calls"].tolist() == [float(self.calls)]

    def finish(self, model, history):
        self.finished += 1

    def __repr__(self):
        return f"Counter(after {self.calls} calls)"


@pytest.fixture
def fit(tmp_path):
    def fit(optimizer=None, epochs=4, resume=None, seconds=0.0, **more):
        model = Network([Dense(1)], 1, "mse").bind("numpy", dtype="float64", batch=4)
        checkpoint = None if resume is None else Checkpoint(tmp_path / "checkpoint", seconds, resume)
        optimizer = GradientDescent(0.1) if optimizer is None else optimizer
        return model, gcnn.train(model, (X, T), optimizer, epochs, checkpoint=checkpoint, **more)

    return fit


def recorder(calls, name, answer=None):
    def call(epoch, model, history):
        calls.append((epoch, name))
        return answer

    return call


def test_callbacks_are_called_in_the_order_given_and_all_of_them_though_the_first_stops(fit):
    calls = []
    _, history = fit(callbacks=[recorder(calls, "a", True), recorder(calls, "b"), recorder(calls, "c", True)])
    assert calls == [(1, "a"), (1, "b"), (1, "c")]
    assert history.epochs == 1


def test_finish_is_called_once_after_the_last_epoch_in_order_and_after_the_last_checkpoint(fit, tmp_path):
    calls = []

    class Last(Counter):
        def finish(self, model, history):
            calls.append((self.stop_at, history.epochs, read_checkpoint(tmp_path / "checkpoint").document["count"]))
            model.theta = model.theta + 1

    model, _ = fit(resume=False, callbacks=[Last(9), Last(8)])
    assert calls == [(9, 4, 12), (8, 4, 12)]
    np.testing.assert_array_equal(read_checkpoint(tmp_path / "checkpoint").tensors["theta"] + 2, model.theta)


def test_finish_is_called_where_a_callback_has_stopped_the_training_too(fit):
    counter = Counter(stop_at=2)
    fit(callbacks=[counter])
    assert (counter.calls, counter.finished) == (2, 1)


@pytest.mark.parametrize("place", [0, 1])
def test_a_callback_that_raises_ends_the_training_and_its_epoch_is_done_again(place, fit, tmp_path):
    def fail(epoch, model, history):
        if epoch == 3:
            raise Fail

    first = Counter()
    with pytest.raises(Fail):
        fit(resume=False, seconds=3600, callbacks=[fail, first] if place == 0 else [first, fail])
    assert first.finished == 0
    assert len(read_checkpoint(tmp_path / "checkpoint").document["history"]["loss"]) == 2
    again = Counter()
    model, history = fit(resume=True, callbacks=[again])
    whole, uninterrupted = fit(callbacks=[Counter()])
    assert (again.calls, again.finished) == (4, 1)
    assert history == uninterrupted
    np.testing.assert_array_equal(model.theta, whole.theta)


def test_a_state_is_saved_after_the_callbacks_of_its_epoch(fit, tmp_path):
    fit(epochs=2, resume=False, callbacks=[Counter()])
    snapshot = read_checkpoint(tmp_path / "checkpoint")
    assert snapshot.document["callbacks"] == [{"calls": 2}]
    assert snapshot.tensors["callback.0.calls"].tolist() == [2.0]


def test_states_of_many_callbacks_are_told_apart_and_what_only_watches_may_change(fit):
    calls = []
    fit(epochs=2, resume=False, callbacks=[Counter() for _ in range(12)])
    counters = [Counter() for _ in range(12)]
    for number, counter in enumerate(counters):
        counter.restore = lambda tensors, document, number=number: calls.append((number, sorted(tensors), document))
    fit(epochs=3, resume=True, callbacks=[print_nothing, *counters])
    assert calls == [(number, ["calls"], {"calls": 2}) for number in range(12)]


def print_nothing(epoch, model, history):
    pass


def test_a_callback_is_known_by_what_it_was_at_the_start(fit):
    """Its text counts the calls, and so differs between the checkpoint's time and now."""
    fit(epochs=2, resume=False, callbacks=[Counter()])
    counter = Counter()
    fit(epochs=3, resume=True, callbacks=[counter])
    assert counter.calls == 3


def test_arrays_that_files_do_not_hold_are_refused_when_they_are_saved_and_not_when_they_are_missed(fit, tmp_path):
    class Whole(Counter):
        def state(self):
            return {"calls": np.array([self.calls])}, {}

    with pytest.raises(DataError, match=r"callback.0.calls is in int64; files hold float32 or float64"):
        fit(resume=False, callbacks=[Whole()])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("value", [{1, 2}, np.float32(1), np.array([1.0]), b"x"])
def test_what_json_has_not_is_refused_when_it_is_saved(value, fit, tmp_path):
    class Odd(Counter):
        def state(self):
            return {}, {"value": value}

    with pytest.raises(DataError, match=r"what a callback keeps, cannot be saved.*Python's own numbers"):
        fit(resume=False, callbacks=[Odd()])
    assert list(tmp_path.iterdir()) == []


def halving(optimizer, make):
    def change(epoch, model, history):
        if epoch == 2:
            optimizer.lr = make()

    return change


@pytest.mark.parametrize(
    ("first", "then"),
    [
        (lambda: 0.1, lambda: 0.05),
        (lambda: 0.1, lambda: InverseTime(0.1, 0.5)),
        (lambda: InverseTime(0.1, 0.5), lambda: 0.01),
        (lambda: InverseTime(0.1, 0.5), lambda: Cosine(0.1, 0.001, 10, warmup=2)),
    ],
)
def test_a_rate_that_a_callback_has_set_is_gone_on_with(first, then, fit):
    def run(epochs, **more):
        optimizer = Momentum(first())
        return fit(optimizer, epochs, callbacks=[halving(optimizer, then)], **more)

    whole, history = run(5)
    run(3, resume=False)
    model, resumed = run(5, resume=True)
    assert resumed == history
    np.testing.assert_array_equal(model.theta, whole.theta)


def test_a_rate_that_no_checkpoint_can_give_back_is_refused_when_it_is_set(fit, tmp_path):
    optimizer = Momentum(0.1)
    with pytest.raises(CheckpointError, match=r"a callback has set lr to .*lambda.*gcnn.optimizers.schedules"):
        fit(optimizer, resume=False, callbacks=[halving(optimizer, lambda: lambda count: 0.1)])
    assert len(read_checkpoint(tmp_path / "checkpoint").document["history"]["loss"]) == 1


def test_a_function_as_rate_from_the_start_is_gone_on_with_by_its_name(fit):
    def rate(count):
        return 0.1 / (1 + count)

    whole, _ = fit(GradientDescent(rate), 4)
    fit(GradientDescent(rate), 2, resume=False)
    model, _ = fit(GradientDescent(rate), 4, resume=True)
    np.testing.assert_array_equal(model.theta, whole.theta)


@pytest.mark.parametrize("resume", [None, False])
def test_a_callback_that_trains_the_model_itself_is_told_that_only_one_can(resume, fit):
    def train(epoch, model, history):
        gcnn.train(model, (X, T), epochs=1)

    with pytest.raises(NetworkError, match="another training step was made on this model"):
        fit(resume=resume, callbacks=[train])


def test_a_callback_may_measure_now_and_then(fit):
    def measure(epoch, model, history):
        if epoch % 2:
            history.accuracy.append(float(epoch))

    fit(epochs=3, resume=False, callbacks=[measure])
    _, history = fit(epochs=5, resume=True, callbacks=[measure])
    assert history.accuracy == [1.0, 3.0, 5.0]


def test_two_trainings_after_each_other_share_nothing_but_the_model():
    def run(optimizers):
        model = Network([Dense(1)], 1, "mse").bind("numpy", dtype="float64", batch=4)
        for optimizer in optimizers:
            gcnn.train(model, (X, T), optimizer, 2)
        return model.theta.tolist()

    one = Momentum(0.1)
    assert run([one, one]) == run([Momentum(0.1), Momentum(0.1)])


def test_a_callback_may_move_to_another_folder(fit, tmp_path, monkeypatch):
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path)

    def move(epoch, model, history):
        monkeypatch.chdir(tmp_path / "elsewhere")

    model = Network([Dense(1)], 1, "mse").bind("numpy", dtype="float64", batch=4)
    gcnn.train(model, (X, T), GradientDescent(0.1), 3, callbacks=[move], checkpoint="checkpoint")
    assert read_checkpoint(tmp_path / "checkpoint").document["count"] == 9
    assert list((tmp_path / "elsewhere").iterdir()) == []
