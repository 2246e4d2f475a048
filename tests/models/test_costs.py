"""Counts against those made by hand, by the oracle's own arrays, and by papers."""

from __future__ import annotations

import numpy as np
import pytest

import gcnn
from gcnn import layers
from gcnn.backend import get_backend
from gcnn.costs import Costs, costs
from gcnn.models import MODELS
from gcnn.optimizers import Adam

NETWORK = gcnn.Network(
    [
        layers.Convolution(2, 3, table=[[1, 1, 0], [0, 0, 1]], activation="tanh"),
        layers.WeightedSubsampling(2),
        layers.Dense(5, bias=False),
        layers.RadialBasis(4, power=2),
    ],
    (3, 6, 6),
    "mse",
)


def by_layer(counted: Costs, name: str) -> list[int]:
    return [getattr(layer, name) for layer in counted.layers]


def test_counts_are_those_made_by_hand():
    counted = costs(NETWORK)
    # Cells made: 2 of 4x4, 2 of 2x2, 5, 4. Three kernels of 9 taps; windows of 4 cells; 8 inputs to 5 units; 5 to 4 centres.
    assert by_layer(counted, "multiply_adds") == [3 * 9 * 16, 2 * 4 * 4, 40, 20]
    assert by_layer(counted, "connections") == [3 * 9 * 16 + 32, 32 + 8, 40, 20]
    assert by_layer(counted, "forward") == [2 * 432, 32 + 8, 80, 60]
    assert by_layer(counted, "gradient") == [2 * 432 + 32, 2 * 8 + 8, 80, 60]
    assert by_layer(counted, "backpropagation") == [0, 16, 80, 20]
    assert by_layer(counted, "parameters") == [29, 4, 40, 24]
    assert (counted.parameters, counted.connections) == (97, 564)
    assert counted.forward == 864 + 40 + 80 + 60
    assert counted.training == counted.forward + (896 + 24 + 80 + 60) + (16 + 80 + 20)


def test_the_first_layer_needs_no_delta_of_its_input_and_every_other_layer_does():
    dense = [layers.Dense(3), layers.Dense(3)]
    assert by_layer(costs(gcnn.Network(dense, 3, "mse")), "backpropagation") == [0, 18]


@pytest.mark.parametrize("name", ["lenet", "vgg-small-valid", "lenet5", "digits-conv", "mlp", "rbf", "simard-max"])
def test_values_kept_are_those_that_the_oracle_keeps(name):
    network = MODELS[name]()
    oracle = get_backend("numpy")
    device, y, theta = oracle.devices()[0], np.zeros((2, *network.inputs.shape)), network.initial_parameters()
    kept = []
    for stage in network.stages:
        saved = oracle.layer(stage, device, "float64").forward(y, theta[stage.parameters])
        y = saved.y
        kept.append(sum(array.size for array in {id(array): array for array in (saved.z, saved.y)}.values()) // 2)
    assert by_layer(costs(network), "values") == kept


def test_memory_counts_vectors_once_and_activations_for_every_sample_of_a_batch():
    counted = costs(gcnn.Network([layers.Dense(3, activation="tanh"), layers.Dense(2)], 5, "mse"))
    memory = counted.memory(batch=10, dtype="float64")
    theta = (5 * 3 + 3 + 3 * 2 + 2) * 8
    assert (memory.parameters, memory.gradient, memory.state) == (theta, theta, len(Adam.slots) * theta)
    assert memory.activations == 10 * (5 + 2 * 3 + 2) * 8
    assert memory.total == 4 * theta + memory.activations
    assert counted.memory(10, "float32", slots=0).total == (2 * theta + memory.activations) // 2


def test_a_training_step_of_lenet_on_64_samples_is_97_million_operations():
    # Against the count by PyTorch's convention: 2 FLOPs a multiply-add, forward, and twice that back, but once for the first layer.
    network = MODELS["lenet"]()
    work = [stage.layer.multiply_adds(stage.inputs) for stage in network.stages]
    biases = 6 * 24 * 24 + 16 * 8 * 8 + 120 + 84 + 10
    assert costs(network).training == 6 * sum(work) - 2 * work[0] + biases
    assert round(64 * costs(network).training / 1e6) == 97


def test_a_users_own_layer_is_counted_by_what_it_says_of_itself():
    network = gcnn.Network([layers.Activation("tanh"), layers.Flatten(), layers.MaxPooling(1)], (2, 3), "mse")
    assert by_layer(costs(network), "training") == [0, 0, 0]
    assert by_layer(costs(network), "connections") == [0, 0, 0]
