"""What is timed: a training step, the loss with its gradient, or inference, through the public API."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from gcnn.errors import DataError, one_of
from gcnn.maps import Array
from gcnn.model import Model
from gcnn.network import Network
from gcnn.optimizers import Optimizer
from gcnn.step import training_step
from gcnn.timing import Timing, interleaved

TORCH = "torch"
WORKS = ("step", "gradient", "forward")
"""A training step with its update, the loss with its gradient, and the outputs; each from arrays on the host and back."""
AGREE = 1e-3
"""Relative difference of two losses beyond which the works cannot be the same."""


@dataclass(frozen=True)
class Comparison:
    """Times of one work in several places.

    Attributes:
        work: one of `WORKS`.
        batch: samples of a call.
        dtype: what was computed in.
        timings: by place: "numpy", "opencl:0", "torch".
        report: by place, what its plan says of itself; empty for others.
    """

    work: str
    batch: int
    dtype: str
    timings: dict[str, Timing]
    report: dict[str, dict[str, Any]]

    def ratio(self, place: str, other: str) -> float:
        """How many times as fast as `other` a place is."""
        return self.timings[other].median / self.timings[place].median

    def to_json(self) -> dict[str, Any]:
        """All of it, as JSON has it; times in seconds."""
        return asdict(self)


def compare(
    network: Network,
    places: Sequence[str],
    optimizer: Callable[[], Optimizer],
    work: str = "step",
    batch: int = 64,
    dtype: str = "float32",
    blocks: int = 15,
) -> Comparison:
    """Time the same work in several places, in turns.

    The places start from the same parameters and data, and their losses are compared before anything is timed.

    Args:
        network: what runs.
        places: backends, "opencl:1" for a device by its index, or "torch".
        optimizer: makes the update rule of a step.
        work: one of `WORKS`.
        batch: samples of a call.
        dtype: "float32" or "float64".
        blocks: times to take in each place.

    Raises:
        DataError: an unknown work, a place given twice, or places that do not compute the same.
        BackendUnavailable, Unsupported: a place that is not there, or cannot run the network.
    """
    if work not in WORKS:
        raise DataError(one_of("work", work, WORKS))
    if not places or len(set(places)) < len(places):
        raise DataError(f"places must be named, each once; got {', '.join(places) or 'none'}.")
    x, t = samples(network, batch, dtype)
    calls: dict[str, Callable[[], object]] = {}
    finish: dict[str, Callable[[], object]] = {}
    reports: dict[str, dict[str, Any]] = {}
    losses: dict[str, float] = {}
    for place in places:
        if place == TORCH:
            from gcnn.bench.torch_peer import TorchPeer

            peer = TorchPeer(network, optimizer(), dtype)
            losses[place], calls[place], reports[place] = peer.loss(x, t), peer.call(work, x, t), {}
            continue
        model = bound(network, place, dtype, batch)
        losses[place] = model.loss(x, t)
        calls[place], reports[place] = _call(model, optimizer(), work, x, t), model.report()
        finish[place] = model.plan.synchronize
    expected = losses[places[0]]
    for place, loss in losses.items():
        if not abs(loss - expected) <= AGREE * max(abs(expected), 1e-6):
            raise DataError(f"{place} has a loss of {loss:g} where {places[0]} has {expected:g}: not the same work.")
    return Comparison(work, batch, dtype, interleaved(calls, blocks, finish=finish), reports)


def bound(network: Network, place: str, dtype: str, batch: int) -> Model:
    """The network on a backend, or on the device behind its colon."""
    backend, _, device = place.partition(":")
    return network.bind(backend, device or None, dtype, batch)


def samples(network: Network, batch: int, dtype: str) -> tuple[Array, Array]:
    """Inputs in [0, 1) and targets that suit the network's loss, seeded."""
    rng = np.random.default_rng(0)
    x = rng.random((batch, *network.inputs.shape)).astype(dtype)
    outputs = network.outputs
    if network.loss.name == "cross_entropy":
        return x, np.eye(outputs.points, dtype=dtype)[rng.integers(0, outputs.points, batch)].reshape(
            batch, *outputs.shape
        )
    return x, rng.random((batch, *outputs.shape)).astype(dtype)


def _call(model: Model, optimizer: Optimizer, work: str, x: Array, t: Array) -> Callable[[], object]:
    if work == "step":
        step = training_step(model, optimizer)
        return lambda: step(x, t)
    return (lambda: model.loss_and_gradient(x, t)) if work == "gradient" else (lambda: model.forward(x))
