"""The whole way on real devices: a dense layer's kernels are tried, chosen, kept and used."""

from __future__ import annotations

import numpy as np
import pytest

import gcnn
from gcnn import kernels, layers
from gcnn.backend import Device, Program
from gcnn.backends.accelerated.backend import MAKERS, TOGETHER
from gcnn.backends.accelerated.dense import DeviceDense
from gcnn.backends.accelerated.plan import FUSED, AcceleratedPlan
from gcnn.backends.accelerated.tuning import session
from gcnn.backends.accelerated.tuning.choosers import Collector
from gcnn.backends.accelerated.tuning.errors import WrongResult
from gcnn.backends.opencl.backend import BACKEND

NAMES_OF_KERNELS = ["dense_forward.forward", "dense_backpropagate.backpropagate", "dense_gradient.gradient"]
NAMES = {"intel": "Intel(R) OpenCL", "pocl": "Portable Computing Language"}


@pytest.fixture(scope="module", params=sorted(NAMES))
def device(request):
    found = [d for d in BACKEND.devices() if isinstance(d, Device) and d.details["platform"] == NAMES[request.param]]
    if not found:
        pytest.skip(f"not run: no usable device of {NAMES[request.param]}.")
    return found[0]


@pytest.fixture(autouse=True)
def own_results(monkeypatch, tmp_path):
    """Compiled kernels stay where they are, since they are slow to make again; results of tuning are this test's."""
    monkeypatch.setattr("gcnn.backends.accelerated.tuning.store.cache_folder", lambda: tmp_path)
    monkeypatch.delenv("GCNN_TUNE", raising=False)


@pytest.fixture(params=["vectors", "scalars"])
def tasks(device, request):
    """What there is to tune in a network of dense layers: a full one, a table, and softmax."""
    table = np.random.default_rng(0).random((6, 13)) < 0.5
    program = Program.of(
        gcnn.Network(
            [layers.Dense(13, activation="tanh"), layers.Dense(6, table=table), layers.Dense(3, activation="softmax")],
            11,
        )
    )
    collector = Collector()
    AcceleratedPlan("opencl", BACKEND.runtime(device), device, MAKERS, program, "float32", 19, request.param, collector)
    assert [task.problem.name for task in collector.tasks] == NAMES_OF_KERNELS * 3
    return collector.tasks


