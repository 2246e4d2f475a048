"""In which order a plan is tuned, and what for: kernels of the usual layout, of those that may pay, and the layout last."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from gcnn.backend import Device
from gcnn.backends.accelerated.tuning.choosers import Task
from gcnn.backends.accelerated.tuning.errors import WrongResult
from gcnn.backends.accelerated.tuning.key import PLAN, Problem, device_name
from gcnn.backends.accelerated.tuning.layout import layout_space
from gcnn.backends.accelerated.tuning.session import tune
from gcnn.backends.accelerated.tuning.store import Store

pytestmark = pytest.mark.row("T8")


@pytest.fixture
def runtime(limits, monkeypatch, tmp_path):
    monkeypatch.setattr("gcnn.backends.accelerated.tuning.store.cache_folder", lambda: tmp_path)
    device = Device("opencl", 0, "Processor 5", "cpu", ("float32",), {})
    return SimpleNamespace(language="opencl", device=device, limits=limits)


@pytest.fixture
def tuned(runtime, tiles, pretended):
    """What tuning gives where whole plans take these seconds, by (LANES, V)."""

    def run(plans, stop=lambda found: False):
        def tasks(lanes):
            sizes = {"LANES": lanes.count if lanes else 16, "V": lanes.vector if lanes else 16}
            kernel = Problem("dense_forward.cl", "forward", sizes, {})
            own = [Task("Dense(3)", kernel, tiles(), lambda: pretended({4: 0.5e-3}))]
            layout = Task(
                "plan", Problem(PLAN, "5f", {"BATCH": 64}, {}), layout_space(runtime, 4, 64), lambda: pretended(plans)
            )
            return own if lanes else [layout, *own]

        found = []
        found.extend(tune(runtime, tasks, "float32", 3600.0, lambda at: None, lambda: stop(found)))
        return found

    return run


SLOW = {(4, 4): 5e-3, (32, 1): 5e-3, (1, 1): 5e-3}


def test_kernels_come_before_the_plan_and_layouts_that_are_far_slower_are_not_tuned(tuned, runtime):
    found = tuned({(16, 16): 1e-3, (8, 8): 1.1e-3, **SLOW})
    assert [(one.layer, one.kernel) for one in found] == [
        ("Dense(3)", "dense_forward.forward"),
        ("Dense(3), blocks of 8, 8 an item", "dense_forward.forward"),
        ("plan", "plan"),
    ]
    assert [one.chosen for one in found] == [{"TILE": 4}, {"TILE": 4}, {"LANES": 16, "V": 16}]
    store = Store("opencl", device_name(runtime))
    assert len(store.entries()) == 3
    assert {one.kept for one in found} == {str(store.path)}


def test_a_faster_layout_is_chosen(tuned):
    assert tuned({(16, 16): 1e-3, (8, 8): 0.8e-3, **SLOW})[-1].chosen == {"LANES": 8, "V": 8}


def test_a_faster_layout_that_is_wrong_is_neither_tuned_nor_chosen(tuned):
    found = tuned({(16, 16): 1e-3, (8, 8): WrongResult("∂r/∂x"), **SLOW})
    assert [one.layer for one in found] == ["Dense(3)", "plan"]
    assert found[-1].chosen == {"LANES": 16, "V": 16}
    assert [reason for _, reason in found[-1].refused] == ["wrong: ∂r/∂x"]


def test_what_was_found_before_it_is_stopped_is_kept(tuned, runtime):
    found = tuned({(16, 16): 1e-3, (8, 8): 1.1e-3, **SLOW}, stop=lambda found: len(found) == 1)
    assert [one.kernel for one in found] == ["dense_forward.forward"]
    assert len(Store("opencl", device_name(runtime)).entries()) == 1
