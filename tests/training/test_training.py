"""`gcnn.train`: which samples every step sees, what the history holds, callbacks, and losses that diverge."""

from __future__ import annotations

from itertools import chain

import numpy as np
import pytest

import gcnn
from gcnn import History, Network
from gcnn.layers import Dense
from gcnn.optimizers import Adam, GradientDescent

X = np.array([[-2.0], [-1.0], [0.0], [0.5], [1.0], [1.5], [2.0], [2.5], [3.0], [4.0]])
T = X[:, 0] ** 2
HELD_BACK = (np.array([[-3.0], [5.0], [7.0]]), np.array([9.0, 25.0, 49.0]))


@pytest.mark.parametrize(
    ("samples", "batch", "sizes"), [(10, 4, [4, 4, 2]), (9, 4, [4, 4, 1]), (8, 4, [4, 4]), (3, 64, [3])]
)
def test_every_epoch_sees_every_sample_once_in_full_batches_and_a_short_last_one(samples, batch, sizes, batches_seen):
    steps = batches_seen(samples, batch, epochs=3)
    assert [len(rows) for rows in steps] == sizes * 3
    for epoch in range(3):
        rows = steps[epoch * len(sizes) : (epoch + 1) * len(sizes)]
        assert sorted(chain(*rows)) == list(range(samples))


def test_every_epoch_has_an_order_of_its_own_and_none_is_the_order_of_the_data(batches_seen):
    steps = list(chain(*batches_seen(20, 1, epochs=4)))
    orders = [tuple(steps[epoch * 20 : (epoch + 1) * 20]) for epoch in range(4)]
    assert len({*orders, tuple(range(20))}) == 5


def test_the_order_follows_the_seed_and_without_one_the_networks(batches_seen):
    assert batches_seen(20, 1, 2, seed=3) == batches_seen(20, 1, 2, seed=3) != batches_seen(20, 1, 2, seed=4)
    assert batches_seen(20, 1, 2, network_seed=3) == batches_seen(20, 1, 2, seed=3)
    assert batches_seen(20, 1, 2, network_seed=3, seed=0) == batches_seen(20, 1, 2, seed=0)


def test_training_again_goes_on_from_the_parameters_that_were_reached(unit):
    model = unit((0.0, 0.0), batch=3)
    first, second = (gcnn.train(model, (X, T), GradientDescent(0.01), epochs=1) for _ in range(2))
    assert second.loss[0] < 0.9 * first.loss[0]


def test_training_leaves_the_data_as_they_were(unit):
    x, t = X.copy(), T.copy()
    model = unit((0.0, 0.0), batch=3)
    gcnn.train(model, (x, t), Adam(), epochs=2)
    np.testing.assert_array_equal(x, X)
    np.testing.assert_array_equal(t, T)


def test_the_loss_of_an_epoch_is_the_mean_over_samples_so_a_short_batch_counts_by_its_size(unit, recorder):
    model = unit((1.0, 0.5), batch=4)
    history = gcnn.train(model, (X, T), recorder, epochs=2)
    expected = np.mean(0.5 * (X[:, 0] + 0.5 - T) ** 2)
    assert history.loss == pytest.approx([expected, expected], rel=1e-14)


def test_the_loss_of_a_step_is_the_one_before_its_update(unit):
    model = unit((1.0, 0.5))
    losses = [model.loss(X, T)]
    history = gcnn.train(
        model, (X, T), GradientDescent(0.05), epochs=3, callbacks=[lambda _, m, __: losses.append(m.loss(X, T))]
    )
    assert history.loss == pytest.approx(losses[:3], rel=1e-14)
    assert losses[1] < 0.9 * losses[0]


def test_the_history_holds_the_penalty_in_the_training_loss_only(unit):
    model = unit((3.0, 2.0))
    before = model.loss(X, T)
    history = gcnn.train(model, (X, T), GradientDescent(1e-9, l2=0.5), epochs=1, validation=(X, T))
    assert history.loss == pytest.approx([before + 0.25 * 3.0**2], rel=1e-14)
    assert history.validation_loss == [model.loss(X, T)]


def test_validation_loss_is_taken_on_the_held_back_data_after_every_epoch(unit):
    model = unit((1.0, 0.5), batch=2)
    expected = []
    history = gcnn.train(
        model,
        (X, T),
        GradientDescent(0.01),
        epochs=3,
        validation=HELD_BACK,
        callbacks=[
            lambda _, m, __: expected.append(np.mean(0.5 * (m.forward(HELD_BACK[0])[:, 0] - HELD_BACK[1]) ** 2))
        ],
    )
    assert history.validation_loss == pytest.approx(expected, rel=1e-13)
    assert len(set(expected)) == 3
    assert history.accuracy == [], "mse says nothing of classes"


