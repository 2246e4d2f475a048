"""Arrays handed to a model: shapes, dtypes and values."""

from __future__ import annotations

import numpy as np
import pytest

import gcnn
from gcnn import layers
from gcnn.errors import DataError, LossError, NetworkError

X, LABELS = np.zeros((5, 2)), np.array([0, 1, 1, 0, 1])


def holed(value: float) -> np.ndarray:
    x = np.zeros((5, 2))
    x[3, 1] = value
    return x


INPUTS = [
    (np.zeros((5, 3)), ("x has shape (5, 3)", "expected (samples, 2)")),
    (np.zeros(2), ("x has shape (2,)", "A single sample needs a leading axis: x[None]")),
    (np.zeros((1, 5, 2)), ("x has shape (1, 5, 2)",)),
    (0.0, ("x has shape ()",)),
    (np.zeros((0, 2)), ("x is empty", "at least one")),
    ([[1, 2], [3]], ("x is not an array",)),
    (None, ("x has dtype object", "x.astype(float)")),
    ("image.png", ("x has dtype <U9",)),
    (X.astype(str), ("x has dtype <U", "expected real numbers")),
    (X.astype(object), ("x has dtype object",)),
    (X.astype("datetime64[s]"), ("x has dtype datetime64[s]",)),
    (X + 0j, ("x has dtype complex128", "float64", "x.real")),
    (holed(np.nan), ("x holds nan at index (3, 1)", "finite", "drop entry 3")),
    (holed(np.inf), ("x holds inf at index (3, 1)",)),
    (holed(-np.inf), ("x holds -inf at index (3, 1)",)),
]


@pytest.mark.parametrize(("x", "said"), INPUTS)
def test_inputs_that_are_no_samples_of_the_input_maps_are_refused_by_every_call(model, refuses, x, said):
    step = gcnn.training_step(model, gcnn.optimizers.Adam())
    calls = (
        lambda: model.forward(x),
        lambda: model.predict(x),
        lambda: model.loss(x, LABELS),
        lambda: model.loss_and_gradient(x, LABELS),
        lambda: model.vjp(x, np.zeros((5, 2))),
        lambda: model.initialize_from(x),
        lambda: step(x, LABELS),
        lambda: gcnn.train(model, (x, LABELS)),
        lambda: gcnn.train(model, (X, LABELS), validation=(x, LABELS)),
        lambda: gcnn.accuracy(model, x, LABELS),
    )
    for call in calls:
        with refuses(DataError, *said):
            call()


TARGETS = [
    (np.array([0, 1, 2, 0, 1]), ("label 2 of sample 2", "2 classes 0..1")),
    (np.array([0, 1, 1, -1, 1]), ("label -1 of sample 3", "2 classes 0..1")),
    (np.array([0, 1, 1]), ("x has 5 samples, t has 3",)),
    (np.array([], dtype=int), ("t is empty",)),
    (LABELS.astype(float), ("class labels must be integers", "t.astype(int)")),
    (np.zeros((5, 3)), ("t has shape (5, 3)", "expected (samples, 2)")),
    (1, ("t has shape ()",)),
    (None, ("t has dtype object",)),
    ([[0, 1], [1]], ("t is not an array",)),
    (np.array(["cat"] * 5), ("t has dtype <U3",)),
    (np.eye(2)[LABELS] + 0j, ("t has dtype complex128", "t.real")),
    (holed(np.nan), ("t holds nan at index (3, 1)",)),
    (holed(np.inf), ("t holds inf at index (3, 1)",)),
]


@pytest.mark.parametrize(("t", "said"), TARGETS)
def test_targets_that_are_neither_labels_nor_samples_of_the_outputs_are_refused_by_every_call(model, refuses, t, said):
    step = gcnn.training_step(model, gcnn.optimizers.Adam())
    calls = (
        lambda: model.loss(X, t),
        lambda: model.loss_and_gradient(X, t),
        lambda: step(X, t),
        lambda: gcnn.train(model, (X, t)),
        lambda: gcnn.train(model, (X, LABELS), validation=(X, t)),
        lambda: gcnn.accuracy(model, X, t),
    )
    for call in calls:
        with refuses(DataError, *said):
            call()


def test_binary_targets_outside_0_to_1_are_refused_with_the_worst_of_them(refuses):
    model = gcnn.Network([layers.Dense(1, activation="logistic")], 2, loss="binary_cross_entropy").bind("numpy")
    for worst in (-0.5, 1.5):
        with refuses(LossError, "binary_cross_entropy: targets must lie in [0, 1]", str(worst)):
            model.loss(X, np.array([0, 1, worst, 0, 1]))


