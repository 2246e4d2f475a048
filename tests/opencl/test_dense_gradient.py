"""The gradient of dense layers over more blocks of samples than are turned over at a time, of more units and inputs than a tile."""

from __future__ import annotations

import numpy as np
import pytest

import gcnn
from gcnn.backend import Program
from gcnn.backends.accelerated.backend import MAKERS
from gcnn.backends.accelerated.lanes import VECTORS, Lanes
from gcnn.backends.accelerated.plan import AcceleratedPlan
from gcnn.backends.numpy import BACKEND as ORACLE
from gcnn.backends.opencl.backend import BACKEND
from gcnn.layers import Dense

MOST_BLOCKS = 9
TILES = [
    {"UNITS_TILE": 1, "COLUMNS_TILE": 1, "STRIP": 1},
    {"UNITS_TILE": 4, "COLUMNS_TILE": 2, "STRIP": 2},
    {"UNITS_TILE": 5, "COLUMNS_TILE": 3, "STRIP": 8},
]


class Forced:
    """A chooser that gives the gradient of dense layers one tile, and everything else its default."""

    def __init__(self, tile):
        self._tile = tile

    def choose(self, space, problem, *_):
        return self._tile if problem.file == "dense_gradient.cl" else space.default


@pytest.mark.parametrize("tile", TILES, ids=str)
def test_any_number_of_blocks_gives_what_the_oracle_gives(device, tile):
    runtime = BACKEND.runtime(device)
    lanes = Lanes.of(runtime, 8, VECTORS)
    batch = MOST_BLOCKS * lanes.count
    program = Program.of(gcnn.Network([Dense(22)], 3 * lanes.count + 5, "sse"))
    arguments = "opencl", runtime, device, MAKERS, program, "float64", batch, VECTORS, Forced(tile)
    plan, oracle = AcceleratedPlan(*arguments, part=batch), ORACLE.plan(program, ORACLE.devices()[0], "float64", batch)
    rng = np.random.default_rng(0)
    x, t = (rng.standard_normal((batch, *maps.shape)) for maps in (program.inputs, program.outputs))
    for blocks in range(1, MOST_BLOCKS + 1):
        samples = blocks * lanes.count - blocks % 2
        plan.loss_gradient(x[:samples], t[:samples])
        oracle.loss_gradient(x[:samples], t[:samples])
        found = plan.vectors.download(plan.gradient)
        np.testing.assert_allclose(found, oracle.gradient, rtol=0, atol=1e-13 * np.abs(oracle.gradient).max())
    plan.close()
