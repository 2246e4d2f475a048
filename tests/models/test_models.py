from __future__ import annotations

import numpy as np
import pytest

import gcnn
from gcnn import layers, optimizers
from gcnn.costs import costs
from gcnn.errors import LayerError, NetworkError
from gcnn.models import MODELS
from gcnn.models.images import FOR_VECTORS

VECTORS = (*FOR_VECTORS, "logistic-quadratic")
SMALLEST = {
    "delmas": 7,
    "digits-conv": 4,
    "lenet": 16,
    "lenet5": 28,
    "lenet5-rbf": 28,
    "simard": 11,
    "simard-max": 16,
    "vgg-small": 4,
    "vgg-small-valid": 16,
}
SHAPES = {
    "delmas": [(5, 26, 26), (8, 8, 8), (10,)],
    "digits-conv": [(12, 8, 8), (24, 6, 6), (24, 3, 3), (10,)],
    "lenet": [(6, 24, 24), (6, 12, 12), (16, 8, 8), (16, 4, 4), (120,), (84,), (10,)],
    "lenet5": [(6, 28, 28), (6, 14, 14), (16, 10, 10), (16, 5, 5), (120, 1, 1), (84,), (10,)],
    "lenet5-rbf": [(6, 28, 28), (6, 14, 14), (16, 10, 10), (16, 5, 5), (120, 1, 1), (84,), (10,)],
    "logistic": [(10,)],
    "logistic-quadratic": [(2144,), (10,)],
    "mlp": [(300,), (100,), (10,)],
    "rbf": [(100,), (10,)],
    "simard": [(5, 25, 25), (5, 13, 13), (50, 9, 9), (50, 5, 5), (100,), (10,)],
    "simard-max": [(5, 25, 25), (5, 12, 12), (50, 8, 8), (50, 4, 4), (100,), (10,)],
    "vgg-small": [(32, 32, 32), (32, 32, 32), (32, 16, 16), (64, 16, 16), (64, 16, 16), (64, 8, 8), (128,), (10,)],
    "vgg-small-valid": [
        (32, 30, 30),
        (32, 28, 28),
        (32, 14, 14),
        (64, 12, 12),
        (64, 10, 10),
        (64, 5, 5),
        (128,),
        (10,),
    ],
}


def test_every_model_either_reads_vectors_or_has_a_smallest_image():
    assert set(MODELS) == {*VECTORS, *SMALLEST}


@pytest.mark.parametrize("name", MODELS)
def test_a_model_has_the_layers_and_the_number_of_parameters_that_its_description_says(name):
    network = MODELS[name]()
    assert [stage.outputs.shape for stage in network.stages] == SHAPES[name]
    assert f"{network.parameter_count:,} parameters" in " ".join((MODELS[name].__doc__ or "").split())


@pytest.mark.row("N5", "N16")
@pytest.mark.parametrize("name", ["lenet5", "lenet5-rbf"])
def test_lenet5_has_the_published_parameters_and_connections_up_to_f6(name):
    counted = costs(MODELS[name]()).layers[:6]
    assert [layer.parameters for layer in counted] == [156, 12, 1516, 32, 48_120, 10_164]
    assert sum(layer.parameters for layer in counted) == 60_000
    assert [layer.connections for layer in counted] == [122_304, 5_880, 151_600, 2_000, 48_120, 10_164]


def test_lenet5_with_radial_output_has_the_published_connections_in_all():
    assert costs(MODELS["lenet5-rbf"]()).connections == 340_908


@pytest.mark.parametrize("name", ["lenet5", "lenet5-rbf"])
def test_lenet5_reads_digits_of_28_as_if_they_lay_in_32(name, rng):
    small, large = (MODELS[name]((1, side, side)).bind("numpy", dtype="float64") for side in (28, 32))
    x = rng.standard_normal((3, 1, 28, 28))
    np.testing.assert_array_equal(small.theta, large.theta)
    np.testing.assert_allclose(small.forward(x), large.forward(np.pad(x, ((0, 0), (0, 0), (2, 2), (2, 2)))), rtol=1e-12)


def test_lenet5_pads_only_the_side_that_is_short():
    first = MODELS["lenet5"]((1, 28, 40)).stages[0]
    assert (first.layer.padding, first.outputs.shape) == ((2, 0), (6, 28, 36))


def test_simards_window_that_moves_by_two_is_hedbergs_sub_sampling(rng):
    sampled = MODELS["simard"](seed=3)
    moving = [
        layers.Convolution(5, 5, stride=2, activation="tanh"),
        layers.Convolution(50, 5, stride=2, activation="tanh"),
        *sampled.layers[4:],
    ]
    network = gcnn.Network(moving, sampled.inputs, seed=3)
    x = rng.standard_normal((2, 1, 29, 29))
    outputs = [net.bind("numpy", dtype="float64").forward(x) for net in (sampled, network)]
    np.testing.assert_allclose(*outputs, rtol=1e-12)  # the order of sums may differ
    assert costs(network).layers[0].multiply_adds < 0.3 * costs(sampled).layers[0].multiply_adds