def test_accuracy_is_taken_on_the_held_back_data_after_every_epoch(recorder):
    model = Network([Dense(2, bias=False, activation="softmax")], 1).bind("numpy")
    model.theta = np.array([0.0, 1.0])  # class 1 where x > 0
    x, right, held_back = np.array([[-1.0], [1.0]]), [0, 1], (np.array([[-2.0], [1.0], [2.0], [3.0]]), [0, 1, 1, 0])
    history = gcnn.train(model, (x, right), recorder, epochs=2, validation=held_back)
    assert history.accuracy == [0.75, 0.75]
    assert len(history.validation_loss) == 2


def test_without_held_back_data_the_history_holds_training_losses_only():
    model = Network([Dense(2, activation="softmax")], 1).bind("numpy")
    history = gcnn.train(model, (X, [0, 1] * 5), epochs=2)
    assert (len(history.loss), history.validation_loss, history.accuracy) == (2, [], [])


def test_a_history_does_not_share_its_lists_with_the_next(unit):
    model = unit((0.0, 0.0))
    first, second = (gcnn.train(model, (X, T), epochs=epochs) for epochs in (1, 2))
    assert (len(first.loss), len(second.loss), History().loss) == (1, 2, [])


def test_callbacks_get_epoch_model_and_history_after_every_epoch(unit):
    model, calls = unit((0.0, 0.0), batch=4), []

    def look(epoch, given, history):
        calls.append((epoch, given is model, len(history.loss), len(history.validation_loss), given.theta.tolist()))

    gcnn.train(model, (X, T), epochs=3, validation=HELD_BACK, callbacks=[look])
    assert [call[:4] for call in calls] == [(1, True, 1, 1), (2, True, 2, 2), (3, True, 3, 3)]
    assert calls[0][4] != calls[1][4] != calls[2][4] == model.theta.tolist()


@pytest.mark.parametrize("place", [0, 1, 2])
def test_true_from_any_callback_ends_training_after_all_were_called(place, unit):
    calls = []

    def callback(number):
        def call(epoch, model, history):
            calls.append((epoch, number))
            return number == place and epoch == 2

        return call

    history = gcnn.train(unit((0.0, 0.0)), (X, T), epochs=5, callbacks=[callback(number) for number in range(3)])
    assert len(history.loss) == 2
    assert calls == [(epoch, number) for epoch in (1, 2) for number in range(3)]


@pytest.mark.parametrize("answer", [None, False])
def test_training_goes_on_where_no_callback_returns_true(answer, unit):
    history = gcnn.train(unit((0.0, 0.0)), (X, T), epochs=4, callbacks=[lambda *_: answer])
    assert len(history.loss) == 4


def test_progress_wraps_the_batches_of_every_epoch(unit, recorder):
    seen = []

    def progress(batches, epoch):
        for number, rows in enumerate(batches):
            seen.append((epoch, number, len(recorder.gradients)))
            yield rows

    gcnn.train(unit((0.0, 0.0), batch=4), (X, T), recorder, epochs=2, progress=progress)
    assert seen == [(1, 0, 0), (1, 1, 1), (1, 2, 2), (2, 0, 3), (2, 1, 4), (2, 2, 5)]


def test_without_an_optimizer_training_uses_adam_as_it_comes(unit):
    runs = []
    for optimizer in (None, Adam()):
        model = unit((0.0, 0.0), batch=4)
        gcnn.train(model, (X, T), optimizer, epochs=2)
        runs.append(model.theta.tolist())
    assert runs[0] == runs[1]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_loss_that_diverges_ends_training_at_once_with_an_error_that_names_the_epoch(dtype, unit):
    calls = []
    with pytest.raises(
        FloatingPointError, match=r"the loss became (inf|nan) in epoch \d+\..*smaller learning rate"
    ) as e:
        gcnn.train(
            unit((1.0, 0.0), dtype=dtype), (X, T), GradientDescent(1e9), 100, callbacks=[lambda *a: calls.append(a)]
        )
    assert f"epoch {len(calls) + 1}." in str(e.value)
    assert 1 < len(calls) < 50
    assert np.isfinite(calls[-1][2].loss).all()


def test_a_last_step_that_ruins_the_parameters_is_told_too():
    model = Network([Dense(1)], 1, "mse").bind("numpy")
    with pytest.raises(FloatingPointError, match=r"parameters became infinite in epoch 1.*smaller learning rate"):
        gcnn.train(model, (X, T), GradientDescent(3e38), 1)


def test_a_sum_over_samples_is_summed_over_the_batches_of_an_epoch():
    model = Network([Dense(1, bias=False)], 1, "mse", reduction="sum").bind("numpy", dtype="float64", batch=4)
    model.theta = np.zeros(1)
    history = gcnn.train(model, (np.zeros((10, 1)), np.ones(10)), epochs=1)
    assert history.loss == pytest.approx([5.0], rel=1e-15)
