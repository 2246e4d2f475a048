"""A training on a device that is stopped, and goes on from its checkpoint, ends with the bits of one that was not."""

from __future__ import annotations

import numpy as np
import pytest

import gcnn
from gcnn import Checkpoint, Network
from gcnn.checkpoint import read_checkpoint
from gcnn.data import Shift
from gcnn.layers import Convolution, Dense, MaxPooling, RadialBasis
from gcnn.optimizers import AdaGrad, Adam, Momentum, RMSProp

SAMPLES, BATCH, EPOCHS = 21, 8, 3
STEPS = -(-SAMPLES // BATCH)
RNG = np.random.default_rng(0)
X, LABELS = RNG.random((SAMPLES, 1, 6, 6), "float32"), RNG.integers(0, 3, SAMPLES)
LAYERS = [Convolution(2, 3, activation="tanh"), MaxPooling(2), Dense(3, activation="softmax")]
METHODS = {
    "adam": lambda: Adam(0.02),
    "momentum, clipped": lambda: Momentum(0.05, l2=0.01, clip_norm=0.5),
    "rmsprop": lambda: RMSProp(0.01),
    "adagrad, full, on the host": lambda: AdaGrad(0.05, "full"),
}


class Stop(Exception):
    pass


def _stop_after(steps):
    left = [steps]

    def progress(batches, epoch):
        for rows in batches:
            if not left[0]:
                raise Stop
            left[0] -= 1
            yield rows

    return progress


@pytest.fixture
def fit(device):
    def run(make, path=None, layers=LAYERS, dtype="float32", backend="opencl", **more):
        # A shift of the images draws from the generator that a checkpoint keeps.
        more = {"augment": Shift(1, 0.5), "validation": (X[:6], LABELS[:6]), "seed": 2} | more
        where = device.index if backend == "opencl" else None
        model = Network(layers, (1, 6, 6)).bind(backend, where, dtype, BATCH)
        checkpoint = None if path is None else Checkpoint(path, 0, True)
        history = gcnn.train(model, (X, LABELS), make(), EPOCHS, checkpoint=checkpoint, **more)
        return model.theta, history

    return run


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("method", METHODS)
def test_a_training_that_is_stopped_twice_ends_with_the_bits_of_one_that_is_not(fit, tmp_path, method, dtype):
    make, path = METHODS[method], tmp_path / "checkpoint"
    whole = fit(make, dtype=dtype)
    for steps in (2, STEPS + 1):  # within the first epoch, and within a later one
        with pytest.raises(Stop):
            fit(make, path, dtype=dtype, progress=_stop_after(steps))
    theta, history = fit(make, path, dtype=dtype)
    np.testing.assert_array_equal(theta, whole[0])
    assert history == whole[1]


def test_the_state_of_a_rule_comes_back_from_the_file_bit_for_bit(fit, tmp_path):
    path = tmp_path / "checkpoint"
    with pytest.raises(Stop):
        fit(METHODS["adam"], path, progress=_stop_after(4))
    kept = read_checkpoint(path)
    assert kept.document["count"] == 4
    before = {name: tensor.copy() for name, tensor in kept.tensors.items()}
    with pytest.raises(Stop):
        fit(METHODS["adam"], path, progress=_stop_after(0))
    after = read_checkpoint(path).tensors
    assert before.keys() == after.keys()
    for name, tensor in before.items():
        np.testing.assert_array_equal(after[name], tensor)


def test_a_training_begun_on_the_oracle_goes_on_on_a_device(fit, tmp_path):
    """Not to equal bits: the two round differently. But it is the same training, which a wrong state would lead elsewhere."""
    make, path = METHODS["adam"], tmp_path / "checkpoint"
    layers = [RadialBasis(6), Dense(3, activation="softmax")]
    whole, _ = fit(make, layers=layers, dtype="float64", backend="numpy")
    with pytest.raises(Stop):
        fit(make, path, layers, "float64", "numpy", progress=_stop_after(STEPS + 1))
    theta, _ = fit(make, path, layers, "float64")
    # 6 steps of Adam, each of a few thousand roundings of 1e-16; without its state θ ends 1e-2 elsewhere.
    np.testing.assert_allclose(theta, whole, rtol=0, atol=1e-9)
