"""A simplified network computes what the network computes, forward and back, from the same parameters."""

from __future__ import annotations

import numpy as np
import pytest

import gcnn
from gcnn.backend import Program
from gcnn.backends.numpy import BACKEND
from gcnn.equivalent import flattened, simplified
from gcnn.layers import Activation, Convolution, Dense, MaxPooling, VanillaSubsampling
from gcnn.maps import Maps

NETWORKS = {
    "twice": (
        [Convolution(3, 3, activation="tanh"), VanillaSubsampling(2), Convolution(4, 2), VanillaSubsampling((2, 1)), Dense(2)],
        (2, 12, 11),
        3,
    ),
    "a stride, padding and a remainder": (
        [Convolution(3, 3, stride=(2, 1), padding=(1, 2), activation="softsign"), VanillaSubsampling(3)],
        (1, 13, 10),
        1,
    ),
    "a table": ([Convolution(2, 2, table=[[1, 0], [1, 1]]), VanillaSubsampling(2)], (2, 6, 6), 1),
    "three axes": ([Convolution(2, 2), VanillaSubsampling((1, 2, 3))], (1, 4, 5, 7), 1),
    "then pooled": ([Convolution(2, 2), VanillaSubsampling(2), MaxPooling(2)], (1, 12, 12), 2),
}  # fmt: skip


def passes(stages, theta, x, v):
    plan = BACKEND.plan(Program(stages), BACKEND.devices()[0], "float64", len(x))
    plan.vectors.copy(plan.vectors.upload(theta), plan.theta)
    return plan.forward(x), plan.vjp(x, v), plan.vectors.download(plan.gradient)


@pytest.mark.parametrize("name", NETWORKS)
def test_it_computes_the_same_in_fewer_layers(name):
    layers, inputs, left = NETWORKS[name]
    network = gcnn.Network(layers, inputs, "mse")
    stages = simplified(network.stages)
    assert len(stages) == left
    assert stages[-1].outputs == network.stages[-1].outputs
    rng = np.random.default_rng(0)
    theta = rng.standard_normal(network.parameter_count)
    x, v = rng.standard_normal((3, *network.inputs.shape)), rng.standard_normal((3, *network.outputs.shape))
    for found, expected in zip(passes(stages, theta, x, v), passes(network.stages, theta, x, v), strict=True):
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-13 * np.abs(expected).max())


@pytest.mark.parametrize(
    ("layers", "inputs"),
    [
        ([Convolution(2, 2), Activation("tanh"), VanillaSubsampling(2)], (1, 6, 6)),
        ([VanillaSubsampling(2), Convolution(2, 2)], (1, 6, 6)),
        ([Convolution(2, 3), VanillaSubsampling(2)], Maps([(7, 8), (9, 6), (5, 5)])),
        ([Convolution(1, 2, output=Maps([[(0, 0), (2, 1), (1, 3)]])), VanillaSubsampling(2)], (1, 4, 4)),
    ],
    ids=["something between", "the other way round", "maps of differing sizes", "chosen outputs"],
)
def test_other_layers_stay_as_they_are(layers, inputs):
    network = gcnn.Network(layers, inputs, "mse")
    assert simplified(network.stages) == network.stages


@pytest.mark.parametrize("layer", [Convolution(5, (4, 3), activation="tanh"), Convolution(5, (4, 3), stride=2)])
def test_a_convolution_of_one_output_is_a_dense_layer_of_the_same_parameters(layer):
    network = gcnn.Network([layer], (2, 4, 3), "mse")
    [stage] = map(flattened, network.stages)
    assert isinstance(stage.layer, Dense)
    rng = np.random.default_rng(0)
    theta, x, v = (rng.standard_normal(n) for n in (network.parameter_count, (3, 2, 4, 3), (3, 5, 1, 1)))
    dense = stage._replace(outputs=Maps((5,)))
    for found, expected in zip(
        passes((dense,), theta, x, v.reshape(3, 5)), passes(network.stages, theta, x, v), strict=True
    ):
        np.testing.assert_allclose(found, expected.reshape(found.shape), rtol=0, atol=1e-13 * np.abs(expected).max())


@pytest.mark.parametrize(
    "layer",
    [
        Convolution(2, (4, 2)),
        Convolution(2, (4, 3), padding=1),
        Convolution(2, (4, 3), table=[[1, 0], [1, 1]]),
        Convolution(2, (4, 3), shared=True),
        Convolution(1, 2, output=Maps([[(0, 0)]])),
    ],
    ids=["larger maps", "padding", "a table", "shared kernels", "chosen outputs"],
)
def test_other_convolutions_are_none(layer):
    [stage] = gcnn.Network([layer], (2, 4, 3), "mse").stages
    assert flattened(stage) is stage
