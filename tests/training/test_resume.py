"""Going on bit-equal with every update rule, schedule, dtype and kind of data; and data that fail on the way."""

from __future__ import annotations

import signal
from functools import partial

import numpy as np
import pytest

import gcnn
from gcnn import Checkpoint, Network
from gcnn.checkpoint import read_checkpoint
from gcnn.data import ArraySamples, Preparation, Samples, Shift
from gcnn.errors import CheckpointError, DataError
from gcnn.layers import Convolution, Dense
from gcnn.optimizers import AdaGrad, Adam, DampedParticle, GradientDescent, Momentum, RMSProp
from gcnn.optimizers.schedules import Cosine, Exponential, InverseTime, Step

SAMPLES, BATCH, STEPS, EPOCHS = 13, 4, 4, 4
RNG = np.random.default_rng(0)
X, LABELS = RNG.random((SAMPLES, 1, 4, 4), "float32"), RNG.integers(0, 3, SAMPLES)
HELD_BACK = (RNG.random((6, 1, 4, 4)), RNG.integers(0, 3, 6))
LAYERS = [Convolution(2, 3, activation="tanh"), Dense(3, activation="softmax")]
PARAMETERS = Network(LAYERS, (1, 4, 4)).parameter_count

METHODS = {
    "gradient descent": lambda: GradientDescent(0.1),
    "momentum": lambda: Momentum(0.05, l2=0.01, l2_centre=np.full(PARAMETERS, 0.1)),
    "momentum in steps": lambda: Momentum(Step(0.1, 0.5, 3), clip_norm=0.5),
    "damped particle": lambda: DampedParticle(InverseTime(0.1, 0.2)),
    "adagrad": lambda: AdaGrad(0.05),
    "adagrad, mean": lambda: AdaGrad(0.02, "mean", clip_value=0.1),
    "adagrad, full": lambda: AdaGrad(Exponential(0.05, 0.9, 2), "full"),
    "rmsprop": lambda: RMSProp(0.01, l2=0.01, l2_mask=np.arange(PARAMETERS) % 2),
    "adam": lambda: Adam(Cosine(0.05, 0.001, EPOCHS * STEPS, warmup=3)),
    "adam by a function": lambda: Adam(falling),
}


def falling(count):
    return 0.05 / (1 + count)


class Stop(Exception):
    pass


def stop_after(steps):
    left = [steps]

    def progress(batches, epoch):
        for rows in batches:
            if not left[0]:
                raise Stop
            left[0] -= 1
            yield rows

    return progress


def fit(optimizer=None, epochs=EPOCHS, data=(X, LABELS), dtype="float32", path=None, seed=2, **more):
    model = Network(LAYERS, (1, 4, 4)).bind("numpy", dtype=dtype, batch=BATCH)
    checkpoint = None if path is None else Checkpoint(path, 0, True)
    optimizer = Adam(0.02) if optimizer is None else optimizer
    more = {"augment": Shift(1, 0.5), "validation": HELD_BACK, "checkpoint": checkpoint} | more
    return model, gcnn.train(model, data, optimizer, epochs, seed=seed, **more)


@pytest.fixture
def whole_and_parts(tmp_path):
    """Assert that a training which is stopped after so many steps, and so many more, ends as if it was not."""

    def check(*stops, make=lambda: Adam(0.02), **more):
        whole, uninterrupted = fit(make(), **more)
        for steps in stops:
            with pytest.raises(Stop):
                fit(make(), path=tmp_path / "checkpoint", progress=stop_after(steps), **more)
        model, history = fit(make(), path=tmp_path / "checkpoint", **more)
        np.testing.assert_array_equal(model.theta, whole.theta)
        assert history == uninterrupted
        assert history.epochs == EPOCHS
        return history

    return check


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("method", METHODS)
def test_every_update_rule_goes_on_to_the_same_bits(method, dtype, whole_and_parts):
    whole_and_parts(3, 2, 6, make=METHODS[method], dtype=dtype)