def test_simard_keeps_its_sizes_behind_the_first_sub_sampling_for_digits_of_28():
    designed, digits = MODELS["simard"](), MODELS["simard"]((1, 28, 28))
    assert [stage.outputs for stage in digits.stages[1:]] == [stage.outputs for stage in designed.stages[1:]]


@pytest.mark.parametrize("name", VECTORS)
def test_vectors_and_images_of_any_size_fit_the_models_that_promise_it(name):
    for shape in (3, (3,), (1, 2, 2), gcnn.Maps([(2, 2), (1, 3)])):
        assert MODELS[name](shape, 2).outputs.points == 2


@pytest.mark.parametrize("name", SMALLEST)
@pytest.mark.parametrize("shape", [64, (64,), [64]])
def test_a_convolutional_model_refuses_vectors_and_names_models_that_fit(name, shape):
    with pytest.raises(NetworkError, match=rf"^{name} reads images.*vectors of 64 numbers.*logistic, mlp, rbf"):
        MODELS[name](shape)


@pytest.mark.parametrize(("name", "side"), SMALLEST.items())
def test_the_smallest_image_that_a_model_names_is_the_smallest_that_it_takes(name, side):
    assert MODELS[name]((2, side, side), 2).outputs.points == 2
    for small in ((2, side - 1, 99), (2, 99, side - 1)):
        with pytest.raises(NetworkError, match=rf"^{name} needs images of at least {side} cells along every axis"):
            MODELS[name](small)


@pytest.mark.parametrize("side", range(7, 32))
def test_delmas_takes_only_sides_that_its_windows_fill_and_says_which(side):
    if side in (7, 10, 13, 16, 19, 22, 25, 28, 31):
        assert MODELS["delmas"]((1, side, 28)).outputs.points == 10
    else:
        with pytest.raises(NetworkError, match=rf"7, 10, 13, .* got {side} x 28"):
            MODELS["delmas"]((1, side, 28))


def test_logistic_regression_of_a_higher_degree_reads_monomials():
    network = MODELS["logistic"](2, 2, degree=2)
    assert [stage.outputs.shape for stage in network.stages] == [(5,), (2,)]
    assert MODELS["logistic-quadratic"](2, 2) == network
    assert len(MODELS["logistic"](2, 2, degree=1).layers) == 1
    with pytest.raises(LayerError, match="degree"):
        MODELS["logistic"](2, 2, degree=0)


def test_a_perceptron_without_hidden_layers_is_logistic_regression():
    assert MODELS["mlp"](7, 3, 5, units=()) == MODELS["logistic"](7, 3, 5)
    assert [stage.outputs.points for stage in MODELS["mlp"](7, 3, units=(4, 5, 6)).stages] == [4, 5, 6, 3]


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("classes", [2, 3, 11])
def test_a_model_has_as_many_outputs_as_classes_and_its_seed(name, classes):
    network = MODELS[name](MODELS[name]().inputs, classes, 7)
    assert (network.outputs.shape, network.seed) == ((classes,), 7)


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("read", ["json", "toml"])
def test_a_model_goes_to_text_and_back(name, read):
    network = MODELS[name](seed=5)
    text = getattr(network, f"to_{read}")()
    assert getattr(gcnn.Network, f"from_{read}")(text) == network


@pytest.mark.parametrize("name", MODELS)
def test_one_step_of_a_model_lowers_the_loss_on_its_batch(name, rng):
    network = MODELS[name]()
    model = network.bind("numpy", dtype="float64", batch=8)
    x, t = rng.standard_normal((8, *network.inputs.shape)), np.arange(8) % 10
    step = gcnn.training_step(model, optimizers.GradientDescent(lr=1e-3))
    before, theta = step(x, t), model.theta
    assert np.isfinite(before)
    assert model.loss(x, t) < before
    # Every layer with parameters has learned something.
    moved = theta != network.initial_parameters()
    assert all(moved[stage.parameters].any() for stage in network.stages if stage.layer.parameter_count(stage.inputs))


def test_lenet5_with_radial_output_fits_a_batch(rng):
    model = MODELS["lenet5-rbf"]((1, 28, 28)).bind("numpy", batch=5)
    x, t = rng.standard_normal((5, 1, 28, 28)), np.arange(5)
    step = gcnn.training_step(model, optimizers.Adam(lr=0.01))
    losses = [step(x, t) for _ in range(20)]
    assert losses[-1] < 0.1 * losses[0]
    assert (model.predict(x) == t).all()
