"""The convolution's kernels for planes: what is free in them changes no bit, and how filters are spread over launches."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
import pytest

import gcnn
from gcnn import kernels
from gcnn.backend import Program
from gcnn.backends.accelerated import convolution
from gcnn.backends.accelerated.backend import MAKERS
from gcnn.backends.accelerated.convolution import DeviceConvolution
from gcnn.backends.accelerated.convolution_tiled import FILE, GROUP, RUNTIMES, DeviceTiledConvolution
from gcnn.backends.accelerated.limits import Limits
from gcnn.backends.accelerated.plan import AcceleratedPlan
from gcnn.backends.accelerated.tuning import cost
from gcnn.backends.accelerated.tuning.choosers import Collector, Defaults, Forced, Task
from gcnn.backends.accelerated.tuning.errors import WrongResult
from gcnn.layers import Convolution

TILED = {"TILED": 1, "TILE_Y": 2, "TILE_X": 4, "WORK": 1, "UNROLL": 1, "CONSTANT_FILTERS": 0, "KERNELS": 0, "HINT": 1}
UNTILED = TILED | {"TILED": 0, "TILE_Y": 1, "TILE_X": 8}
FORWARD, BACK = "convolution_tiled.forward", "convolution_tiled.backpropagate"
PLAIN = Convolution(3, (3, 2), activation="relu")
LAYERS = {
    "plain": (PLAIN, (2, 7, 11)),
    "strides and padding": (Convolution(2, (3, 4), stride=(2, 3), padding=(2, 1)), (2, 7, 11)),
    "stride beyond the kernel": (Convolution(2, 2, stride=3), (1, 9, 8)),
    "table": (Convolution(4, 2, table=[[1, 0, 1], [0, 0, 0], [0, 1, 0], [1, 1, 1]]), (3, 5, 6)),
    "shared, table": (Convolution(3, 2, shared=True, table=[[1, 0, 1], [0, 1, 1], [0, 0, 0]]), (3, 5, 6)),
    "volume": (Convolution(2, (2, 3, 2), stride=(1, 2, 1), padding=(1, 0, 1)), (2, 4, 7, 5)),
}
SAMPLES = 3
LIMITS = Limits(
    memory_bytes=1 << 30,
    allocation_bytes=1 << 28,
    shared_bytes=4096,
    block_items=256,
    block=(256, 256, 64),
    grid=(1 << 20,) * 3,
    compute_units=4,
    vector_bytes=0,
    float64=True,
)


@pytest.fixture
def bound(open_runtime, device) -> Iterator[Callable[..., AcceleratedPlan]]:
    """Plans one convolution on planes, with one kernel's parameters as given and the others' defaults."""
    runtime = open_runtime()
    whole, made = runtime.limits, []

    def bind(
        layer: Convolution, inputs: tuple[int, ...], chooser: object = None, dtype: str = "float32", **limits: int
    ) -> AcceleratedPlan:
        runtime.limits = replace(whole, **limits)
        program = Program.of(gcnn.Network([layer], inputs, "mse"))
        chooser = chooser or Defaults()
        plan = AcceleratedPlan(
            "opencl", runtime, device, MAKERS, program, dtype, SAMPLES, variant="planes", chooser=chooser
        )
        made.append(plan)
        return plan

    yield bind
    for plan in made:
        plan.close()


@pytest.fixture
def task(bound) -> Callable[..., Task]:
    """One of a convolution's kernels, ready to be tried."""

    def collected(layer: Convolution, inputs: tuple[int, ...], kernel: str, **limits: int) -> Task:
        collector = Collector()
        bound(layer, inputs, collector, **limits)
        return next(task for task in collector.tasks if task.problem.name == kernel)

    return collected


