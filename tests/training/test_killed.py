"""Processes that are killed or asked to end while they train go on, in another process, to the same bits."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

import gcnn
from gcnn import Checkpoint, EarlyStopping, Network
from gcnn.checkpoint import read_checkpoint
from gcnn.layers import Dense
from gcnn.optimizers import Adam
from gcnn.optimizers.schedules import InverseTime

SAMPLES, BATCH = 22, 5
STEPS = 5  # of an epoch
ENDLESS = 10**6
RNG = np.random.default_rng(3)
X, LABELS = RNG.normal(size=(SAMPLES, 6)), RNG.integers(0, 3, SAMPLES)
HELD_BACK = (RNG.normal(size=(9, 6)), RNG.integers(0, 3, 9))


def jitter(x, rng):
    return x + 0.01 * rng.normal(size=x.shape)


def fit(epochs, path=None, **more):
    network = Network([Dense(8, activation="tanh"), Dense(3, activation="softmax")], 6)
    model = network.bind("numpy", batch=BATCH)
    checkpoint = None if path is None else Checkpoint(path, seconds=0, resume=True)
    optimizer, callbacks = Adam(InverseTime(0.01, 0.001), l2=1e-4), [EarlyStopping(ENDLESS)]
    more = {"augment": jitter, "validation": HELD_BACK, "callbacks": callbacks} | more
    return model, gcnn.train(model, (X, LABELS), optimizer, epochs, checkpoint=checkpoint, **more)


TRAIN = """
import sys
sys.path.insert(0, sys.argv[1])
from test_killed import ENDLESS, fit
fit(ENDLESS, sys.argv[2])
"""


@pytest.fixture
def training(tmp_path):
    """`training(steps)`: a process that trains for ever, saved after every step, when it has done so many more."""
    path, processes = tmp_path / "checkpoint", []

    def training(steps):
        before = read_checkpoint(path).document["count"] if path.exists() else 0
        process = subprocess.Popen(
            [sys.executable, "-c", TRAIN, str(Path(__file__).parent), str(path)], stderr=subprocess.PIPE, text=True
        )
        processes.append(process)
        while not path.exists() or read_checkpoint(path).document["count"] < before + steps:
            assert process.poll() is None, process.stderr.read()
            time.sleep(0.005)
        return process

    yield training
    for process in processes:
        process.kill()
        process.wait()
        process.stderr.close()


def assert_goes_on_to_the_same_bits(path):
    epochs = read_checkpoint(path).document["count"] // STEPS + 1
    model, history = fit(epochs, path)
    whole, uninterrupted = fit(epochs)
    assert history == uninterrupted
    np.testing.assert_array_equal(model.theta, whole.theta)
    assert [p.name for p in path.parent.iterdir()] == [path.name], "the next save has cleared away what was left"


def test_a_training_that_is_killed_again_and_again_ends_with_the_bits_of_one_that_was_left_alone(training, tmp_path):
    for steps in (7, 40):
        process = training(steps)
        process.kill()
        assert process.wait() == -signal.SIGKILL
    assert read_checkpoint(tmp_path / "checkpoint").document["count"] >= 47
    assert_goes_on_to_the_same_bits(tmp_path / "checkpoint")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_process_that_is_asked_to_end_has_saved_every_step_that_it_did(number, training, tmp_path):
    process = training(7)
    process.send_signal(number)
    _, told = process.communicate()
    assert process.returncode != 0
    assert f"training was interrupted and has saved itself in {tmp_path / 'checkpoint'}" in told
    assert_goes_on_to_the_same_bits(tmp_path / "checkpoint")


def test_a_training_in_another_thread_leaves_signals_alone_and_is_saved_too(tmp_path):
    path, handlers, found = tmp_path / "checkpoint", [], []

    def look(epoch, model, history):
        handlers.append([signal.getsignal(number) for number in gcnn.interruption.SIGNALS])

    before = [signal.getsignal(number) for number in gcnn.interruption.SIGNALS]
    thread = threading.Thread(target=lambda: found.append(fit(3, path, callbacks=[look])))
    thread.start()
    thread.join()
    assert handlers == [before] * 3
    assert read_checkpoint(path).document["count"] == 3 * STEPS
    np.testing.assert_array_equal(found[0][0].theta, fit(3, callbacks=[])[0].theta)


def test_two_trainings_in_threads_do_not_disturb_each_other(tmp_path):
    found = {}

    def run(name):
        found[name] = fit(4, tmp_path / name)[0].theta

    threads = [threading.Thread(target=run, args=[name]) for name in ("one", "other")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    expected = fit(4)[0].theta
    np.testing.assert_array_equal(found["one"], expected)
    np.testing.assert_array_equal(found["other"], expected)
