"""Training, saving and loading where maps differ in size, are lists of points, or have one or three axes."""

from __future__ import annotations

import numpy as np
import pytest

import gcnn
from gcnn import Network
from gcnn.optimizers import Adam, GradientDescent, Momentum

every_dtype = pytest.mark.parametrize("dtype", ["float32", "float64"])


@every_dtype
@pytest.mark.parametrize("make", [lambda: GradientDescent(0.05), lambda: Momentum(0.05, 0.5), Adam])
def test_training_equals_a_loop_written_by_hand_bit_by_bit(odd, dtype, make):
    trained, by_hand = (odd.network.bind("numpy", dtype=dtype, batch=4) for _ in range(2))
    epochs = []

    def keep(batches, epoch):
        epochs.append(list(batches))
        return epochs[-1]

    history = gcnn.train(trained, (odd.x, odd.t), make(), epochs=2, progress=keep)
    optimizer, losses = make(), []
    for batches in epochs:
        total = 0.0
        for rows in batches:
            loss, gradient = by_hand.loss_and_gradient(odd.x[rows], odd.t[rows])
            by_hand.theta = optimizer.step(by_hand.theta, gradient)
            total += loss * len(rows)
        losses.append(total / 11)
    assert [len(batches) for batches in epochs] == [3, 3]
    np.testing.assert_array_equal(trained.theta, by_hand.theta, strict=True)
    np.testing.assert_allclose(history.loss, losses, rtol=1e-14)  # float64 means of equal numbers


@every_dtype
def test_the_loss_falls(odd, dtype):
    model = odd.network.bind("numpy", dtype=dtype, batch=4)
    before = model.loss(odd.x, odd.t)
    gcnn.train(model, (odd.x, odd.t), Adam(0.02), epochs=6)
    assert model.loss(odd.x, odd.t) < 0.9 * before


@every_dtype
def test_equal_seeds_train_to_equal_bits_and_another_seed_to_others(odd, dtype):
    runs = []
    for seed in (5, 5, 6):
        model = odd.network.bind("numpy", dtype=dtype, batch=4)
        runs.append((gcnn.train(model, (odd.x, odd.t), Adam(0.02), epochs=2, seed=seed), model.theta))
    assert runs[0][0] == runs[1][0]
    assert runs[0][0] != runs[2][0]
    np.testing.assert_array_equal(runs[0][1], runs[1][1], strict=True)
    assert (runs[0][1] != runs[2][1]).any()


@every_dtype
def test_a_saved_model_comes_back_with_its_bits_and_trains_on_as_the_original(odd, dtype, tmp_path):
    model = odd.network.bind("numpy", dtype=dtype, batch=4)
    gcnn.train(model, (odd.x, odd.t), epochs=1)
    model.save(tmp_path / "model.safetensors")
    loaded = gcnn.load(tmp_path / "model.safetensors", "numpy", batch=4)
    assert (loaded.network, loaded.dtype) == (odd.network, dtype)
    np.testing.assert_array_equal(loaded.theta, model.theta, strict=True)
    np.testing.assert_array_equal(loaded.forward(odd.x), model.forward(odd.x), strict=True)
    histories = [gcnn.train(m, (odd.x, odd.t), Momentum(), epochs=1) for m in (model, loaded)]
    assert histories[0] == histories[1]
    np.testing.assert_array_equal(loaded.theta, model.theta, strict=True)


def test_a_model_loads_in_another_dtype_with_its_parameters_rounded(odd, tmp_path):
    model = odd.network.bind("numpy", dtype="float64")
    model.save(tmp_path / "model.safetensors")
    loaded = gcnn.load(tmp_path / "model.safetensors", "numpy", dtype="float32")
    np.testing.assert_array_equal(loaded.theta, model.theta.astype(np.float32), strict=True)


def test_json_gives_the_same_network_with_the_same_maps_and_start(odd):
    again = Network.from_json(odd.network.to_json())
    assert again == odd.network
    assert again.stages == odd.network.stages
    assert again.loss == odd.network.loss
    np.testing.assert_array_equal(again.initial_parameters(), odd.network.initial_parameters(), strict=True)


def test_a_class_is_predicted_for_every_sample_and_counted(odd):
    model = odd.network.bind("numpy", dtype="float64", batch=4)
    outputs = model.forward(odd.x).reshape(11, -1)
    expected = [row[0] >= 0.5 if len(row) == 1 else list(row).index(max(row)) for row in outputs]
    assert model.predict(odd.x).tolist() == expected
    if odd.t.ndim == 1:
        assert gcnn.accuracy(model, odd.x, odd.t) == pytest.approx(np.mean(odd.t == expected), abs=1e-15)
