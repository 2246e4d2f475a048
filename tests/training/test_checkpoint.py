"""A training that is stopped anywhere and goes on ends with the bits of one that never stopped."""

from __future__ import annotations

import logging
import signal

import numpy as np
import pytest

import gcnn
from gcnn import Checkpoint, EarlyStopping, Interrupted, Network
from gcnn.checkpoint import read_checkpoint
from gcnn.data import ArraySamples
from gcnn.errors import CheckpointError, FormatError
from gcnn.layers import Convolution, Dense, MaxPooling
from gcnn.optimizers import Adam, GradientDescent, Momentum

SAMPLES, BATCH, EPOCHS = 22, 5, 3
STEPS = 5  # a full epoch: four full batches and a short one
RNG = np.random.default_rng(0)
X = RNG.normal(size=(SAMPLES, 1, 6, 6))
LABELS = RNG.integers(0, 3, SAMPLES)
HELD_BACK = (RNG.normal(size=(7, 1, 6, 6)), RNG.integers(0, 3, 7))


def jitter(x, rng):
    """An augmentation that draws from the generator, so that its state within an epoch matters."""
    return x + 0.1 * rng.normal(size=x.shape)


class Stop(Exception):
    pass


class After:
    """A progress that ends the process's work after so many steps, as a kill would."""

    def __init__(self, steps):
        self.left = steps

    def __call__(self, batches, epoch):
        for rows in batches:
            if not self.left:
                raise Stop
            self.left -= 1
            yield rows


def fit(optimizer=None, dtype="float32", epochs=EPOCHS, network_seed=0, data=(X, LABELS), **more):
    layers = [Convolution(3, 3, activation="tanh"), MaxPooling(2), Dense(3, activation="softmax")]
    model = Network(layers, (1, 6, 6), seed=network_seed).bind("numpy", dtype=dtype, batch=BATCH)
    more = {"augment": jitter, "validation": HELD_BACK, "seed": 3} | more
    history = gcnn.train(model, data, Adam(0.02) if optimizer is None else optimizer, epochs, **more)
    return model, history


def stopped_after(steps, path, seconds=0.0, resume=False, **more):
    with pytest.raises(Stop):
        fit(progress=After(steps), checkpoint=Checkpoint(path, seconds, resume), **more)


@pytest.fixture(scope="module")
def uninterrupted():
    model, history = fit()
    return model.theta, history


@pytest.mark.row("O12")
@pytest.mark.parametrize("steps", range(EPOCHS * STEPS))
def test_a_run_stopped_after_any_step_goes_on_to_the_same_bits(steps, uninterrupted, tmp_path):
    path = tmp_path / "checkpoint.safetensors"
    stopped_after(steps, path)
    model, history = fit(checkpoint=Checkpoint(path, resume=True))
    np.testing.assert_array_equal(model.theta, uninterrupted[0])
    assert history == uninterrupted[1]
    assert len(history.loss) == len(history.validation_loss) == len(history.accuracy) == EPOCHS


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("make", [lambda: GradientDescent(0.05), lambda: Momentum(0.05, l2=0.01), lambda: Adam(0.02)])
def test_every_method_goes_on_with_its_state_through_many_stops(make, dtype, tmp_path):
    path = tmp_path / "checkpoint.safetensors"
    whole, history = fit(make(), dtype)
    stopped_after(2, path, optimizer=make(), dtype=dtype)
    for _ in range(3):
        stopped_after(3, path, resume=True, optimizer=make(), dtype=dtype)
    model, resumed = fit(make(), dtype, checkpoint=Checkpoint(path, resume=True))
    np.testing.assert_array_equal(model.theta, whole.theta)
    assert resumed == history


def test_between_two_times_only_whole_epochs_are_saved(tmp_path):
    path = tmp_path / "checkpoint.safetensors"
    stopped_after(STEPS + 3, path, seconds=3600)
    document = read_checkpoint(path).document
    assert (document["batches"], document["count"], len(document["history"]["loss"])) == (0, STEPS, 1)


def test_there_is_a_checkpoint_before_the_first_step(tmp_path, uninterrupted):
    path = tmp_path / "checkpoint.safetensors"
    stopped_after(0, path, seconds=3600)
    assert read_checkpoint(path).document["count"] == 0
    model, _ = fit(checkpoint=Checkpoint(path, resume=True))
    np.testing.assert_array_equal(model.theta, uninterrupted[0])


def test_a_finished_run_is_not_trained_again_and_more_epochs_go_on_from_its_end(tmp_path):
    path = tmp_path / "checkpoint.safetensors"
    model, history = fit(epochs=2, checkpoint=path)
    again, same = fit(epochs=2, checkpoint=Checkpoint(path, resume=True))
    np.testing.assert_array_equal(again.theta, model.theta)
    assert same == history
    longer, whole = fit(epochs=4, checkpoint=Checkpoint(path, resume=True))
    expected, all_at_once = fit(epochs=4)
    np.testing.assert_array_equal(longer.theta, expected.theta)
    assert whole == all_at_once