def _outcome(plan: AcceleratedPlan, back: bool) -> np.ndarray:
    """The values of a plan whose numbers round: y of an input, or dy_in of a slope."""
    rng = np.random.default_rng(0)
    maps = plan.program.inputs, plan.program.outputs
    x, v = (rng.standard_normal((SAMPLES, *m.shape)).astype(plan.dtype) for m in maps)
    theta = rng.standard_normal(plan.program.parameter_count).astype(plan.dtype)
    plan.vectors.copy(plan.vectors.upload(theta), plan.theta)
    return plan.vjp(x, v) if back else plan.forward(x)


def _launched(plan: AcceleratedPlan, back: bool = False) -> list[str]:
    """The kernels that a pass enqueues, in order."""
    layer = plan._bound.layers[0]
    return [work.kernel for work in (layer.backpropagate(SAMPLES) if back else layer.combine(SAMPLES))]


@pytest.mark.row("P6", "T5")
@pytest.mark.equations("H60", "H61", "H62", "H74", "H75")
@pytest.mark.parametrize(
    ("name", "free"),
    [(name, TILED) for name in LAYERS] + [("strides and padding", UNTILED), ("volume", UNTILED)],
    ids=lambda value: value if isinstance(value, str) else "tiled" if value["TILED"] else "untiled",
)
@pytest.mark.parametrize("kernel", [FORWARD, BACK])
def test_sizes_that_no_tile_divides_give_the_oracles_numbers(task, name, kernel, free):
    assert 0 < task(*LAYERS[name], kernel).trial().prepare(free)(1) < 10


@pytest.mark.row("P6")
def test_a_tile_that_does_not_look_where_its_image_ends_is_found(task, monkeypatch):
    source = kernels.source
    right = "INSIDE(row, FROM(HEIGHT)) && INSIDE(column, FROM(WIDTH)) ?"
    assert right in source(FILE)
    monkeypatch.setattr(kernels, "source", lambda name: source(name).replace(right, "INSIDE(row, FROM(HEIGHT)) ?"))
    with pytest.raises(WrongResult, match="the oracle has"):
        task(*LAYERS["strides and padding"], FORWARD).trial().prepare(TILED)


@pytest.mark.row("P7", "P8", "P9", "P10", "P12")
@pytest.mark.parametrize("name", ["strides and padding", "table"])
@pytest.mark.parametrize("kernel", [FORWARD, BACK])
def test_what_is_free_changes_no_bit(bound, name, kernel):
    back = kernel == BACK
    variants = {
        "unrolled": TILED,
        "loops": TILED | {"UNROLL": 0},
        "other groups, constant filters": TILED | {"TILE_Y": 8, "TILE_X": 5, "CONSTANT_FILTERS": 1},
        "a launch for each filter": TILED | {"KERNELS": 1},
        "no tile, a launch for each filter, constant": UNTILED | {"KERNELS": 1, "CONSTANT_FILTERS": 1},
        "work, as section 9 advises": UNTILED | {"WORK": 5, "TILE_X": RUNTIMES, "HINT": 16, "UNROLL": 0},
    }
    found = {what: _outcome(bound(*LAYERS[name], Forced(kernel, free)), back) for what, free in variants.items()}
    for what, values in found.items():
        np.testing.assert_array_equal(values, found["unrolled"], err_msg=what)


@pytest.mark.row("P8")
def test_only_tiles_take_shared_memory(bound):
    for free, bytes_shared in ((TILED, (2 + 2) * (4 + 1) * 4), (UNTILED, 0)):
        launch = bound(*LAYERS["plain"], Forced(FORWARD, free))._bound.layers[0].combine(SAMPLES)[0].launch._launch
        raw = launch._kernel
        info = launch._owner._cl.kernel_work_group_info.LOCAL_MEM_SIZE
        assert (raw.get_work_group_info(info, launch._owner._handle) > 0) == (bytes_shared > 0)


