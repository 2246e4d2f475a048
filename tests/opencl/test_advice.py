"""What Hedberg's section 9 advises for processors, as kernels that can be had: they conform, whether or not they pay."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pytest

import gcnn
from gcnn import kernels, layers
from gcnn.backend import Program
from gcnn.backends.accelerated.backend import MAKERS
from gcnn.backends.accelerated.convolution_tiled import RUNTIMES
from gcnn.backends.accelerated.plan import AcceleratedPlan
from gcnn.backends.accelerated.tuning.choosers import Collector, Task
from gcnn.backends.opencl.runtime import OpenCLKernel

EVERY = [
    layers.Convolution(3, 3, activation="tanh"),
    layers.MaxPooling(2),
    layers.Convolution(2, 2, table=[[1, 0, 1], [0, 1, 1]]),
    layers.WeightedSubsampling(2),
    layers.Dense(5, activation="tanh"),
    layers.RadialBasis(4),
    layers.Dense(3, activation="softmax"),
]
"""A layer of each kind that computes."""
ADVICE = {"TILED": 0, "TILE_Y": 1, "TILE_X": RUNTIMES, "UNROLL": 0, "CONSTANT_FILTERS": 0, "KERNELS": 0}


@pytest.fixture
def plan(open_runtime, device) -> Iterator[Callable[..., AcceleratedPlan]]:
    made = []

    def planned(network: list, inputs: tuple[int, ...], variant: str, chooser: object = None) -> AcceleratedPlan:
        program = Program.of(gcnn.Network(network, inputs, "mse"))
        made.append(
            AcceleratedPlan("opencl", open_runtime(), device, MAKERS, program, "float32", 3, variant, chooser=chooser)
        )
        return made[-1]

    yield planned
    for one in made:
        one.close()


@pytest.fixture
def task(plan) -> Callable[..., Task]:
    """The forward kernel of a layer on planes, ready to be tried."""

    def collected(layer: layers.Layer, inputs: tuple[int, ...]) -> Task:
        collector = Collector()
        plan([layer], inputs, "planes", collector)
        return next(task for task in collector.tasks if task.problem.kernel == "forward")

    return collected


@pytest.mark.row("P2")
def test_no_kernel_of_a_layer_takes_local_memory_on_a_processor(plan, monkeypatch):
    taken: dict[str, int] = {}
    made = OpenCLKernel.__init__

    def noting(self: OpenCLKernel, *arguments: object) -> None:
        made(self, *arguments)
        taken[self.name] = max(taken.get(self.name, 0), self.shared_bytes)

    monkeypatch.setattr(OpenCLKernel, "__init__", noting)
    whole = plan(EVERY, (1, 12, 12), "vectors")
    taken.clear()
    x, v = np.ones((3, 1, 12, 12)), np.ones((3, 3))
    whole.vjp(x, v)
    whole.sample_gradients(x, v)
    assert {"forward", "backpropagate", "gradient"} <= set(taken)
    assert set(taken.values()) == {0}


@pytest.mark.row("P1", "P2", "P4", "P5", "T4")
def test_on_a_processor_the_benchmark_is_what_section_9_advises_and_gives_the_oracles_numbers(task, device):
    asked = task(layers.Convolution(3, 3, activation="tanh"), (2, 9, 11))
    assert device.kind == "cpu"
    assert {name: asked.space.benchmark[name] for name in ADVICE} == ADVICE
    rows, rest = divmod(asked.space.benchmark["WORK"], 9)  # 3 samples of 3 maps of 7 rows of 9 columns
    assert rest == 0
    units = asked.problem.sizes["BLOCKS"] * 3 * 7 / rows
    assert 1 <= units <= 64
    assert asked.space.benchmark["WORK"] in asked.space.parameters["WORK"]
    assert asked.trial().prepare(asked.space.benchmark)(1) > 0


@pytest.mark.row("P3", "P5", "T4")
@pytest.mark.parametrize("work", [1, 18, 4096])
@pytest.mark.parametrize("hint", [1, 16])
def test_an_item_computes_as_much_as_it_is_told_with_and_without_a_hint_to_vectorise(task, work, hint):
    asked = task(layers.Convolution(2, 3, stride=2), (2, 9, 10))
    free = dict(asked.space.benchmark) | {"WORK": work, "HINT": hint}
    assert asked.trial().prepare(free)(1) > 0
    spaces = asked.space.parameters
    assert (spaces["HINT"], spaces["UNROLL"]) == ((1, 16), (1, 0))


@pytest.mark.row("P3")
def test_maps_are_planes_or_vectors_of_samples_and_never_interleaved(plan):
    x = np.arange(3 * 2 * 2).reshape(3, 2, 2)
    for variant in ("vectors", "scalars", "planes"):
        lanes = plan([layers.Activation("tanh")], (2, 2), variant)._lanes
        packed = lanes.empty(3, 4, np.dtype("float32"))
        lanes.pack(x, packed)
        # Element n of sample s: neighbours of one map are `count` apart, whatever the number of maps.
        assert [packed[s // lanes.count, n, s % lanes.count] for s in range(3) for n in range(4)] == list(range(12))


FREE = [
    {"V": 1, "WORK": 1, "UNROLL": 0},
    {"V": 1, "WORK": 1000, "UNROLL": 0, "HINT": 16},
    {"V": 4, "WORK": 3, "UNROLL": 1},
]


@pytest.mark.row("P3", "P4", "P5")
@pytest.mark.parametrize("free", FREE, ids=["one an item", "a thousand with a hint", "vectors, unrolled"])
@pytest.mark.parametrize("block", [None, (5,)], ids=["groups of the driver's", "groups of five"])
def test_the_product_of_vectors_is_the_same_however_it_is_dealt_out(runtime, upload, download, free, block):
    a, b = np.random.default_rng(0).standard_normal((2, 2049)).astype("float32")
    program = runtime.compile(kernels.source("benchmark.cl"), "benchmark.cl", {"REAL_BITS": 32} | free)
    c = runtime.zeros(a.nbytes, "c")
    items = -(-len(a) // (free["WORK"] * free["V"]))
    grid = (items,) if block is None else (-(-items // block[0]),)
    arguments = (upload(runtime, a), upload(runtime, b), c, np.int32(len(a)))
    runtime.bind(program.kernel("product"), grid, block, arguments)()
    np.testing.assert_array_equal(download(runtime, c), a * b)


@pytest.mark.row("P5")
@pytest.mark.parametrize("work", [1, 1000])
def test_the_perceptron_of_section_9_is_a_dense_layer(runtime, upload, download, work):
    units, inputs = 1501, 7
    rng = np.random.default_rng(0)
    w, b, y = (rng.integers(-2, 3, shape).astype("float32") for shape in ((units, inputs), units, inputs))
    defines = {"REAL_BITS": 32, "V": 1, "WORK": work, "UNROLL": 0}
    program = runtime.compile(kernels.source("benchmark.cl"), "benchmark.cl", defines)
    z = runtime.zeros(b.nbytes, "z")
    arguments = (upload(runtime, np.append(w, b)), upload(runtime, y), z, np.int32(units), np.int32(inputs))
    runtime.bind(program.kernel("perceptron"), (-(-units // work),), None, arguments)()
    np.testing.assert_array_equal(download(runtime, z), w @ y + b)
