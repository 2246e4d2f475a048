"""Panels of a dense layer's weights change no bit, follow θ, and are taken where they are read often enough."""

from __future__ import annotations

import numpy as np
import pytest

import gcnn
from gcnn.backend import Program
from gcnn.backends.accelerated.backend import MAKERS, TOGETHER
from gcnn.backends.accelerated.dense import BLOCKS, PANEL_RUN, Product, within
from gcnn.backends.accelerated.plan import AcceleratedPlan
from gcnn.backends.accelerated.tuning.choosers import Defaults
from gcnn.backends.opencl.backend import BACKEND
from gcnn.layers import Dense
from gcnn.optimizers import Momentum

SIZES = [(PANEL_RUN + 3, 7, 5), (11, 2 * PANEL_RUN, 3), (4, 1, 1)]
"""Inputs, units and samples: depths of more than a run, that tiles do not divide, and a single row."""


class Panels(Defaults):
    """Takes panels, or takes none, with tiles of so many rows and blocks where they are candidates."""

    def __init__(self, wanted: int, rows: int = 3, blocks: int = 2) -> None:
        self.wanted, self.tile = wanted, (rows, blocks)

    def choose(self, space, problem, layer, trial):
        if "PANELS" not in space.parameters:
            return space.default
        assert 1 in space.parameters["PANELS"]
        sizes = zip(list(space.parameters)[:2], self.tile, strict=True)
        tile = {name: max(n for n in space.parameters[name] if n <= size) for name, size in sizes}
        return {**tile, "PANELS": self.wanted}


@pytest.fixture
def results(device):
    """Outputs, slopes of the input and parameters after two steps, with panels or without."""

    def found(inputs, units, samples, variant, wanted):
        network = gcnn.Network([Dense(units, activation="tanh")], inputs, "mse")
        program = Program.of(network, Momentum(0.5).rule())
        runtime, makers = BACKEND.runtime(device), {**MAKERS, **TOGETHER}
        plan = AcceleratedPlan(
            "opencl", runtime, device, makers, program, "float32", samples, variant, Panels(wanted)
        )  # fmt: skip
        plan.vectors.copy(plan.vectors.upload(network.initial_parameters().astype("float32")), plan.theta)
        rng = np.random.default_rng(0)
        x, t = rng.standard_normal((samples, inputs)), rng.standard_normal((samples, units))
        outcome = []
        for _ in range(2):
            plan.step(x, t)
            outcome += [plan.forward(x), plan.vjp(x, t), plan.vectors.download(plan.theta)]
        kernels = {work.file for launches in plan._launches.values() for work in launches.origins}
        plan.close()
        return outcome, kernels

    return found


@pytest.mark.parametrize("variant", ["vectors", "scalars"])
@pytest.mark.parametrize("size", SIZES)
def test_they_change_no_bit_and_follow_the_parameters(results, size, variant):
    (plain, without), (laid, taken) = (results(*size, variant, wanted) for wanted in (0, 1))
    assert ("dense_panels.cl" in taken, "dense_panels.cl" in without) == (True, False)
    assert not np.array_equal(plain[2], plain[5])
    for expected, got in zip(plain, laid, strict=True):
        np.testing.assert_array_equal(got, expected)


def default(blocks: int, depth_step: int = 1000, panels: bool = True) -> int:
    """Whether panels are the default."""
    return (
        Product("INPUTS_TILE", 1000, 1000, 1, depth_step)
        .space(blocks, within(BLOCKS, blocks), 2, panels)
        .default["PANELS"]
    )


def test_they_are_taken_where_many_blocks_read_weights_that_lie_far_apart():
    assert default(64) == 1
    assert default(2) == 0
    assert default(64, depth_step=1) == 0
    assert default(64, panels=False) == 0