@pytest.mark.row("P8", "P9")
def test_the_search_tries_groups_of_many_sizes_with_and_without_tiles_the_cheapest_first(task):
    asked = task(Convolution(4, 5), (2, 40, 40), FORWARD, block_items=64)
    candidates = asked.space.candidates(replace(LIMITS, block_items=64))
    groups = {(c["TILED"], c["TILE_Y"], c["TILE_X"]) for c in candidates}
    assert {(1, 8, 8), (1, 1, 32), (1, 4, 16), (0, 1, 32), (0, 1, RUNTIMES)} <= groups
    assert all(rows * columns <= 64 for _, rows, columns in groups)
    loads = [asked.space.cost(candidate) for candidate in candidates]
    assert loads == sorted(loads)
    assert candidates[0]["TILED"] == 1
    assert candidates[-1]["TILED"] == 0


@pytest.mark.row("P9")
def test_tiles_that_share_more_than_a_group_has_are_no_candidates(task):
    candidates = task(Convolution(4, 5, stride=2), (2, 40, 40), FORWARD).space.candidates(
        replace(LIMITS, shared_bytes=800)
    )
    tiles = {(c["TILE_Y"], c["TILE_X"]) for c in candidates if c["TILED"]}
    assert {(2, 4), (4, 4)} <= tiles
    assert not {(4, 8), (8, 4)} & tiles  # they see 11 x 19 numbers of 4 bytes
    assert all((2 * rows + 3) * (2 * columns + 3) * 4 <= 800 for rows, columns in tiles)


@pytest.mark.row("T5")
@pytest.mark.equations("HA4")
def test_an_untuned_tile_is_that_of_algorithm_4_for_all_images_at_once(task):
    limits = {"block_items": 64, "shared_bytes": 4096, "compute_units": 64}
    asked = task(Convolution(4, 5), (2, 27, 27), FORWARD, **limits)
    # 3 samples of 4 maps are 12 images: 6 groups for each of them keep 64 units busy.
    bounds = cost.Bounds(units=6, group_items=64, shared_bytes=4096, largest=(23, 23))
    best = cost.practical_tiling(cost.Images((27, 27), (5, 5), outputs=4, connections=8), bounds)
    assert (asked.space.default["TILE_Y"], asked.space.default["TILE_X"]) == best.tile == (8, 8)
    assert best.tile[0] * best.tile[1] <= GROUP
    assert (asked.space.default["TILED"], asked.space.default["CONSTANT_FILTERS"]) == (1, 1)


@pytest.mark.row("T5")
def test_where_no_tile_fits_the_untiled_kernel_is_taken(bound, task):
    assert task(*LAYERS["plain"], FORWARD, shared_bytes=8).space.default["TILED"] == 0
    assert _launched(bound(*LAYERS["plain"], shared_bytes=8)) == ["untiled"]


@pytest.mark.row("P12", "T3", "T5")
@pytest.mark.parametrize("filters", [37, 38])
@pytest.mark.parametrize("kernel", [FORWARD, BACK])
def test_37_filters_of_21_by_21_fit_into_65536_bytes_and_38_take_two_launches(bound, task, filters, kernel):
    layer, inputs, back = Convolution(filters, 21), (1, 24, 25), kernel == BACK
    names = _launched(bound(layer, inputs, constant_bytes=65536), back)
    assert [name for name in names if name == "tiled"] == ["tiled"] * (1 if filters == 37 else 2)
    tried = task(layer, inputs, kernel, constant_bytes=65536)
    assert tried.space.default["CONSTANT_FILTERS"] == 1
    assert tried.trial().prepare(tried.space.default)(1) > 0


@pytest.mark.row("P12")
def test_a_map_whose_filters_lie_in_two_launches_is_added_up_over_both(bound):
    layer, inputs = Convolution(2, 2, activation="tanh"), (5, 6, 7)  # three of its ten filters fit at a time
    split = bound(layer, inputs, constant_bytes=3 * 4 * 4)
    assert _launched(split) == ["take_filters", "tiled"] * 4
    np.testing.assert_array_equal(_outcome(split, False), _outcome(bound(layer, inputs), False))
    np.testing.assert_array_equal(_outcome(split, True), _outcome(bound(layer, inputs), True))


