"""What the tests of training share: a network whose gradient names the samples that it was made from, and odd networks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
import pytest

import gcnn
from gcnn import Maps, Model, Network
from gcnn.layers import Activation, Convolution, Dense, MaxPooling, RadialBasis, VanillaSubsampling, WeightedSubsampling
from gcnn.optimizers import Optimizer


class Recorder(Optimizer):
    """An update rule that changes nothing and keeps every gradient it is given."""

    kind = "recorder of the training tests"
    hyperparameters: dict[str, float] = {}  # noqa: RUF012  # never changed

    def __init__(self) -> None:
        super().__init__()
        self.gradients: list[Any] = []

    def apply(self, theta: Any, gradient: Any, slots: Mapping[str, Any], hyperparameters: Any, count: int) -> None:
        self.gradients.append(gradient.copy())


@pytest.fixture
def recorder() -> Recorder:
    return Recorder()


@pytest.fixture(scope="session")
def batches_seen() -> Callable[..., list[list[int]]]:
    """`batches_seen(samples, batch, epochs, network_seed=0, **train)`: the samples of every step, as training used them.

    Sample s is the unit vector e_s and y = <w, x> with w = 0, so the gradient of a batch is zero but at its samples.
    """

    def seen(samples: int, batch: int, epochs: int, network_seed: int = 0, **train: Any) -> list[list[int]]:
        model = Network([Dense(1, bias=False)], samples, "mse", network_seed).bind("numpy", batch=batch)
        model.theta = np.zeros(samples)
        recorder = Recorder()
        gcnn.train(model, (np.eye(samples), np.ones(samples)), recorder, epochs, **train)
        return [np.flatnonzero(gradient).tolist() for gradient in recorder.gradients]

    return seen


@pytest.fixture(scope="session")
def unit() -> Callable[..., Model]:
    """`unit(theta, activation="identity", loss="mse", dtype="float64", batch=64, **network)`: y = φ(w x + b)."""

    def unit(
        theta: tuple[float, float],
        activation: str = "identity",
        loss: str = "mse",
        dtype: str = "float64",
        batch: int = 64,
        **network: Any,
    ) -> Model:
        model = Network([Dense(1, activation=activation)], 1, loss, **network).bind("numpy", dtype=dtype, batch=batch)
        model.theta = np.array(theta)
        return model

    return unit


class Odd(NamedTuple):
    """A network of an unusual kind, and random data that fit it."""

    network: Network
    x: Any
    t: Any


SCATTERED = [(0, 0), (0, 1), (1, 0), (1, 1), (2, 2), (2, 3), (3, 2), (3, 3), (4, 0)]
ODD = {
    "three image sizes": Network(
        [
            Convolution(2, (3, 2), table=[[1, 0, 0], [0, 1, 1]], activation="tanh"),
            MaxPooling(2),
            Dense(3, activation="softmax"),
        ],
        Maps([(7, 8), (9, 6), (5, 5)]),
    ),
    "lists of coordinates": Network(
        [
            Convolution(3, 2, output=[[(0, 0), (3, 1)], [(1, 1)], (2, 2)], activation="softsign"),
            Convolution(2, 1, activation="tanh", output=[[(0, 0)], [(1, 1), (3, 1)]]),
            Dense(2),
        ],
        Maps([SCATTERED, (4, 3)]),
        "sse",
    ),
    "mixed kernels": Network(
        [
            Convolution(2, [(2, 3), (3, 1), (1, 1), (3, 3)], activation="scaled_tanh"),
            WeightedSubsampling(2, table=[[1, 1], [0, 1]], weights="cross", activation="tanh"),
            Dense(4),
            Activation("softmax"),
        ],
        (2, 6, 7),
    ),
    "one axis": Network(
        [Convolution(3, 3, stride=2, shared=True, activation="tanh"), VanillaSubsampling(2), RadialBasis(4), Dense(2)],
        (2, 12),
        "mse",
        seed=4,
        reduction="mean_outputs",
    ),
    "three axes": Network(
        [Convolution(2, (2, 1, 2), activation="relu"), WeightedSubsampling((1, 2, 3)), Dense(1, activation="logistic")],
        (2, 3, 4, 4),
        "binary_cross_entropy",
        seed=9,
    ),
}


def _targets(network: Network, rng: Any, samples: int) -> Any:
    """Labels where the loss is of classes, else numbers."""
    if network.loss.name in ("cross_entropy", "binary_cross_entropy"):
        return rng.integers(0, max(network.outputs.points, 2), samples)
    return rng.standard_normal((samples, *network.outputs.shape))


@pytest.fixture(params=ODD, scope="session")
def odd(request: pytest.FixtureRequest) -> Odd:
    """Networks of every unusual kind in turn, each with 11 samples."""
    network, rng = ODD[request.param], np.random.default_rng(8)
    return Odd(network, rng.standard_normal((11, *network.inputs.shape)), _targets(network, rng, 11))
