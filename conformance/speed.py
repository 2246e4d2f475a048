"""How fast, beside the oracle: one training step on both, interleaved, so that a busy machine slows both alike."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from gcnn.backend import Plan, Program, find_device
from gcnn.backends.numpy import BACKEND
from gcnn.conformance.subject import Subject
from gcnn.layers import Convolution, Dense, Layer, MaxPooling
from gcnn.maps import Maps
from gcnn.network import Network
from gcnn.optimizers import Momentum
from gcnn.timing import interleaved

BATCH, BLOCKS = 64, 9
WORKS: dict[str, tuple[tuple[Layer, ...], Maps]] = {
    "mlp 784-300-10": ((Dense(300, activation="tanh"), Dense(10)), Maps((784,))),
    "lenet": (
        (
            Convolution(6, 5, activation="tanh"),
            MaxPooling(2),
            Convolution(16, 5, activation="tanh"),
            MaxPooling(2),
            Dense(120, activation="tanh"),
            Dense(84, activation="tanh"),
            Dense(10),
        ),
        Maps((1, 28, 28)),
    ),
}


def speeds(subject: Subject) -> list[dict[str, Any]]:
    """For each work that the backend claims: median milliseconds of a step of 64 samples, and the oracle's over its own."""
    rows = []
    for name, (layers, inputs) in WORKS.items():
        network = Network(layers, inputs, "mse")
        program = Program.of(network, Momentum(1e-3).rule())
        if subject.backend.capabilities.missing(program, subject.dtype):
            continue
        subjects = {"backend": subject, "oracle": Subject(BACKEND, find_device(BACKEND, 0), subject.dtype)}
        works = {key: _step(one, program, network) for key, one in subjects.items()}
        finish = {key: plan.synchronize for key, (plan, _) in works.items()}
        times = interleaved({key: step for key, (_, step) in works.items()}, BLOCKS, finish=finish)
        milliseconds = times["backend"].median * 1e3
        ratio = times["oracle"].median / times["backend"].median
        rows.append({"work": name, "dtype": subject.dtype, "milliseconds": milliseconds, "times the oracle": ratio})
    return rows


def _step(subject: Subject, program: Program, network: Network) -> tuple[Plan, Callable[[], float]]:
    plan = subject.backend.plan(program, subject.device, subject.dtype, BATCH)
    plan.vectors.copy(plan.vectors.upload(subject.cast(network.initial_parameters())), plan.theta)
    rng = np.random.default_rng(0)
    x, t = (subject.cast(rng.standard_normal((BATCH, *maps.shape))) for maps in (program.inputs, program.outputs))
    return plan, lambda: plan.step(x, t)