@pytest.mark.row("T8")
def test_right_candidates_pass_and_run(tasks, limits):
    for task in (*tasks[:6], tasks[6]):
        candidates = task.space.candidates(limits)
        run = task.trial().prepare(candidates[len(candidates) // 2])
        assert 0 < run(2) < 10


def test_defaults_can_be_tried_where_a_gradient_is_dealt_to_parts_or_made_by_winograds_algorithm(device):
    network = gcnn.Network([layers.Convolution(n, 3, padding=1) for n in (32, 32)], (2, 32, 32), "mse")
    collector, makers = Collector(), MAKERS | TOGETHER
    AcceleratedPlan(
        "opencl", BACKEND.runtime(device), device, makers, Program.of(network), "float32", 64, FUSED, collector
    )
    gradients = [task for task in collector.tasks if task.problem.name == "convolution_gradient.gradient"]
    defaults = [task.space.default for task in gradients]
    assert [(tile["SPLIT"] > 1, tile["WINOGRAD"] > 0) for tile in defaults] == [(True, False), (False, True)]
    for task in gradients:
        assert task.trial().prepare(task.space.default)(1) > 0


BREAKS = {
    # Every block of a tile gets the values of the first.
    "dense_forward.forward": (
        "dense_forward.cl",
        "LOADV(x, AT((INDEX)b * depth + k))",
        "LOADV(x, AT(k))",
        {"UNITS_TILE": 2, "BLOCKS_TILE": 2, "PANELS": 1},
    ),
    # The last tile is not moved back.
    "dense_backpropagate.backpropagate": (
        "dense_backpropagate.cl",
        "input0 = TILE_BACK(own, INPUTS_TILE, INPUTS)",
        "input0 = own < INPUTS - INPUTS_TILE ? own : 0",
        {"INPUTS_TILE": 2, "BLOCKS_TILE": 1, "PANELS": 0},
    ),
    "dense_gradient.gradient": (
        "dense_gradient.cl",
        "for (int b = 0; b < count; ++b) TURN(",
        "for (int b = 0; b < count && b + block == 0; ++b) TURN(",
        {"UNITS_TILE": 2, "COLUMNS_TILE": 1, "STRIP": 2},
    ),
}


@pytest.mark.row("T7", "T8")
@pytest.mark.parametrize("kernel", sorted(BREAKS))
def test_a_broken_kernel_is_refused_with_what_is_wrong(tasks, kernel, monkeypatch):
    source, (file, right, wrong, parameters) = kernels.source, BREAKS[kernel]
    assert right in source(file)
    monkeypatch.setattr(kernels, "source", lambda name: source(name).replace(right, wrong))
    task = next(task for task in tasks if task.problem.name == kernel)
    with pytest.raises(WrongResult, match="the oracle has"):
        task.trial().prepare(parameters)


def test_a_kernel_that_writes_beyond_its_end_is_refused(tasks, monkeypatch):
    source = kernels.source
    right = "STOREV(sum[j][b], dy_in, at);"
    more = " STOREV(sum[j][b], dy_in, AT((INDEX)(block + count) * INPUTS));"
    assert right in source("dense_backpropagate.cl")
    monkeypatch.setattr(kernels, "source", lambda name: source(name).replace(right, right + more))
    task = next(task for task in tasks if task.problem.name == "dense_backpropagate.backpropagate")
    with pytest.raises(WrongResult, match="wrote outside"):
        task.trial().prepare({"INPUTS_TILE": 2, "BLOCKS_TILE": 1, "PANELS": 0})


@pytest.mark.row("P13", "T8")
def test_what_a_search_finds_is_used_by_the_next_plan(device, monkeypatch):
    # Few candidates and as much time as they take; kernels of the usual layout only.
    monkeypatch.setattr(session, "PROMISING", 0.0)
    program = Program.of(gcnn.Network([layers.Dense(2, activation="tanh")], 3, "mse"))
    before = BACKEND.plan(program, device, "float32", 16)
    assert {entry["from"] for entry in before.report()["tuning"]} == {"default"}
    seen = []
    found = list(BACKEND.tune(program, device, "float32", 16, 3600.0, seen.append, lambda: False))
    assert [tuned.kernel for tuned in found[:3]] == NAMES_OF_KERNELS
    assert [tuned.kernel for tuned in found].index("plan") == len(found) - 1
    assert all(tuned.refused == () for tuned in found)
    assert all(tuned.gain == 1 or tuned.gain > 1.03 for tuned in found)
    assert seen[-1].kernel == "plan"
    after = BACKEND.plan(program, device, "float32", 16)
    layout = after.report()["tuning"][0]
    assert layout["parameters"] == found[-1].chosen
    assert after.report()["lanes"] == found[-1].chosen["LANES"]
    assert layout["from"] == "tuned here"
    after.close()
    # In the layout that was tuned, whichever was chosen.
    after = AcceleratedPlan("opencl", BACKEND.runtime(device), device, MAKERS, program, "float32", 16, "vectors")
    used = after.report()["tuning"]
    assert [entry["parameters"] for entry in used] == [tuned.chosen for tuned in found[:3]]
    assert {entry["from"] for entry in used} == {"tuned here"}
    for plan in (before, after):
        plan.close()


def test_a_search_that_is_stopped_at_once_finds_and_keeps_nothing(device, tmp_path):
    program = Program.of(gcnn.Network([layers.Dense(4)], 8, "mse"))
    assert list(BACKEND.tune(program, device, "float32", 16, 20.0, lambda at: None, lambda: True)) == []
    assert not (tmp_path / "tuned").exists()


@pytest.mark.parametrize(
    ("tile", "units", "inputs"),
    [
        ({"UNITS_TILE": 6, "BLOCKS_TILE": 4}, 6, 1),
        ({"INPUTS_TILE": 24, "BLOCKS_TILE": 1}, 1, 24),
        ({"UNITS_TILE": 8, "COLUMNS_TILE": 2, "STRIP": 4}, 32, 32),
    ],
)
def test_awkward_problems_are_no_multiples_of_any_tile(tile, units, inputs):
    for layer, maps in DeviceDense.awkward(layers.Dense(5, activation="tanh"), gcnn.Maps((7,)), tile):
        assert layer.units > units
        assert maps.points > inputs
        assert units == 1 or layer.units % units
        assert inputs == 1 or maps.points % inputs
        assert layer.activation == "tanh"


def test_a_search_without_time_ends_and_keeps_nothing(device, tmp_path):
    program = Program.of(gcnn.Network([layers.Dense(4)], 8, "mse"))
    assert list(BACKEND.tune(program, device, "float32", 16, 0.0, lambda at: None, lambda: False)) == []
    assert not (tmp_path / "tuned").exists()
