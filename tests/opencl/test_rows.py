"""Rows of taps by minimal algorithms give what direct convolution gives, on shapes that tiles do not divide."""

from __future__ import annotations

import numpy as np
import pytest

from gcnn.backends.accelerated.layer import NUMBERS
from gcnn.backends.accelerated.minimal import minimal
from gcnn.backends.accelerated.place import tiles
from gcnn.layers import Convolution
from gcnn.maps import Maps
from tests.opencl.test_convolution_kernels import LOPSIDED, THETA0, Bound, Problem


class Rows(Bound):
    """A convolution's kernels that make so many outputs of a row at a time.

    Args:
        made: outputs.
        free: maps, rows and tiles of the forward kernel, maps and rows back, maps, input maps and rows at a time of the gradient.
    """

    def __init__(self, runtime, layer, inputs, dtype, made, free):
        super().__init__(runtime, layer, inputs, "vectors", dtype)
        how = minimal(made, self.taps[2], self.stride[2])
        self.sizes |= {**how.defines, "WEIGHTS_BLOCKS": 2}
        self.made_of_row, self.points, self.rows = made, how.points, free
        self.tiles = tiles(self.made[2], made)

    def formed(self, kernel, source, maps, size, samples):
        count = self.points * (maps * size[0] * size[1] * self.tiles + 1) * self.kernels.lanes.count
        blocks = self.kernels.lanes.blocks(samples)
        formed = self.unfilled(blocks * count)
        groups = (maps * size[0] * size[1], blocks)
        self.kernels.bind("convolution_rows.cl", kernel, groups, (source, formed), **self.sizes)()
        return formed

    def weights(self, theta, samples):
        rows, shares = (self.parameters - self.maps) // self.taps[2], tiles(self.kernels.lanes.blocks(samples), 2)
        weights = self.unfilled(shares * self.points * rows)
        groups = (tiles(rows, self.kernels.lanes.count), shares)
        arguments = (theta, np.int64(THETA0), weights)
        self.kernels.bind("convolution_rows.cl", "filters", groups, arguments, **self.sizes)()
        self.fetch(weights)
        return weights

    def forward(self, y_in, theta, pool=None):
        rows, columns = pool or (1, 1)
        made = (self.made[0], self.made[1] // rows, self.made[2] // columns)
        m, r, t = (min(n, most) for n, most in zip(self.rows[0], (self.maps, made[1], self.tiles), strict=True))
        defines = {"MAPS_TILE": m, "ROWS_TILE": r * rows, "TILES_TILE": t}
        defines |= {"ACTIVATION": NUMBERS.index(self.layer.activation)}
        defines |= {"SAVE_Z": 1} if pool is None else {"POOL_Y": rows, "POOL_X": columns, "WINNER_BITS": 8}
        count = self.values(len(y_in), self.maps, made)
        y, kept = self.unfilled(count), self.unfilled(count)
        groups = self.kernels.lanes.blocks(len(y_in)) * made[0] * tiles(made[1], r) * tiles(self.maps, m)
        groups *= tiles(self.tiles, t)
        seen = self.formed("see", self.pack(y_in), self.sources, self.read, len(y_in))
        device_theta = self.theta(theta)
        weights = self.weights(device_theta, len(y_in))
        arguments = (seen, weights, device_theta, np.int64(THETA0), kept, y)
        self._run("convolution_rows_forward.cl", "forward", groups, arguments, defines)
        return [y, kept]

    def backpropagate(self, delta, theta, below=None, *values):
        maps, rows = self.rows[1]
        j, r = min(maps, self.sources), min(rows * self.stride[1], self.read[1])
        dy_in = self.unfilled(self.values(len(delta), self.sources, self.read))
        z_in, y_in = map(self.pack, values) if below else (dy_in, dy_in)
        defines = {"MAPS_TILE": j, "ROWS_TILE": r, "BELOW": int(below is not None)}
        defines |= {"ACTIVATION": NUMBERS.index(below or "identity")}
        groups = self.kernels.lanes.blocks(len(delta)) * self.read[0] * tiles(self.read[1], r) * tiles(self.sources, j)
        slopes = self.formed("spread", self.pack(delta), self.maps, self.made, len(delta))
        weights = self.weights(self.theta(theta), len(delta))
        self._run(
            "convolution_rows_backpropagate.cl", "backpropagate", groups, (slopes, weights, z_in, y_in, dy_in), defines
        )
        return self.unpack(dy_in, (len(delta), self.sources * int(np.prod(self.read))))

    def gradient(self, delta, y_in, sum_samples=True):
        assert sum_samples, "of single samples there is none"
        m, j, run = self.rows[2]
        m, j = min(m, self.maps), min(j, self.sources)
        defines = {"MAPS_TILE": m, "INPUTS_TILE": j, "ROWS_RUN": run}
        groups = tiles(self.maps, m) * tiles(self.sources, j) * self.taps[0]
        row = self.unfilled(self.parameters)
        seen = self.formed("see", self.pack(y_in), self.sources, self.read, len(delta))
        for add in (0, 1):
            arguments = (self.pack(delta), seen, np.int32(len(delta)), row, np.int64(0), np.int32(add))
            self._run("convolution_rows_gradient.cl", "gradient", groups, arguments, defines)
        return self.fetch(row) / 2  # of tiles that overlap each parameter is given once


CASES = {
    "five taps": (Convolution(5, 5), Maps((3, 9, 12)), 3, 4, ((2, 2, 2), (2, 2), (2, 2, 3))),
    "five taps by two": (
        Convolution(6, 5, stride=2, activation="tanh"),
        Maps((2, 13, 13)),
        43,
        5,
        ((5, 3, 1), (1, 99), (5, 1, 4)),
    ),
    "a rest of a row": (Convolution(3, 5), Maps((2, 7, 11)), 3, 4, ((2, 2, 1), (2, 2), (2, 2, 7))),
    "padding": (Convolution(3, (4, 5), padding=(2, 3)), Maps((2, 6, 8)), 5, 3, ((2, 3, 2), (2, 3), (2, 1, 99))),
    "padding and stride": (
        Convolution(3, (3, 4), padding=(1, 2), stride=(2, 3)),
        Maps((2, 8, 11)),
        3,
        2,
        ((2, 2, 1), (2, 2), (3, 2, 5)),
    ),
    "table": (Convolution(5, 3, table=LOPSIDED), Maps((3, 6, 8)), 2, 4, ((2, 2, 1), (2, 2), (2, 2, 3))),
    "three dimensions": (
        Convolution(3, (2, 3, 3), padding=(1, 0, 1)),
        Maps((2, 4, 5, 8)),
        2,
        2,
        ((2, 2, 3), (2, 2), (2, 2, 11)),
    ),
    # Slopes of a tile that are as far apart as lanes, and are not as many.
    "planes of taps, eight lanes": (
        Convolution(3, (3, 1, 2)),
        Maps((2, 4, 3, 9)),
        2,
        3,
        ((2, 2, 3), (2, 2), (2, 2, 11)),
    ),
    "planes of taps": (Convolution(3, (3, 2, 2)), Maps((2, 4, 3, 9)), 2, 3, ((2, 2, 3), (2, 2), (2, 2, 11))),
    "a phase of one tap": (Convolution(3, 5, stride=3), Maps((2, 11, 14)), 2, 2, ((2, 2, 2), (2, 2), (2, 2, 4))),
    "one dimension": (Convolution(3, 4, activation="logistic"), Maps((2, 18)), 3, 4, ((2, 1, 2), (2, 1), (2, 1, 1))),
}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", CASES)
def test_rows_equal_the_oracle(runtime, name, dtype):
    layer, inputs, samples, made, free = CASES[name]
    problem, bound = Problem(layer, inputs, samples, dtype), Rows(runtime, layer, inputs, dtype, made, free)
    y, z = bound.forward(problem.y_in, problem.theta)
    near = 200 * problem.u * np.abs(problem.saved.z).max()
    np.testing.assert_allclose(bound.unpack(z, problem.saved.z.shape), problem.saved.z, rtol=0, atol=near)
    np.testing.assert_allclose(bound.unpack(y, problem.saved.y.shape), problem.saved.y, rtol=0, atol=near)
    found = bound.backpropagate(problem.delta, problem.theta).reshape(problem.dy_in.shape)
    np.testing.assert_allclose(found, problem.dy_in, rtol=0, atol=200 * problem.u * np.abs(problem.dy_in).max())
    near = 200 * problem.u * np.abs(problem.gradient).max()
    np.testing.assert_allclose(bound.gradient(problem.delta, problem.y_in), problem.gradient, rtol=0, atol=near)
