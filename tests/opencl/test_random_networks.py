"""Networks that nobody thought of give what the oracle gives: layers, sizes and batches are drawn, and the planner puts them together.

Cases that are written down look where mistakes are expected. These are large enough to leave chains, to be dealt to parts, and to have
several layers do so at once.
"""

from __future__ import annotations

import os
import random

import numpy as np
import pytest

import gcnn
from gcnn.backend import Program
from gcnn.backends.numpy import BACKEND as ORACLE
from gcnn.backends.opencl.backend import BACKEND
from gcnn.errors import GcnnError
from gcnn.layers import Convolution, Dense, Layer, MaxPooling, VanillaSubsampling, WeightedSubsampling

SEEDS = range(20, 20 + int(os.environ.get("GCNN_TEST_NETWORKS", "12")))
"""As many networks on each device. Number 26 has two convolutions whose gradients are dealt to parts, of which some once were left out."""
MULTIPLY_ADDS, PARAMETERS = 3e8, 1e6
"""Of a forward pass and of a network, at most."""
SMOOTH = ("tanh", "logistic", "softsign", "scaled_tanh", "softplus", "identity")
"""Activations without kinks, at which float64 on both sides would have no choice but to agree."""
TOLERANCE = 1e-9
"""Of float64, as a part of the norm: far above what thousands of additions round, far below any sum left out."""


def drawn_layer(draw: random.Random) -> Layer:
    """One that may or may not fit what is below it."""
    activation, kind = draw.choice(SMOOTH), draw.choice(("convolution",) * 4 + ("pooling", "sampling", "dense"))
    if kind == "convolution":
        kernel = draw.choice((1, 2, 3, 3, 5, (3, 5)))
        maps, stride, padding = (
            draw.choice((1, 2, 3, 5, 8, 16, 20, 33)),
            draw.choice((1, 1, 1, 2)),
            draw.choice((0, 0, 1, 2)),
        )
        return Convolution(maps, kernel, stride=stride, padding=padding, activation=activation)
    if kind == "pooling":
        return MaxPooling(draw.choice((2, 3, (2, 1))))
    if kind == "sampling":
        return draw.choice((WeightedSubsampling(2, activation=activation), VanillaSubsampling(2)))
    return Dense(draw.choice((3, 10, 50, 300, 700)), activation=activation)


def drawn(seed: int) -> tuple[gcnn.Network, int, int]:
    """A network, the batch that it is planned for, and how many samples it gets; the first that fits and is not too large."""
    draw = random.Random(seed)  # noqa: S311  # no secret
    while True:
        layers = [drawn_layer(draw) for _ in range(draw.randint(1, 4))] + [Dense(draw.choice((1, 4, 10)))]
        inputs = draw.choice((1, 2, 3, 8, 17, 32)), draw.randint(6, 48), draw.randint(6, 48)
        batch = draw.choice((1, 2, 3, 5, 7, 16, 17, 31, 64, 70))
        samples = draw.choice((batch, batch, max(1, batch - 1), max(1, batch // 2)))
        try:
            network = gcnn.Network(layers, inputs, "mse", seed=seed)
        except GcnnError:
            continue  # a kernel or a window larger than its maps
        multiply_adds = batch * sum(stage.layer.multiply_adds(stage.inputs) for stage in network.stages)
        if multiply_adds <= MULTIPLY_ADDS and network.parameter_count <= PARAMETERS:
            return network, batch, samples


@pytest.mark.parametrize("seed", SEEDS)
def test_it_gives_what_the_oracle_gives(device, seed):
    network, batch, samples = drawn(seed)
    rng = np.random.default_rng(seed)
    x, t = (rng.standard_normal((samples, *maps.shape)) for maps in (network.inputs, network.outputs))
    found = []
    for backend, own in ((BACKEND, device), (ORACLE, ORACLE.devices()[0])):
        plan = backend.plan(Program.of(network), own, "float64", batch)
        plan.vectors.copy(plan.vectors.upload(network.initial_parameters()), plan.theta)
        loss, gradient = plan.loss_gradient(x, t), plan.vectors.download(plan.gradient)
        found.append({"loss": loss, "gradient": gradient, "dx": plan.vjp(x, t), "y": plan.forward(x)})
        plan.close()
    for name, expected in found[1].items():
        off = np.linalg.norm(found[0][name] - expected)
        assert off <= TOLERANCE * np.linalg.norm(expected), (
            f"{name} of {network.layers} on {network.inputs}, {samples} of {batch}"
        )
