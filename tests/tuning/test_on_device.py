"""The whole way on real devices: a dense layer's kernels are tried, chosen, kept and used."""

from __future__ import annotations

import numpy as np
import pytest

import gcnn
from gcnn import kernels, layers
from gcnn.backend import Device, Program
from gcnn.backends.accelerated.backend import MAKERS
from gcnn.backends.accelerated.dense import DeviceDense
from gcnn.backends.accelerated.plan import AcceleratedPlan
from gcnn.backends.accelerated.tuning.choosers import Collector
from gcnn.backends.accelerated.tuning.errors import WrongResult
from gcnn.backends.opencl.backend import BACKEND

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
    assert [task.problem.name for task in collector.tasks] == [
        "dense.forward",
        "dense.backpropagate",
        "dense.gradient",
    ] * 3
    return collector.tasks


@pytest.mark.row("T8")
def test_right_candidates_pass_and_run(tasks):
    for task in (*tasks[2:6], tasks[6]):
        run = task.trial().prepare({"TILE": 3})
        assert 0 < run(2) < 10


BREAKS = {
    "dense.forward": ("if (unit0 + u < UNITS) sum[u] = FMA", "if (unit0 + u < UNITS - (TILE == 2)) sum[u] = FMA"),
    "dense.backpropagate": (
        "sum[j] = FMA((REALV)(w[WEIGHT(i, input0 + j)])",
        "sum[j] = FMA((REALV)(w[WEIGHT(i, input0)])",
    ),
    "dense.gradient": ("for (int block = 0; block < blocks; ++block)", "for (int block = 0; block < 1; ++block)"),
}


@pytest.mark.row("T8")
@pytest.mark.parametrize("kernel", sorted(BREAKS))
def test_a_broken_kernel_is_refused_with_what_is_wrong(tasks, kernel, monkeypatch):
    source, (right, wrong) = kernels.source, BREAKS[kernel]
    assert right in source("dense.cl")
    monkeypatch.setattr(kernels, "source", lambda name: source(name).replace(right, wrong))
    task = next(task for task in tasks if task.problem.name == kernel)
    with pytest.raises(WrongResult, match="the oracle has"):
        task.trial().prepare({"TILE": 2})


def test_a_kernel_that_writes_beyond_its_end_is_refused(tasks, monkeypatch):
    source = kernels.source
    right, wrong = "if (input0 + j < INPUTS) STOREV(sum[j]", "if (input0 + j <= INPUTS) STOREV(sum[j]"
    assert right in source("dense.cl")
    monkeypatch.setattr(kernels, "source", lambda name: source(name).replace(right, wrong))
    task = next(task for task in tasks if task.problem.name == "dense.backpropagate")
    with pytest.raises(WrongResult):
        task.trial().prepare({"TILE": 2})


@pytest.mark.row("P13", "T8")
def test_what_a_search_finds_is_used_by_the_next_plan(device):
    program = Program.of(gcnn.Network([layers.Dense(4, activation="tanh")], 8, "mse"))
    before = BACKEND.plan(program, device, "float32", 16)
    assert {entry["from"] for entry in before.report()["tuning"]} == {"default"}
    seen = []
    found = list(BACKEND.tune(program, device, "float32", 16, 8.0, seen.append, lambda: False))
    assert [tuned.kernel for tuned in found] == ["dense.forward", "dense.backpropagate", "dense.gradient"]
    assert all(tuned.refused == () for tuned in found)
    assert all(tuned.gain == 1 or tuned.gain > 1.03 for tuned in found)
    assert seen[-1].number == seen[-1].kernels - 1
    after = BACKEND.plan(program, device, "float32", 16)
    tuning = after.report()["tuning"]
    assert [entry["parameters"] for entry in tuning] == [tuned.chosen for tuned in found]
    assert {entry["from"] for entry in tuning} == {"tuned here"}
    for plan in (before, after):
        plan.close()


def test_a_search_that_is_stopped_at_once_finds_and_keeps_nothing(device, tmp_path):
    program = Program.of(gcnn.Network([layers.Dense(4)], 8, "mse"))
    assert list(BACKEND.tune(program, device, "float32", 16, 20.0, lambda at: None, lambda: True)) == []
    assert not (tmp_path / "tuned").exists()


def test_every_candidate_fits_its_own_awkward_problems():
    dense = layers.Dense(5, activation="tanh")
    for tile in (1, 2, 31, 128):
        for layer, inputs in DeviceDense.awkward(dense, gcnn.Maps((7,)), {"TILE": tile}):
            assert layer.units % tile or tile == 1
            assert inputs.points % tile or tile == 1
            assert layer.activation == "tanh"