def mapped_file(folder):
    np.save(folder / "x.npy", (X * 255).astype("uint8"))
    raw = ArraySamples(np.load(folder / "x.npy", mmap_mode="r"), LABELS)
    return raw.mapped(Preparation.fit(raw, normalise="maps"))


@pytest.mark.parametrize(
    "kind",
    [
        lambda folder: ArraySamples(X, LABELS),
        mapped_file,
        lambda folder: mapped_file(folder).part(np.arange(SAMPLES)[::-1]),
        lambda folder: (X.astype("float64"), np.eye(3)[LABELS]),
    ],
)
def test_every_kind_of_data_goes_on_to_the_same_bits(kind, whole_and_parts, tmp_path_factory):
    data = kind(tmp_path_factory.mktemp("data"))
    whole_and_parts(2, 4, 5, data=data, validation=ArraySamples(*HELD_BACK))


@pytest.mark.parametrize("reduction", ["sum", "mean", "mean_outputs"])
def test_the_loss_of_the_epoch_that_was_stopped_is_whole(reduction, tmp_path):
    def run(**more):
        network = Network(LAYERS, (1, 4, 4), reduction=reduction)
        return gcnn.train(network.bind("numpy", batch=BATCH), (X, LABELS), Momentum(0.01), 2, **more)

    with pytest.raises(Stop):
        run(checkpoint=Checkpoint(tmp_path / "checkpoint", 0), progress=stop_after(STEPS - 1))
    assert run(checkpoint=Checkpoint(tmp_path / "checkpoint", resume=True)).loss == run().loss


def jitter(x, rng, scale):
    return x + scale * rng.normal(size=x.shape).astype(x.dtype)


def test_an_augmentation_with_its_arguments_is_the_same_in_another_process(whole_and_parts, tmp_path):
    """Functions inside it are printed with addresses, which differ."""
    whole_and_parts(5, augment=partial(jitter, scale=0.1))
    (tmp_path / "other").mkdir()
    fit(epochs=1, path=tmp_path / "other" / "checkpoint", augment=partial(jitter, scale=0.1))
    made_for = read_checkpoint(tmp_path / "other" / "checkpoint").document["made_for"]
    assert made_for["augment"] == "functools.partial(<function jitter>, scale=0.1)"
    with pytest.raises(CheckpointError, match="augment:"):
        fit(epochs=2, path=tmp_path / "other" / "checkpoint", augment=partial(jitter, scale=0.2))


def test_the_seconds_of_an_epoch_count_from_its_beginning_though_it_was_stopped(tmp_path, monkeypatch):
    clock = [0.0]

    def tick(batches, epoch):
        for rows in batches:
            clock[0] += 1.0
            yield rows

    monkeypatch.setattr(gcnn.training.time, "perf_counter", lambda: clock[0])
    stop = stop_after(STEPS + 2)
    with pytest.raises(Stop):
        fit(path=tmp_path / "checkpoint", progress=lambda batches, epoch: tick(stop(batches, epoch), epoch))
    clock[0] = 1000.0
    _, history = fit(path=tmp_path / "checkpoint", progress=tick)
    assert history.seconds == [float(STEPS)] * EPOCHS


def test_notes_of_a_model_go_on_with_its_training(tmp_path):
    def run(epochs, **notes):
        model = Network(LAYERS, (1, 4, 4)).bind("numpy", batch=BATCH)
        model.notes = notes
        gcnn.train(model, (X, LABELS), epochs=epochs, checkpoint=Checkpoint(tmp_path / "checkpoint", resume=True))
        return model.notes

    run(1, classes=["a"], data="old")
    assert run(2, data="new") == {"classes": ["a"], "data": "new"}
    assert gcnn.load(tmp_path / "checkpoint", "numpy").notes == {"classes": ["a"], "data": "new"}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"seed": 3}, "seed: 2 then, 3 now"),
        ({"seed": None}, "seed: 2 then, 0 now"),
        ({"validation": None}, "validation:"),
        ({"validation": (HELD_BACK[0] + 1, HELD_BACK[1])}, "validation:"),
        ({"epochs": 1}, "it has done 2 epochs and 0 steps of the next, but only epochs=1"),
    ],
)
def test_what_would_end_with_other_bits_is_refused(change, said, tmp_path):
    path = tmp_path / "checkpoint"
    fit(epochs=2, path=path)
    before = path.read_bytes()
    with pytest.raises(CheckpointError, match=said):
        fit(path=path, **change)
    assert path.read_bytes() == before