def test_saving_changes_nothing_in_the_training(tmp_path, uninterrupted):
    model, history = fit(checkpoint=Checkpoint(tmp_path / "checkpoint.safetensors", seconds=0))
    np.testing.assert_array_equal(model.theta, uninterrupted[0])
    assert history == uninterrupted[1]


def test_samples_that_are_read_in_parts_train_to_the_bits_of_arrays(uninterrupted):
    model, history = fit(data=ArraySamples(X.astype("float32"), LABELS), validation=ArraySamples(*HELD_BACK))
    np.testing.assert_array_equal(model.theta, uninterrupted[0])
    assert history.validation_loss == pytest.approx(uninterrupted[1].validation_loss)


def test_early_stopping_goes_on_counting_and_keeps_the_best_parameters(tmp_path):
    def stopping():
        return EarlyStopping(patience=2, monitor="validation_loss")

    path = tmp_path / "checkpoint.safetensors"
    arguments = {"optimizer": Adam(0.3), "epochs": 12}
    whole, history = fit(callbacks=[stopping()], **arguments)
    assert history.epochs < 12
    stopped_after(STEPS * (history.epochs - 1) + 1, path, callbacks=[stopping()], **arguments)
    model, resumed = fit(callbacks=[stopping()], checkpoint=Checkpoint(path, resume=True), **arguments)
    assert resumed == history
    np.testing.assert_array_equal(model.theta, whole.theta)
    assert model.loss(*HELD_BACK) == pytest.approx(min(history.validation_loss))
    # Stopped by a callback is done: going on changes nothing.
    again, same = fit(callbacks=[stopping()], checkpoint=Checkpoint(path, resume=True), **arguments)
    np.testing.assert_array_equal(again.theta, whole.theta)
    assert same == history


def test_settings_that_a_callback_has_changed_are_kept(tmp_path):
    path = tmp_path / "checkpoint.safetensors"

    def run(**more):
        optimizer = Momentum(0.1)

        def halve(epoch, model, history):
            optimizer.lr = optimizer.lr / 2

        return fit(optimizer, callbacks=[halve], **more)

    whole, history = run()
    with pytest.raises(Stop):
        run(progress=After(STEPS + 2), checkpoint=Checkpoint(path, 0.0))
    model, resumed = run(checkpoint=Checkpoint(path, resume=True))
    np.testing.assert_array_equal(model.theta, whole.theta)
    assert resumed == history


def test_a_file_that_is_there_is_not_overwritten_unasked(tmp_path):
    path = tmp_path / "checkpoint.safetensors"
    fit(epochs=1, checkpoint=path)
    before = path.read_bytes()
    with pytest.raises(CheckpointError, match=r"is there already.*resume=True"):
        fit(epochs=1, checkpoint=path)
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"network_seed": 1}, "network: it has another one"),
        ({"optimizer": Adam(0.03)}, "optimizer:"),
        ({"optimizer": Momentum(0.02)}, "optimizer:"),
        ({"data": (X + 1e-3, LABELS)}, "data:"),
        ({"data": (X, 2 - LABELS)}, "data:"),
        ({"data": (X[:-1], LABELS[:-1])}, "data:"),
        ({"augment": None}, "augment: 'jitter' then, None now"),
        ({"dtype": "float64"}, "dtype: 'float32' then, 'float64' now"),
        ({"callbacks": [EarlyStopping()]}, "callbacks:"),
    ],
)
def test_a_checkpoint_of_another_training_is_refused_and_left_as_it_is(change, said, tmp_path):
    path = tmp_path / "checkpoint.safetensors"
    fit(epochs=1, checkpoint=path)
    before = path.read_bytes()
    with pytest.raises(CheckpointError, match=said) as error:
        fit(epochs=2, checkpoint=Checkpoint(path, resume=True), **change)
    assert str(path) in str(error.value)
    assert path.read_bytes() == before


def test_a_model_is_no_checkpoint_but_a_checkpoint_holds_a_model(tmp_path):
    path = tmp_path / "checkpoint.safetensors"
    model, _ = fit(epochs=1, checkpoint=path)
    np.testing.assert_array_equal(gcnn.load(path, "numpy").theta, model.theta)
    model.save(tmp_path / "model.safetensors")
    with pytest.raises(FormatError, match="not a gcnn checkpoint"):
        fit(checkpoint=Checkpoint(tmp_path / "model.safetensors", resume=True))


def test_a_broken_parameter_never_replaces_a_whole_checkpoint(tmp_path):
    path = tmp_path / "checkpoint.safetensors"
    with pytest.raises(FloatingPointError, match=rf"smaller learning rate.*{path.name}, is from before"):
        fit(GradientDescent(3e38), checkpoint=Checkpoint(path, seconds=0))
    assert np.isfinite(read_checkpoint(path).tensors["theta"]).all()


