"""Kernels of windows side by side, as they are tuned: how much a work-item takes."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

import gcnn
from gcnn import kernels
from gcnn.backend import Device, Program
from gcnn.backends.accelerated.backend import MAKERS
from gcnn.backends.accelerated.plan import AcceleratedPlan
from gcnn.backends.accelerated.tuning.choosers import Collector
from gcnn.backends.accelerated.tuning.errors import WrongResult
from gcnn.backends.accelerated.windows import amount_space
from gcnn.backends.opencl.backend import BACKEND
from gcnn.layers import Dense, MaxPooling, VanillaSubsampling, WeightedSubsampling

NAMES = {"intel": "Intel(R) OpenCL", "pocl": "Portable Computing Language"}
TABLE = [[1, 0, 1], [1, 1, 1]]
POOLING = [MaxPooling((3, 2)), VanillaSubsampling(2), WeightedSubsampling(2, activation="tanh")]
TABLED = [WeightedSubsampling(2, table=TABLE, weights="cross"), WeightedSubsampling(3, table=[[1, 1], [1, 0]])]


@pytest.fixture(scope="module", params=sorted(NAMES))
def device(request):
    found = [d for d in BACKEND.devices() if isinstance(d, Device) and d.details["platform"] == NAMES[request.param]]
    if not found:
        pytest.skip(f"not run: no usable device of {NAMES[request.param]}.")
    return found[0]


@pytest.fixture
def tasks(device):
    def collected(layers, inputs, variant="vectors"):
        program, collector = Program.of(gcnn.Network([*layers, Dense(1)], inputs, "mse")), Collector()
        AcceleratedPlan("opencl", BACKEND.runtime(device), device, MAKERS, program, "float32", 19, variant, collector)
        return [task for task in collector.tasks if not task.problem.name.startswith("dense")]

    return collected


@pytest.mark.row("T6")
@pytest.mark.parametrize("variant", BACKEND.capabilities.variants)
@pytest.mark.parametrize(("layers", "inputs"), [(POOLING, (2, 31, 27)), (TABLED, (3, 18, 13))])
def test_every_pass_can_be_tuned_and_its_candidates_are_right(tasks, layers, inputs, variant):
    found = tasks(layers, inputs, variant)
    passes = {(task.problem.file, task.problem.kernel) for task in found}
    expected = {(task.problem.file, kernel) for task in found for kernel in ("forward", "backpropagate")}
    assert passes >= expected
    assert (("weighted_subsampling.cl", "gradient") in passes) == (layers is TABLED)
    for task in found:
        [(name, values)] = task.space.parameters.items()
        assert 0 < task.trial().prepare({name: values[-1]})(1) < 10


BREAKS = {
    # The way back reads a winner that the forward pass has kept.
    "max_pooling.backpropagate": ("won == (LANE_INT)(CELL(uz, uy, ux))", "won == (LANE_INT)(0)"),
    "max_pooling.forward": (
        "row < FIRST_ROW + ROWS_TILE &&",
        "row < FIRST_ROW + (ROWS_TILE > 1 ? ROWS_TILE - 1 : 1) &&",
    ),
    "vanilla_subsampling.backpropagate": ("CELL(uz, uy, ux) == 0 ? share", "CELL(uz, uy, ux) == 1 ? share"),
    "weighted_subsampling.gradient": ("part[k] = FMA(d, LOADV", "part[0] = FMA(d, LOADV"),
}


@pytest.mark.row("T6")
@pytest.mark.parametrize("kernel", sorted(BREAKS))
def test_a_broken_kernel_is_refused(tasks, kernel, monkeypatch):
    source, (right, wrong) = kernels.source, BREAKS[kernel]
    assert right in source(f"{kernel.partition('.')[0]}.cl")
    monkeypatch.setattr(kernels, "source", lambda name: source(name).replace(right, wrong))
    layers, inputs = (TABLED[:1], (3, 9, 13)) if kernel.endswith("gradient") else (POOLING[:2], (2, 13, 9))
    [task] = [task for task in tasks(layers, inputs) if task.problem.name == kernel]
    [name] = task.space.parameters
    with pytest.raises(WrongResult):
        task.trial().prepare({name: 2})


@pytest.mark.row("T6", "P5")
@pytest.mark.parametrize(
    ("kind", "rows", "blocks", "advised"),
    [("cpu", 96, 1, 24), ("cpu", 96, 4, 96), ("cpu", 5000, 4, 1000), ("cpu", 2, 1, 1), ("gpu", 96, 4, 1)],
)
def test_the_benchmark_is_an_item_a_unit_on_processors_and_a_row_an_item_on_cards(limits, kind, rows, blocks, advised):
    runtime = SimpleNamespace(limits=replace(limits, compute_units=4), device=SimpleNamespace(kind=kind))
    space = amount_space("ROWS_TILE", rows, rows * blocks, 4, runtime)
    assert space.benchmark == {"ROWS_TILE": advised}
    assert space.default == {"ROWS_TILE": min(4, rows)}
    assert max(space.parameters["ROWS_TILE"]) <= rows
    assert space.cost is None, "no tile loads less than another"


def test_no_awkward_problem_of_windows_is_a_multiple_of_its_tile():
    for layer in (MaxPooling((3, 2)), VanillaSubsampling((3, 2)), *TABLED[:1]):
        own = gcnn.Maps((3, 12, 12))
        for tile in (2, 4, 32):
            rows = []
            for other, maps in MAKERS[type(layer)].awkward(layer, own, {"ROWS_TILE": tile}):
                made = other.output_maps(maps)
                rows.append(
                    maps.count * np.prod(made.box[:-1]) % tile
                )  # a row of sums an input map, where there is a table
                assert maps.box != made.box
            assert any(rows)