def test_validation_data_that_came_later_would_leave_gaps_in_the_history(tmp_path):
    fit(epochs=2, path=tmp_path / "checkpoint", validation=None)
    with pytest.raises(CheckpointError, match="validation: None then"):
        fit(epochs=3, path=tmp_path / "checkpoint")


def test_an_epoch_that_has_begun_is_more_than_the_epochs_asked_for(tmp_path):
    with pytest.raises(Stop):
        fit(path=tmp_path / "checkpoint", progress=stop_after(STEPS + 1))
    with pytest.raises(CheckpointError, match="1 epochs and 1 steps of the next, but only epochs=1"):
        fit(epochs=1, path=tmp_path / "checkpoint")


class Failing(ArraySamples):
    """Samples whose file goes away, or that change, after so many reads."""

    def __init__(self, reads, what):
        super().__init__(X, LABELS)
        self.reads, self.what = reads, what

    def __len__(self):
        return SAMPLES - (self.reads == 0 and self.what == "length")

    def read(self, rows):
        if self.reads:
            self.reads -= 1
        elif self.what == "error":
            raise OSError(2, "No such file or directory", "samples.npz")
        elif self.what == "short":
            rows = rows[:-1]
        return super().read(rows)


@pytest.mark.parametrize(
    ("what", "said"),
    [("error", "No such file.*samples.npz"), ("short", "asked for 4 samples and gave 3"), ("length", "began with 13")],
)
def test_data_that_fail_on_the_way_leave_a_checkpoint_that_goes_on(what, said, tmp_path):
    path = tmp_path / "checkpoint"
    with pytest.raises((OSError, DataError), match=said):
        fit(data=Failing(STEPS + 4, what), path=path)  # one read is of the first sample, one is the fingerprint's
    done = read_checkpoint(path).document["count"]
    assert done == (STEPS + 2 if what != "length" else 2 * STEPS)
    model, history = fit(data=ArraySamples(X, LABELS), path=path)
    whole, uninterrupted = fit(data=ArraySamples(X, LABELS))
    assert history == uninterrupted
    np.testing.assert_array_equal(model.theta, whole.theta)


def test_a_batch_is_read_by_its_rows_alone():
    """The numbers of all samples, made anew for every batch, would take longer than the batch where there are millions."""
    asked = []

    class Watched(Samples):
        shape = (1, 4, 4)

        def __len__(self):
            return SAMPLES

        def read(self, rows):
            return X[rows], LABELS[rows]

        def __getitem__(self, rows):
            asked.append(rows)
            return super().__getitem__(rows)

    fit(epochs=1, data=Watched())
    assert len(asked) == 1, "to see that targets fit"


def test_training_goes_on_in_the_same_process_after_an_interruption(tmp_path):
    presses = iter([False] * 6 + [True] + [False] * 99)

    def press(batches, epoch):
        for rows in batches:
            if next(presses):
                signal.raise_signal(signal.SIGINT)
            yield rows

    model = Network(LAYERS, (1, 4, 4)).bind("numpy", batch=BATCH)
    training = gcnn.training.Training(
        model, (X, LABELS), Adam(0.02), EPOCHS, HELD_BACK, (), 2, press, Shift(1, 0.5), tmp_path / "checkpoint"
    )
    with pytest.raises(gcnn.Interrupted):
        training.run()
    assert training.run() == fit()[1]


def test_a_checkpoint_may_be_a_symbolic_link(whole_and_parts, tmp_path):
    (tmp_path / "disk").mkdir()
    (tmp_path / "checkpoint").symlink_to(tmp_path / "disk" / "checkpoint")
    whole_and_parts(3, 5)
    assert (tmp_path / "checkpoint").is_symlink()
    assert [p.name for p in (tmp_path / "disk").iterdir()] == ["checkpoint"]