@pytest.mark.parametrize("saved", [True, False])
def test_a_broken_state_ends_the_training_though_the_parameters_are_finite_and_replaces_no_checkpoint(saved, tmp_path):
    """The square of a gradient of 3e19 is no float32: Adam then divides by infinity, and θ stays where it is."""
    model = Network([Dense(3, activation="softmax")], 2).bind("numpy")
    model.theta = np.zeros(9)
    checkpoint = Checkpoint(tmp_path / "checkpoint", 0) if saved else None
    said = r"the optimizer's v became infinite in epoch 1\. Use a smaller learning rate"
    with pytest.raises(FloatingPointError, match=said + (".*checkpoint, is from before" if saved else "")):
        gcnn.train(model, ([[1e20, 1e20]], [0]), Adam(), 1, checkpoint=checkpoint)
    assert np.isfinite(model.theta).all()
    if saved:
        assert read_checkpoint(tmp_path / "checkpoint").document["count"] == 0


def test_a_failed_save_in_the_middle_is_logged_and_the_old_checkpoint_stays(
    tmp_path, monkeypatch, caplog, uninterrupted
):
    path, calls = tmp_path / "checkpoint.safetensors", []
    fsync = gcnn.files.os.fsync

    def full(descriptor):
        calls.append(descriptor)
        if len(calls) == 7:  # the fourth file: folders are synced too
            raise OSError(28, "No space left on device")
        fsync(descriptor)

    monkeypatch.setattr(gcnn.files.os, "fsync", full)
    with caplog.at_level(logging.WARNING, "gcnn"):
        model, _ = fit(checkpoint=Checkpoint(path, seconds=0))
    assert "No space left" in caplog.text
    assert "the one before it stays" in caplog.text
    np.testing.assert_array_equal(model.theta, uninterrupted[0])
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


def test_a_first_save_that_fails_ends_the_training_before_it_began(tmp_path):
    with pytest.raises(OSError, match="must be a folder that you may write to"):
        fit(checkpoint=tmp_path / "nowhere" / "checkpoint.safetensors")


def test_ctrl_c_ends_the_training_after_the_step_with_everything_saved(tmp_path, uninterrupted):
    path, seen = tmp_path / "checkpoint.safetensors", []

    def press(batches, epoch):
        for rows in batches:
            seen.append(epoch)
            if len(seen) == 8:
                signal.raise_signal(signal.SIGINT)
            yield rows

    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(Interrupted, match="has saved itself") as interrupted:
        fit(progress=press, checkpoint=path)
    assert (interrupted.value.path, interrupted.value.signal) == (path, signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is before
    assert read_checkpoint(path).document["count"] == 8
    model, _ = fit(checkpoint=Checkpoint(path, resume=True))
    np.testing.assert_array_equal(model.theta, uninterrupted[0])


def test_a_second_ctrl_c_acts_at_once():
    interruption = gcnn.interruption.Interruption()

    def press_twice():
        with interruption:
            signal.raise_signal(signal.SIGINT)
            assert interruption.signal == signal.SIGINT
            signal.raise_signal(signal.SIGINT)
            pytest.fail("the second one was noted too")

    with pytest.raises(KeyboardInterrupt):
        press_twice()


def test_a_signal_that_was_noted_too_late_for_another_step_is_not_lost():
    interruption = gcnn.interruption.Interruption()

    def press():
        with interruption:
            signal.raise_signal(signal.SIGINT)

    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        press()
    assert signal.getsignal(signal.SIGINT) is before


def test_what_goes_wrong_after_a_signal_is_told_and_not_the_signal():
    def fail():
        with gcnn.interruption.Interruption():
            signal.raise_signal(signal.SIGINT)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()


@pytest.mark.parametrize("error", [RuntimeError("reentrant call inside a writer"), BrokenPipeError()])
def test_a_signal_is_noted_though_nothing_can_be_said_of_it(error):
    def say():
        raise error

    def press():
        with gcnn.interruption.Interruption(say) as interruption:
            signal.raise_signal(signal.SIGINT)
            assert interruption.signal == signal.SIGINT
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        press()


@pytest.mark.parametrize("number", gcnn.interruption.SIGNALS)
def test_a_signal_that_the_process_ignores_stays_ignored(number, tmp_path):
    before = signal.signal(number, signal.SIG_IGN)  # as nohup does, and shells with what runs in the background
    try:

        def press(batches, epoch):
            for rows in batches:
                signal.raise_signal(number)
                yield rows

        _, history = fit(progress=press, checkpoint=tmp_path / "checkpoint.safetensors")
        assert signal.getsignal(number) is signal.SIG_IGN
    finally:
        signal.signal(number, before)
    assert history.epochs == EPOCHS
