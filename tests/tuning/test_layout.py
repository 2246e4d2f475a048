"""Which way to lay out samples suits a plan: what may be chosen, that wrong ones are refused, and that the best is used."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

import gcnn
from gcnn.backend import Device, Program, get_backend
from gcnn.backends.accelerated.lanes import Lanes
from gcnn.backends.accelerated.tuning.errors import WrongResult
from gcnn.backends.accelerated.tuning.key import Key
from gcnn.backends.accelerated.tuning.layout import PlanTrial, layout_problem, layout_space
from gcnn.backends.accelerated.tuning.search import Budget, search
from gcnn.backends.accelerated.tuning.store import Entry, Store
from gcnn.backends.opencl.backend import BACKEND
from gcnn.layers import Dense, MaxPooling

pytestmark = pytest.mark.row("T8")


def program(units=4, inputs=(1, 4, 4)):
    return Program.of(gcnn.Network([MaxPooling(2), Dense(units, activation="tanh")], inputs, "mse"))


@pytest.fixture
def cpu(limits):
    return SimpleNamespace(language="opencl", limits=replace(limits, block_items=1024), device=None)


def values(space, limits):
    return [tuple(candidate.values()) for candidate in space.candidates(limits)]


def test_a_processor_tries_all_widths_of_vectors_and_a_sample_an_item(cpu):
    space = layout_space(cpu, itemsize=4, batch=64)
    assert space.default == {"LANES": 16, "V": 16}
    assert sorted(values(space, cpu.limits)) == [(1, 1), (4, 4), (8, 8), (16, 16), (32, 1)]
    assert sorted(values(layout_space(cpu, itemsize=8, batch=64), cpu.limits)) == [(1, 1), (4, 4), (8, 8), (32, 1)]


@pytest.mark.parametrize(("batch", "lanes"), [(1, 4), (4, 4), (5, 8), (8, 8), (9, 16), (64, 16)])
def test_vectors_are_no_wider_than_a_batch_needs(cpu, batch, lanes):
    assert layout_space(cpu, itemsize=4, batch=batch).default == {"LANES": lanes, "V": lanes}


def test_a_card_has_no_vectors_to_try(cpu):
    cpu.limits = replace(cpu.limits, vector_bytes=0)
    space = layout_space(cpu, itemsize=4, batch=64)
    assert space.default == space.benchmark == {"LANES": 32, "V": 1}
    assert sorted(values(space, cpu.limits)) == [(1, 1), (32, 1)]


def test_results_of_another_program_are_never_near(cpu):
    cpu.device = SimpleNamespace(name="Processor", details={})
    one, other, larger = (
        Key.of(layout_problem(*arguments), cpu, "float32")
        for arguments in ((program(), 64), (program(5), 64), (program(), 100))
    )
    assert one.distance(other) == float("inf")
    assert 0 < one.distance(larger) < 1
    assert Key.of(layout_problem(program(), 64), cpu, "float32") == one


class Wrong:
    """The oracle's plan with something added to what it returns."""

    def __init__(self, plan, by):
        self._plan, self._by = plan, by

    def __getattr__(self, name):
        return getattr(self._plan, name)

    def vjp(self, x, v):
        return self._plan.vjp(x, v) + self._by


def trial_of(wrong):
    """A trial whose layouts compute as the oracle does, but for those that are off by so much."""
    oracle = get_backend("numpy")

    def make(lanes):
        plan = oracle.plan(program(), oracle.devices()[0], "float64", 40)
        return Wrong(plan, wrong.get((lanes.count, lanes.vector), 0.0))

    return PlanTrial(make, program(), "float64", 40)


def test_a_layout_that_computes_otherwise_is_refused_and_never_chosen(cpu):
    trial, space = trial_of({(8, 8): 1e-3, (16, 16): 1e-3}), layout_space(cpu, 4, 64)
    with pytest.raises(WrongResult, match="∂r/∂x"):
        trial.prepare({"LANES": 8, "V": 8})
    outcome = search(space, cpu.limits, trial, Budget(2.0))
    assert {tuple(tried.parameters.values()) for tried in outcome.refused} == {(8, 8), (16, 16)}
    assert tuple(outcome.chosen.values()) not in {(8, 8), (16, 16)}


def test_nan_is_refused_too():
    with pytest.raises(WrongResult):
        trial_of({(8, 8): np.nan}).prepare({"LANES": 8, "V": 8})


def test_a_unit_on_the_other_side_of_its_kink_is_no_fault():
    expected = trial_of({})._expected[1]  # a network with max pooling
    part = np.linalg.norm(expected) / np.sqrt(expected.size)
    trial = trial_of({(8, 8): 0.005 * part, (16, 16): 0.05 * part})
    trial.prepare({"LANES": 8, "V": 8})
    with pytest.raises(WrongResult, match="∂r/∂x"):
        trial.prepare({"LANES": 16, "V": 16})


@pytest.fixture(params=["Intel(R) OpenCL", "Portable Computing Language"])
def device(request):
    found = [d for d in BACKEND.devices() if isinstance(d, Device) and d.details["platform"] == request.param]
    if not found:
        pytest.skip(f"not run: no usable device of {request.param}.")
    return found[0]


def test_a_plan_takes_the_layout_that_was_found_and_tells_where_from(device, monkeypatch, tmp_path):
    monkeypatch.setattr("gcnn.backends.accelerated.tuning.store.cache_folder", lambda: tmp_path)
    monkeypatch.delenv("GCNN_TUNE", raising=False)
    runtime = BACKEND.runtime(device)
    key = Key.of(layout_problem(program(), 24), runtime, "float32")
    Store("opencl", key.device).put(Entry(key, {"LANES": 4, "V": 4}, {"from": "search"}))
    x = np.random.default_rng(0).random((24, 1, 4, 4)).astype("float32")
    found = {}
    for variant in (None, "vectors", "planes"):
        plan = BACKEND.plan(program(), device, "float32", 24, variant)
        found[variant], report = plan.forward(x), plan.report()
        [layout] = [entry for entry in report["tuning"] if entry["layer"] == "plan"] or [None]
        assert (layout is None) == (variant is not None)
        assert report["lanes"] == {None: 4, "vectors": 16, "planes": 1}[variant]
        plan.close()
    np.testing.assert_allclose(found[None], found["vectors"], rtol=1e-6)
    other = BACKEND.plan(program(5), device, "float32", 24)
    assert other.report()["lanes"] == Lanes.of(runtime, 4).count
    other.close()
