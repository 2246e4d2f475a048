"""A conformance case: a row of data, with everything needed to draw its arrays."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from zlib import crc32

import numpy as np

from gcnn.backend import PRECISIONS, Program
from gcnn.layers import Layer
from gcnn.losses import Loss
from gcnn.maps import Array, Maps
from gcnn.network import Network
from gcnn.optimizers import Optimizer

LEVELS = ("core", "layers", "losses", "updates", "networks")


@dataclass(frozen=True)
class Case:
    """One thing that a backend must compute.

    Attributes:
        id: stable name, "layer/aspect/detail"; the first part groups the report.
        layers: one layer, or a network of several.
        inputs: what the first layer reads.
        level: where the suite lists it, one of `LEVELS`.
        batch: samples that the plan is made for; smaller counts run too.
        equations: what it checks, such as "H60" or "D38".
        loss: where given, loss and gradient are checked as well as forward and vjp.
        optimizer: where given, `steps` steps of the update rule are checked.
        changed: hyper-parameters that change after the first step.
        draw: how the input is drawn: "normal"; "distinct", a permuted grid whose values are far apart, for max pooling;
            "ties", small integers; "wide", up to some ±30; "extreme", up to ±10,000;
            "nan", normal with one NaN; "offset", normal around 100.
        targets: "normal", "one_hot", "probabilities", "any" (not summing to 1), or "binary".
        smooth: False where differences across a kink would not approach the derivative.
        given: arrays in place of drawn ones, by name: theta, x, t, v.
        published: results with the digits they were printed to, by name: y, dx, gradient, loss, theta (a row a step).
        digits: decimals of the published results; None where they are exact.
        precision: of the program; "strict" leaves out what rounds more, and the error bound for it.
    """

    id: str
    layers: tuple[Layer, ...]
    inputs: Maps
    level: str = "layers"
    batch: int = 3
    equations: tuple[str, ...] = ()
    loss: Loss | None = None
    optimizer: Optimizer | None = None
    steps: int = 3
    changed: Mapping[str, float] = field(default_factory=dict)
    draw: str = "normal"
    targets: str = "normal"
    smooth: bool = True
    given: Mapping[str, Any] = field(default_factory=dict)
    published: Mapping[str, Any] = field(default_factory=dict)
    digits: int | None = None
    precision: str = PRECISIONS[0]

    def program(self) -> Program:
        """The program to plan: with the case's loss and update rule, or with neither."""
        network = Network(self.layers, self.inputs, self.loss or "mse")
        update = self.optimizer.rule() if self.optimizer else None
        return Program(network.stages, self.loss, update, self.precision)

    def _theta(self, program: Program, rng: np.random.Generator) -> Array:
        """Single layers: N(0, ½). Networks: near their usual start, so that deep ones do not saturate and hide errors."""
        if self.level != "networks":
            return 0.5 * rng.standard_normal(program.parameter_count)
        start = [stage.layer.initialize(stage.inputs, rng) for stage in program.stages]
        return np.concatenate(start) + 0.05 * rng.standard_normal(program.parameter_count)

    def arrays(self, program: Program, dtype: str) -> Arrays:
        """The case's arrays: drawn in float64 from a generator seeded by the id, rounded to `dtype`, given as float64."""
        rng = np.random.default_rng(crc32(self.id.encode()))
        theta = self._theta(program, rng)
        drawn = {
            "theta": theta,
            "x": _inputs(self.draw, (self.batch, *program.inputs.shape), rng),
            "t": _targets(self.targets, self.batch, program.outputs, rng),
            "v": rng.standard_normal((self.batch, *program.outputs.shape)),
        }
        drawn |= {name: np.asarray(value, dtype=np.float64) for name, value in self.given.items()}
        return Arrays(**{name: value.astype(dtype).astype(np.float64) for name, value in drawn.items()})


@dataclass(frozen=True)
class Arrays:
    """θ, inputs, targets and an output cotangent, float64, each exactly representable in the dtype under test."""

    theta: Array
    x: Array
    t: Array
    v: Array

    def first(self, n: int) -> Arrays:
        """The same for the first n samples."""
        return Arrays(self.theta, self.x[:n], self.t[:n], self.v[:n])


def _inputs(draw: str, shape: tuple[int, ...], rng: np.random.Generator) -> Array:
    size = int(np.prod(shape))
    if draw == "distinct":
        return (rng.permutation(size).reshape(shape) - size / 2) * (4.0 / size)
    if draw == "ties":
        return rng.integers(0, 3, shape).astype(np.float64)
    normal = rng.standard_normal(shape)
    if draw == "nan":
        normal.reshape(-1)[size // 2] = np.nan
    scale, offset = {"extreme": (5000.0, 0.0), "wide": (10.0, 0.0), "offset": (1.0, 100.0)}.get(draw, (1.0, 0.0))
    return np.clip(scale * normal, -1e4, 1e4) + offset


def _targets(targets: str, n: int, outputs: Maps, rng: np.random.Generator) -> Array:
    shape = (n, outputs.points)
    made = {
        "normal": lambda: rng.standard_normal(shape),
        "one_hot": lambda: np.eye(outputs.points)[rng.integers(0, outputs.points, n)],
        "probabilities": lambda: rng.dirichlet(np.ones(outputs.points), n),
        "any": lambda: rng.uniform(0, 2, shape),
        "binary": lambda: rng.integers(0, 2, shape).astype(np.float64),
    }[targets]()
    return made.reshape(n, *outputs.shape)
