"""A search trusts the default only where it passes its own trial: those of fused plans, Winograd's algorithm among them, do."""

from __future__ import annotations

import pytest

import gcnn
from gcnn.backend import Device, Program
from gcnn.backends.accelerated.backend import MAKERS, TOGETHER
from gcnn.backends.accelerated.plan import FUSED, AcceleratedPlan
from gcnn.backends.accelerated.tuning.choosers import Collector, Task
from gcnn.backends.opencl.backend import BACKEND
from gcnn.layers import Convolution, MaxPooling
from gcnn.models import MODELS

CONVOLUTIONS = [
    Convolution(8, 3, padding=1, activation="relu"),
    MaxPooling(2),
    Convolution(9, 3, activation="tanh"),
    Convolution(6, 5, stride=2),
]


@pytest.fixture(scope="module")
def device() -> Device:
    found = [device for device in BACKEND.devices() if isinstance(device, Device) and device.kind == "cpu"]
    if not found:
        pytest.skip("not run: no OpenCL device of the processor.")
    return found[0]


@pytest.fixture(scope="module")
def tasks(device) -> list[Task]:
    """What there is to tune in a fused plan of convolutions, the first with its pooling."""
    program, collector = Program.of(gcnn.Network(CONVOLUTIONS, (8, 16, 16), "mse")), Collector()
    runtime, makers = BACKEND.runtime(device), MAKERS | TOGETHER
    AcceleratedPlan("opencl", runtime, device, makers, program, "float32", 64, FUSED, collector)
    return collector.tasks


def test_every_default_of_a_fused_plan_is_right_on_trial(tasks):
    for task in tasks:
        assert task.trial().prepare(task.space.default)(1) > 0


@pytest.mark.parametrize("name", ["simard", "vgg-small"])
def test_defaults_of_networks_are_right_on_trial(device, name):
    """A whole row of 13 cells, which a stride of 2 does not divide; Winograd's gradients beside a tile that suits another size."""
    collector = Collector()
    program, runtime = Program.of(MODELS[name]()), BACKEND.runtime(device)
    AcceleratedPlan("opencl", runtime, device, MAKERS | TOGETHER, program, "float32", 64, FUSED, collector)
    for task in collector.tasks:
        if task.problem.name.startswith("convolution"):
            assert task.trial().prepare(task.space.default)(1) > 0


def test_winograds_algorithm_is_right_on_trial_in_all_passes(tasks, limits):
    either = [task for task in tasks if "WINOGRAD" in task.space.parameters]
    passes = ["convolution_forward.forward", "convolution_backpropagate.backpropagate", "convolution_gradient.gradient"]
    assert [task.problem.name for task in either] == 2 * passes
    for task in either:
        minimal = [candidate for candidate in task.space.candidates(limits) if candidate["WINOGRAD"]]
        task.trial().prepare(max(minimal, key=lambda tile: (tile["MAPS_TILE"], tile["COLUMNS_TILE"])))
