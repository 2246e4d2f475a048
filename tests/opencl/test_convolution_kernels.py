"""The kernels of the convolution layer against the oracle, on shapes that miss their tiles."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest

from gcnn.backends.accelerated.lanes import Lanes
from gcnn.backends.accelerated.layer import NUMBERS
from gcnn.backends.accelerated.place import Kernels, tiles
from gcnn.backends.accelerated.runtime import Buffer
from gcnn.backends.accelerated.windows import as_volume
from gcnn.backends.numpy.activations import formula
from gcnn.backends.numpy.convolution import NumpyConvolution
from gcnn.backends.numpy.max_pooling import NumpyMaxPooling
from gcnn.conformance.allowance import activations
from gcnn.conformance.allowance.linear import Linear
from gcnn.conformance.allowance.rounding import floor, unit_roundoff
from gcnn.layers import Convolution, MaxPooling
from gcnn.maps import Maps

CANARIES = 40
"""Elements behind every result, which must stay as they are."""
THETA0 = 3
RUN = 5
"""The layer's parameters do not begin where theta does."""
LOPSIDED = [[1, 1, 0], [0, 0, 0], [0, 1, 1], [1, 0, 1], [0, 0, 1]]
STYLES = ("vectors", "scalars")
NARROW = "narrow"
"""Blocks that are narrower than the device's vectors, as small batches have."""


@dataclass(frozen=True)
class Tiles:
    """What is free in each kernel; cut to what a shape allows.

    Attributes:
        forward: maps, rows, columns.
        backpropagate: input maps, columns.
        gradient: maps, input maps, rows of taps, taps, columns at a time.
        split: parts of the gradient's sums.
    """

    forward: tuple[int, int, int] = (2, 1, 4)
    backpropagate: tuple[int, int] = (2, 4)
    gradient: tuple[int, int, int, int, int] = (2, 1, 1, 3, 2)
    split: int = 1


SINGLE = Tiles((1, 1, 1), (1, 1), (1, 1, 1, 1, 1), 2)
MANY = Tiles((2, 2, 3), (3, 4), (2, 2, 2, 2, 2), 3)
ROWS = Tiles((2, 2, 99), (2, 99), (2, 1, 3, 5, 2), 2)
"""Whole rows."""