@pytest.mark.row("P12")
def test_where_not_one_filter_fits_all_stay_in_global_memory(bound, task):
    layer, inputs = Convolution(2, 3), (2, 6, 7)
    default = task(layer, inputs, FORWARD, constant_bytes=35).space.default
    assert default["CONSTANT_FILTERS"] == 0
    assert _launched(bound(layer, inputs, constant_bytes=35)) == ["tiled"]


@pytest.mark.row("P10")
def test_all_connections_of_a_layer_take_one_launch_or_one_each(bound):
    full, single = Convolution(8, 3), Convolution(4, 3, table=np.eye(4, dtype=int).tolist())
    for layer, connections in ((full, 32), (single, 4)):
        alone = TILED | {"KERNELS": 1}
        assert _launched(bound(layer, (4, 12, 12), Forced(FORWARD, TILED))) == ["tiled"]
        assert _launched(bound(layer, (4, 12, 12), Forced(FORWARD, alone))) == ["tiled"] * connections
        assert _launched(bound(layer, (4, 12, 12), Forced(BACK, alone)), back=True) == ["tiled"] * connections


@pytest.mark.row("P10")
@pytest.mark.parametrize("name", ["shared, table", "volume"])
def test_a_launch_for_each_filter_gives_the_oracles_numbers(task, name):
    for kernel in (FORWARD, BACK):
        assert task(*LAYERS[name], kernel).trial().prepare(TILED | {"KERNELS": 1})(1) > 0


def test_planes_have_kernels_of_their_own_and_other_layouts_keep_theirs(device, bound):
    assert isinstance(bound(*LAYERS["plain"])._bound.layers[0], DeviceTiledConvolution)
    program = Program.of(gcnn.Network([PLAIN], (2, 7, 11), "mse"))
    for variant in ("vectors", "scalars"):
        plan = AcceleratedPlan(
            "opencl", bound(*LAYERS["plain"])._runtime, device, MAKERS, program, "float32", 2, variant=variant
        )
        assert type(plan._bound.layers[0]) is DeviceConvolution
        plan.close()


LONG = Convolution(3, 2, table=[[1, 0, 1], [0, 1, 1], [0, 0, 0]], activation="tanh")


@pytest.mark.parametrize("layer", [LONG, replace(LONG, shared=True)], ids=["own kernels", "shared"])
def test_a_table_too_long_for_constants_is_read_from_global_memory(plans, layer, monkeypatch):
    monkeypatch.setattr(convolution, "LONGEST_LIST", 8)  # the table has 9 entries
    plan, oracle = plans([layer], (3, 5, 6), batch=4)
    assert plan._bound.layers[0]._options["KERNEL_LIST"] == 1
    rng = np.random.default_rng(0)
    x, v = rng.standard_normal((3, 3, 5, 6)), rng.standard_normal((3, 3, 4, 5))
    np.testing.assert_allclose(plan.forward(x), oracle.forward(x), atol=1e-13)
    np.testing.assert_allclose(plan.vjp(x, v), oracle.vjp(x, v), atol=1e-13)
    gradients = (one.vectors.download(one.gradient) for one in (plan, oracle))
    np.testing.assert_allclose(*gradients, atol=1e-12)
    np.testing.assert_allclose(plan.sample_gradients(x, v), oracle.sample_gradients(x, v), atol=1e-12)


def test_a_table_of_twenty_thousand_connections_works(plans):
    table = np.random.default_rng(0).random((200, 100)) < 0.5
    plan, oracle = plans([Convolution(200, 1, table=table.tolist())], (100, 1, 2), batch=2)
    x, v = np.random.default_rng(1).standard_normal((2, 100, 1, 2)), np.ones((2, 200, 1, 2))
    np.testing.assert_allclose(plan.forward(x), oracle.forward(x), atol=1e-12)
    np.testing.assert_allclose(plan.vjp(x, v), oracle.vjp(x, v), atol=1e-12)