def test_a_cotangent_must_fit_the_outputs_and_the_samples(model, refuses):
    with refuses(DataError, "v has shape (5, 3)"):
        model.vjp(X, np.zeros((5, 3)))
    with refuses(DataError, "x has 5 samples, v has 4"):
        model.vjp(X, np.zeros((4, 2)))
    with refuses(DataError, "v has dtype complex128"):
        model.vjp(X, np.zeros((5, 2)) + 0j)


@pytest.mark.parametrize(
    ("theta", "said"),
    [
        (np.zeros(3), ("theta has shape (3,)", "(17,)")),
        (np.zeros((17, 1)), ("theta has shape (17, 1)",)),
        ("abc", ("theta has dtype <U3",)),
        ([1, [2]], ("theta is not an array",)),
        (np.full(17, None), ("theta has dtype object",)),
        (np.zeros(17) + 0j, ("theta has dtype complex128", "theta.real")),
        (np.full(17, np.nan), ("theta holds nan at index (0,)",)),
    ],
)
def test_parameters_that_do_not_fit_are_refused_and_the_old_ones_stay(model, refuses, theta, said):
    with refuses(DataError, *said):
        model.theta = theta


def test_finite_values_that_float32_cannot_hold_are_refused_instead_of_becoming_infinite(network, refuses):
    model = network.bind("numpy", dtype="float32")
    before = model.theta
    with refuses(DataError, "x holds 1e+300 at index (3, 1)", "finite in float32", "Scale"):
        model.forward(holed(1e300))
    with refuses(DataError, "theta holds 1e+300", "float32"):
        model.theta = np.full(17, 1e300)
    np.testing.assert_array_equal(model.theta, before)


def test_a_complex_model_still_takes_complex_numbers_and_a_real_one_integers_and_booleans(network, model):
    exact = network.bind("numpy", dtype="complex128")
    exact.theta = model.theta + 1e-30j
    assert np.iscomplexobj(exact.forward(X + 0j))
    for same in (X.astype(int), X.astype(bool), X.astype(np.uint8), X.tolist()):
        np.testing.assert_array_equal(model.forward(same), model.forward(X))


def test_a_step_with_more_samples_than_the_batch_is_refused(model, refuses):
    step = gcnn.training_step(model, gcnn.optimizers.GradientDescent())
    with refuses(DataError, "at most batch=4 samples, got 5"):
        step(X, LABELS)


@pytest.mark.parametrize("batch", [0, -1, 2.0, True, "4", None])
def test_a_batch_that_is_no_count_is_refused(network, refuses, batch):
    with refuses(DataError, "batch must be an integer of at least 1", repr(batch)):
        network.bind("numpy", batch=batch)


@pytest.mark.parametrize("dtype", ["float23", None, 3, [], ""])
def test_a_dtype_that_does_not_exist_is_refused(network, refuses, dtype):
    with refuses(DataError, "unknown dtype", repr(dtype), "'float32' or 'float64'"):
        network.bind("numpy", dtype=dtype)


@pytest.mark.parametrize("dtype", ["int32", "float16", "bool", "object", "U3"])
def test_a_dtype_that_the_backend_does_not_compute_in_is_declined_with_those_that_it_does(network, refuses, dtype):
    with refuses(gcnn.Unsupported, "dtype", "float64, float32"):
        network.bind("numpy", dtype=dtype)


@pytest.mark.parametrize("epochs", [0, -1, 1.5, True, None])
def test_epochs_that_are_no_count_are_refused(model, refuses, epochs):
    with refuses(DataError, "epochs must be an integer of at least 1", repr(epochs)):
        gcnn.train(model, (X, LABELS), epochs=epochs)


@pytest.mark.parametrize("data", [X, (X,), (X, LABELS, LABELS), None, "data.csv"])
def test_data_that_is_no_pair_is_refused_as_training_and_as_validation_data(model, refuses, data):
    with refuses(DataError, "data must be a pair (inputs, targets)"):
        gcnn.train(model, data)
    if data is not None:
        with refuses(DataError, "validation must be a pair (inputs, targets)"):
            gcnn.train(model, (X, LABELS), validation=data)


@pytest.mark.parametrize("seed", [-1, 1.5, "a", True, [1]])
def test_a_seed_that_is_no_natural_number_is_refused_wherever_one_is_taken(network, model, refuses, seed):
    calls = (
        lambda: gcnn.Network(network.layers, 2, seed=seed),
        lambda: network.initial_parameters(seed),
        lambda: gcnn.train(model, (X, LABELS), seed=seed),
        lambda: model.initialize_from(X, seed),
    )
    for call in calls:
        with refuses(NetworkError, "seed must be an integer of at least 0", repr(seed)):
            call()
