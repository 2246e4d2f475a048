"""Times of models on every device, to compare a change with what was before:

    pip install -e ".[bench]"
    pytest benchmarks --benchmark-autosave              # before
    pytest benchmarks --benchmark-compare               # after

A table, not a verdict: nothing fails for being slow. `gcnn bench` compares places with each other and with PyTorch, in turns.
"""

from __future__ import annotations

import numpy as np
import pytest

import gcnn
from gcnn.models import MODELS
from gcnn.optimizers import Momentum

BATCHES = (1, 64)


@pytest.fixture(params=["lenet", "simard", "delmas", "mlp", "vgg-small"], scope="module")
def network(request) -> gcnn.Network:
    return MODELS[request.param]()


def _samples(network: gcnn.Network, batch: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    classes = network.outputs.points
    x = rng.random((batch, *network.inputs.shape), dtype=np.float32)
    return x, np.eye(classes, dtype=np.float32)[rng.integers(0, classes, batch)]


@pytest.mark.parametrize("batch", BATCHES)
def test_forward(benchmark, network, place, batch):
    backend, device = place
    model = network.bind(backend, device, batch=batch)
    benchmark(model.forward, _samples(network, batch)[0])


def test_training_step(benchmark, network, place):
    backend, device = place
    step = gcnn.training_step(network.bind(backend, device, batch=64), Momentum(0.001))
    benchmark(step, *_samples(network, 64))