class Bound:
    """A convolution's kernels, bound for one runtime, dtype, style of lanes and choice of tiles."""

    def __init__(
        self, runtime: Any, layer: Convolution, inputs: Maps, style: str, dtype: str, free: Tiles = Tiles()
    ) -> None:
        styles = (STYLES[0], 1) if style == NARROW else (style, None)
        self.kernels = Kernels(runtime, np.dtype(dtype), Lanes.of(runtime, np.dtype(dtype).itemsize, *styles))
        outputs = layer.output_maps(inputs)
        self.layer, self.free = layer, free
        table, box = layer.connections(inputs), as_volume(layer.kernel_box(inputs))
        self.read, self.made = as_volume(inputs.box), as_volume(outputs.box)
        self.maps, self.sources = outputs.count, inputs.count
        stride, padding = as_volume(layer.strides(inputs)), tuple((0, 0, 0, *layer.paddings(inputs))[-3:])
        self.taps, self.stride = box, stride
        self.parameters = layer.parameter_count(inputs)
        self.sizes: dict[str, object] = {"IN_MAPS": self.sources, "OUT_MAPS": self.maps}
        self.sizes |= {"BIASES": self.parameters - self.maps, "SHARED_KERNELS": int(layer.shared)}
        for axis, name in enumerate(("DEPTH", "HEIGHT", "WIDTH")):
            self.sizes |= {f"IN_{name}": self.read[axis], f"OUT_{name}": self.made[axis]}
        for axis, name in enumerate("ZYX"):
            self.sizes |= {f"TAPS_{name}": box[axis], f"STRIDE_{name}": stride[axis], f"PAD_{name}": padding[axis]}
        if layer.table is not None:
            exists = table.any(axis=1, keepdims=True) if layer.shared else table
            offsets = np.where(table, (np.cumsum(exists) - 1).reshape(exists.shape) * int(np.prod(box)), -1)
            self.sizes["KERNEL_OFFSETS"] = ",".join(map(str, offsets.ravel()))

    def pack(self, x: np.ndarray) -> Buffer:
        """Values (samples, ...) on the device; lanes without a sample are 0."""
        x = x.reshape(len(x), -1).astype(self.kernels.dtype)
        packed = self.kernels.lanes.empty(len(x), x.shape[1], self.kernels.dtype)
        self.kernels.lanes.pack(x, packed)
        return self.kernels.constant(packed, "values")

    def theta(self, theta: np.ndarray) -> Buffer:
        return self.kernels.constant(
            np.concatenate([np.full(THETA0, np.nan), theta]).astype(self.kernels.dtype), "theta"
        )

    def unfilled(self, count: int) -> Buffer:
        """Memory full of NaN, with canaries behind it."""
        host = np.full(count + CANARIES, np.nan, self.kernels.dtype)
        host[count:] = np.arange(CANARIES)
        return self.kernels.constant(host, "result")

    def fetch(self, buffer: Buffer) -> np.ndarray:
        host = np.empty(buffer.nbytes // self.kernels.dtype.itemsize, self.kernels.dtype)
        self.kernels.runtime.download(buffer, host)
        np.testing.assert_array_equal(host[-CANARIES:], np.arange(CANARIES))
        return host[:-CANARIES]

    def unpack(self, buffer: Buffer, shape: tuple[int, ...]) -> np.ndarray:
        values = self.fetch(buffer).reshape(self.kernels.lanes.blocks(shape[0]), -1, self.kernels.lanes.count)
        assert np.isfinite(values).all()
        out = np.empty(shape, self.kernels.dtype)
        self.kernels.lanes.unpack(values, out)
        return out

    def values(self, samples: int, maps: int, size: tuple[int, ...]) -> int:
        lanes = self.kernels.lanes
        return lanes.blocks(samples) * maps * int(np.prod(size)) * lanes.count

    def forward(self, y_in: np.ndarray, theta: np.ndarray, pool: tuple[int, int] | None = None) -> list[Buffer]:
        """Y, and z or, with a window of rows and columns to pool, the winners."""
        rows, columns = pool or (1, 1)
        made = (self.made[0], self.made[1] // rows, self.made[2] // columns)
        m, r, c = (min(n, most) for n, most in zip(self.free.forward, (self.maps, made[1], made[2]), strict=True))
        count, lanes = self.values(len(y_in), self.maps, made), self.kernels.lanes
        defines = {"MAPS_TILE": m, "ROWS_TILE": r * rows, "COLUMNS_TILE": c * columns}
        defines |= {"ACTIVATION": NUMBERS.index(self.layer.activation)}
        defines |= {"SAVE_Z": 1} if pool is None else {"POOL_Y": rows, "POOL_X": columns, "WINNER_BITS": 8}
        y, kept = self.unfilled(count), self.unfilled(count)
        groups = lanes.blocks(len(y_in)) * made[0] * tiles(made[1], r) * tiles(self.maps, m) * tiles(made[2], c)
        arguments = (self.pack(y_in), self.theta(theta), np.int64(THETA0), kept, y)
        self._run("convolution_forward.cl", "forward", groups, arguments, defines)
        return [y, kept]

    def backpropagate(
        self, delta: np.ndarray, theta: np.ndarray, below: str | None = None, *values: np.ndarray
    ) -> np.ndarray:
        """∂r/∂y_in; times φ' of the layer below, from its z and y, where it is named."""
        j, c = self.free.backpropagate
        j = min(j, self.sources)
        c = min(tiles(c, self.stride[2]) * self.stride[2], self.read[2])
        dy_in = self.unfilled(self.values(len(delta), self.sources, self.read))
        z_in, y_in = map(self.pack, values) if below else (dy_in, dy_in)
        defines = {"MAPS_TILE": j, "COLUMNS_TILE": c, "BELOW": int(below is not None)}
        defines |= {"ACTIVATION": NUMBERS.index(below or "identity")}
        rows = self.kernels.lanes.blocks(len(delta)) * self.read[0] * self.read[1]
        groups = rows * tiles(self.sources, j) * tiles(self.read[2], c)
        arguments = (self.pack(delta), self.theta(theta), np.int64(THETA0), z_in, y_in, dy_in)
        self._run("convolution_backpropagate.cl", "backpropagate", groups, arguments, defines)
        return self.unpack(dy_in, (len(delta), self.sources * int(np.prod(self.read))))

    def gradient(self, delta: np.ndarray, y_in: np.ndarray, sum_samples: bool = True) -> np.ndarray:
        """∂r/∂θ, or a row of them for each sample."""
        m, n, r, t, c = self.free.gradient
        m = 1 if self.layer.shared and self.layer.table is not None else min(m, self.maps)
        n = 1 if self.layer.shared else min(n, self.sources)
        r, t = min(r, self.taps[1]), min(t, self.taps[2])
        split, blocks = self.free.split, self.kernels.lanes.blocks(len(delta))
        inputs = 1 if self.layer.shared else tiles(self.sources, n)
        kernels = inputs * self.taps[0] * tiles(self.taps[1], r) * tiles(self.taps[2], t)
        defines = {"MAPS_TILE": m, "INPUTS_TILE": n, "ROWS_TILE": r, "TAPS_TILE": t, "COLUMNS_TILE": c}
        defines |= {"SUM_SAMPLES": int(sum_samples), "SPLIT": split, "RUN": RUN}
        biases_too = (
            kernels == 1 and not self.layer.shared and self.layer.table is None and self.read[0] == self.made[0] == 1
        )
        defines["BIASES_TOO"] = int(biases_too)
        groups = (split if sum_samples else blocks) * tiles(self.maps, m) * (kernels + 1 - biases_too)
        height = split if sum_samples else len(delta)
        rows = self.unfilled(height * self.parameters)
        arguments = (self.pack(delta), self.pack(y_in), np.int32(len(delta)), rows)
        arguments += (np.int64(self.parameters), np.int64(0), np.int32(0))
        self._run("convolution_gradient.cl", "gradient", groups, arguments, defines)
        if not sum_samples:
            return self.fetch(rows).reshape(height, self.parameters)
        whole = self.unfilled(THETA0 + self.parameters)
        groups = tiles(self.parameters, RUN)
        self._run("convolution_gradient.cl", "add_parts", groups, (rows, whole, np.int64(THETA0), np.int32(0)), defines)
        assert np.isnan(self.fetch(whole)[:THETA0]).all()
        return self.fetch(whole)[THETA0:]

    def _run(self, file: str, kernel: str, groups: int, arguments: tuple[Any, ...], defines: dict[str, int]) -> None:
        self.kernels.bind(file, kernel, (groups,), arguments, **self.sizes, **defines)()


class Problem:
    """A layer, numbers for it that the dtype holds exactly, and what the oracle makes of them, with what may be off."""

    def __init__(self, layer: Convolution, inputs: Maps, samples: int, dtype: str) -> None:
        rng = np.random.default_rng(samples)

        def draw(*shape: int) -> np.ndarray:
            return rng.standard_normal(shape).astype(dtype).astype("float64")

        outputs = layer.output_maps(inputs)
        oracle = NumpyConvolution(layer, inputs, outputs)
        self.theta = draw(layer.parameter_count(inputs))
        self.y_in, self.delta = draw(samples, *inputs.shape), draw(samples, *outputs.shape)
        self.saved = oracle.forward(self.y_in, self.theta)
        self.dy_in = oracle.backpropagate(self.delta, self.saved, self.theta)
        self.gradient = oracle.gradient(self.delta, self.saved, self.theta)
        self.rows = oracle.sample_gradients(self.delta, self.saved, self.theta)
        self.u, self.tiny = unit_roundoff(dtype), floor(dtype)
        rule = Linear(oracle, self.theta, self.u)
        none_in, none_out = np.zeros_like(self.y_in), np.zeros_like(self.delta)
        self.z_allowed = rule.forward(self.saved, none_in)
        self.y_allowed = activations.forward(layer.activation, self.saved, self.z_allowed, self.u)
        self.dy_in_allowed = rule.backpropagate(self.delta, none_out, self.saved, none_in)
        self.gradient_allowed = rule.gradient(self.delta, none_out, self.saved, none_in)

    def near(self, found: np.ndarray, expected: np.ndarray, allowed: np.ndarray) -> None:
        off = np.abs(found.reshape(expected.shape) - expected)
        assert (off <= allowed + self.tiny).all(), f"{(off / (allowed + self.tiny)).max():.1f} times the allowance"


CASES = {
    "plain": (Convolution(5, 3), Maps((3, 7, 11)), 19, Tiles()),
    "activated": (Convolution(4, (2, 3), activation="softplus"), Maps((2, 6, 9)), 33, MANY),
    "table": (Convolution(5, 3, table=LOPSIDED, activation="tanh"), Maps((3, 6, 8)), 17, MANY),
    "shared": (Convolution(4, 3, shared=True, activation="relu"), Maps((3, 6, 6)), 16, MANY),
    "shared table": (Convolution(5, (3, 2), shared=True, table=LOPSIDED, stride=2), Maps((3, 7, 7)), 2, MANY),
    "stride longer than the kernel": (Convolution(2, 2, stride=(3, 4)), Maps((2, 9, 15)), 6, Tiles()),
    "padding": (Convolution(3, (3, 4), padding=(2, 3)), Maps((2, 5, 9)), 18, MANY),
    "padding and stride": (Convolution(3, 4, padding=(1, 2), stride=(3, 2)), Maps((2, 8, 11)), 9, Tiles()),
    "padding wider than the kernel": (Convolution(2, 2, padding=3, stride=2), Maps((1, 4, 5)), 4, Tiles()),
    "many border tiles": (Convolution(2, 9, padding=8), Maps((2, 12)), 5, SINGLE),
    "outputs beyond the input": (Convolution(2, 3, output=Maps((2, 7, 9))), Maps((2, 5, 6)), 4, MANY),
    "one dimension": (Convolution(3, 4, stride=3, activation="logistic"), Maps((2, 31)), 20, MANY),
    "three dimensions": (Convolution(3, (2, 3, 2), stride=(2, 1, 2), padding=(1, 0, 1)), Maps((2, 5, 4, 6)), 3, MANY),
    "one tap": (Convolution(3, 1), Maps((4, 3, 5)), 2, MANY),
    "one tile of taps": (Convolution(5, 2, padding=1), Maps((1, 6, 7)), 37, MANY),
    "one tile of maps": (Convolution(3, 2, stride=2), Maps((2, 7, 9)), 5, MANY),
}
WAYS = [(style, dtype) for style in STYLES for dtype in ("float32", "float64")]
RUNS = [(name, WAYS[number % 4]) for number, name in enumerate(CASES)]
"""Every case takes one way, since compilers take most of the time."""


@pytest.mark.equations("H60", "H62", "H70", "H74", "H75", "H79", "H80", "H81")
@pytest.mark.parametrize(("name", "way"), RUNS, ids=lambda value: value if isinstance(value, str) else "-".join(value))
def test_the_kernels_equal_the_oracle_on_shapes_that_miss_their_tiles(runtime, name, way):
    layer, inputs, samples, free = CASES[name]
    problem, bound = Problem(layer, inputs, samples, way[1]), Bound(runtime, layer, inputs, *way, free)
    y, z = bound.forward(problem.y_in, problem.theta)
    problem.near(bound.unpack(z, problem.saved.z.shape), problem.saved.z, problem.z_allowed)
    problem.near(bound.unpack(y, problem.saved.y.shape), problem.saved.y, problem.y_allowed)
    problem.near(bound.backpropagate(problem.delta, problem.theta), problem.dy_in, problem.dy_in_allowed)
    problem.near(bound.gradient(problem.delta, problem.y_in), problem.gradient, problem.gradient_allowed)


ABREAST = {
    "columns and a rest": (Convolution(5, 3), Maps((3, 7, 11)), 3, ROWS),
    "columns that fill their vectors": (Convolution(3, (3, 2), activation="tanh"), Maps((2, 6, 9)), 9, ROWS),
    "fewer columns than a vector": (Convolution(3, 3), Maps((2, 4, 5)), 2, ROWS),
    "a vector of columns": (Convolution(2, 2), Maps((2, 4, 5)), 5, ROWS),
    "tiles within a row": (Convolution(3, 2), Maps((2, 5, 17)), 4, Tiles((2, 1, 8), (2, 5), (3, 1, 1, 2, 1))),
    "tiles that are cut": (Convolution(3, 2), Maps((2, 5, 15)), 4, Tiles((1, 2, 5), (1, 4), (1, 2, 2, 2, 4))),
    "table": (Convolution(5, 3, table=LOPSIDED, activation="softplus"), Maps((3, 6, 8)), 2, ROWS),
    "shared": (Convolution(4, 3, shared=True), Maps((3, 6, 8)), 1, ROWS),
    "shared table": (Convolution(5, (3, 2), shared=True, table=LOPSIDED), Maps((3, 7, 7)), 6, ROWS),
    "one dimension": (Convolution(3, 4, activation="logistic"), Maps((2, 18)), 3, ROWS),
    "three dimensions": (Convolution(3, (2, 3, 2), stride=(2, 2, 1)), Maps((2, 5, 7, 8)), 2, ROWS),
    "padded planes": (Convolution(3, (2, 3, 2), padding=(1, 0, 0)), Maps((2, 4, 5, 8)), 2, ROWS),
    "one tile of taps": (Convolution(5, 2), Maps((1, 6, 7)), 3, ROWS),
    "padding": (Convolution(3, 3, padding=1), Maps((2, 5, 9)), 3, ROWS),
    "strides": (Convolution(3, 2, stride=2), Maps((2, 6, 12)), 3, ROWS),
}


@pytest.mark.equations("H60", "H62", "H70", "H74", "H75", "H79", "H80", "H81")
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", ABREAST)
def test_columns_abreast_equal_the_oracle(runtime, name, dtype):
    layer, inputs, samples, free = ABREAST[name]
    problem, bound = Problem(layer, inputs, samples, dtype), Bound(runtime, layer, inputs, NARROW, dtype, free)
    y, z = bound.forward(problem.y_in, problem.theta)
    problem.near(bound.unpack(z, problem.saved.z.shape), problem.saved.z, problem.z_allowed)
    problem.near(bound.unpack(y, problem.saved.y.shape), problem.saved.y, problem.y_allowed)
    problem.near(bound.backpropagate(problem.delta, problem.theta), problem.dy_in, problem.dy_in_allowed)
    problem.near(bound.gradient(problem.delta, problem.y_in), problem.gradient, problem.gradient_allowed)
    rows = bound.gradient(problem.delta, problem.y_in, sum_samples=False)
    problem.near(rows, problem.rows, np.broadcast_to(problem.gradient_allowed, problem.rows.shape))


@pytest.mark.equations("H79", "H80", "H81")
@pytest.mark.parametrize("name", ["table", "shared table", "padding", "one tile of taps"])
def test_rows_of_sample_gradients_equal_the_oracles(runtime, name):
    layer, inputs, samples, free = CASES[name]
    problem = Problem(layer, inputs, samples, "float32")
    style = STYLES[list(CASES).index(name) % 2]
    rows = Bound(runtime, layer, inputs, style, "float32", free).gradient(
        problem.delta, problem.y_in, sum_samples=False
    )
    # Each row errs by less than the sum of all is allowed to.
    problem.near(rows, problem.rows, np.broadcast_to(problem.gradient_allowed, problem.rows.shape))


def test_tiles_styles_and_reruns_change_no_bit(runtime):
    layer, inputs, samples, _ = CASES["table"]
    # Vectors and scalars may take different functions for phi.
    layer, problem = replace(layer, activation="identity"), Problem(layer, inputs, samples, "float32")
    results: dict[str, list[np.ndarray]] = {"outputs": [], "weights": [], "all parameters": []}
    for style, free in ((STYLES[0], MANY), (STYLES[0], MANY), (STYLES[1], MANY), (STYLES[0], replace(SINGLE, split=3))):
        bound = Bound(runtime, layer, inputs, style, "float32", free)
        wide = runtime.limits.lanes(4)  # else columns are abreast, and are added in another order
        bound.kernels = replace(bound.kernels, lanes=Lanes(wide, wide if style == STYLES[0] else 1))
        y, _ = bound.forward(problem.y_in, problem.theta)
        dy_in = bound.backpropagate(problem.delta, problem.theta)
        gradient = bound.gradient(problem.delta, problem.y_in)
        results["outputs"].append(np.concatenate([bound.fetch(y), dy_in.ravel()]))
        results["weights"].append(gradient[: -bound.maps])
        if free is MANY:  # neighbouring columns of biases have sums of their own, as many as a tile has weights
            results["all parameters"].append(gradient)
    for same in results.values():
        for other in same[1:]:
            np.testing.assert_array_equal(other, same[0])


@pytest.mark.equations("H98")
@pytest.mark.parametrize(
    ("window", "style", "padding", "free"),
    [((3, 2), "vectors", 1, MANY), ((1, 4), "scalars", 1, MANY), ((2, 2), NARROW, 0, ROWS), ((2, 4), NARROW, 0, ROWS)],
)
def test_fused_max_pooling_equals_pooling_the_layers_output(runtime, window, style, padding, free):
    layer, inputs, samples = Convolution(5, 3, padding=padding, activation="tanh"), Maps((3, 9, 13 - 2 * padding)), 19
    problem, bound = Problem(layer, inputs, samples, "float64"), Bound(runtime, layer, inputs, style, "float64", free)
    outputs = layer.output_maps(inputs)
    pooling = MaxPooling(window)
    saved = NumpyMaxPooling(pooling, outputs, pooling.output_maps(outputs)).forward(problem.saved.y, np.zeros(0))
    y, kept = bound.forward(problem.y_in, problem.theta, window)
    allowed = np.broadcast_to(problem.y_allowed.max(), saved.y.shape)
    problem.near(bound.unpack(y, saved.y.shape), saved.y, allowed)
    bytes_kept = np.empty(kept.nbytes, "uint8")
    runtime.download(kept, bytes_kept)
    count = bound.kernels.lanes.blocks(samples) * saved.y[0].size * bound.kernels.lanes.count
    winners = np.empty(saved.y.shape, "uint8")
    packed = bytes_kept[:count].reshape(bound.kernels.lanes.blocks(samples), -1, bound.kernels.lanes.count)
    bound.kernels.lanes.unpack(packed, winners)
    np.testing.assert_array_equal(winners, saved.extra)


def test_the_first_nan_of_a_window_wins_and_ties_go_to_the_first(runtime):
    layer, inputs = Convolution(1, 1), Maps((1, 2, 6))
    bound = Bound(runtime, layer, inputs, "vectors", "float32")
    x = np.array([[[[1, 1, 2, np.nan, 7, 8], [1, 1, np.nan, 3, 9, 9]]]])
    y, kept = bound.forward(x, np.array([1.0, 0.0]), (2, 2))
    lanes = bound.kernels.lanes.count
    np.testing.assert_array_equal(bound.fetch(y)[::lanes], [1, np.nan, 9])
    winners = np.empty(kept.nbytes, "uint8")
    runtime.download(kept, winners)
    assert winners[: 3 * lanes : lanes].tolist() == [0, 1, 2]


@pytest.mark.parametrize("below", ["tanh", "softplus"])
def test_the_slope_of_the_layer_below_is_applied_on_the_way_back(runtime, below):
    layer, inputs, samples = Convolution(2, 3), Maps((2, 5, 6)), 5
    problem = Problem(layer, inputs, samples, "float64")
    bound = Bound(runtime, layer, inputs, "vectors", "float64")
    z_in = np.random.default_rng(0).standard_normal(problem.y_in.shape) * 2
    y_in = formula(below).function(z_in)
    expected = formula(below).delta(problem.dy_in, z_in, y_in)
    found = bound.backpropagate(problem.delta, problem.theta, below, z_in, y_in)
    # Slopes are at most about 1, and a few roundings off.
    problem.near(found, expected, 2 * problem.dy_in_allowed + 40 * problem.u * np.abs(problem.dy_in))
