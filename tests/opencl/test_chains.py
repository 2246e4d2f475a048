"""Which layers stay in a chain, and that it changes no bit where they leave it."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

import gcnn
from gcnn.backend import Program
from gcnn.backends.accelerated import binding
from gcnn.backends.accelerated.lanes import Lanes
from gcnn.backends.accelerated.plan import FUSED, NARROW
from gcnn.backends.accelerated.planner import fused, stays_in_chain
from gcnn.backends.accelerated.stitching import Chained
from gcnn.backends.opencl.backend import BACKEND
from gcnn.layers import Convolution, Dense
from gcnn.models import MODELS

WIDE = Dense(400, activation="tanh")
CONVOLUTION = Convolution(32, 3, padding=1)


def stays(
    layer: gcnn.layers.Layer,
    inputs: int | tuple[int, ...],
    samples: int,
    units: int = 2,
    waits_for_all: bool = True,
    lanes: int = 16,
) -> bool:
    runtime = SimpleNamespace(limits=SimpleNamespace(compute_units=units), waits_for_all=waits_for_all)
    kernels = SimpleNamespace(lanes=Lanes(lanes, lanes), runtime=runtime, dtype=np.dtype("float32"), broad=16)
    return stays_in_chain(gcnn.Network([layer], inputs, "mse").stages[0], samples, kernels)


def test_a_layer_leaves_where_its_blocks_leave_units_idle_and_it_is_worth_a_launch():
    assert stays(CONVOLUTION, (32, 32, 32), 64)  # four blocks, two each
    assert not stays(CONVOLUTION, (32, 32, 32), 16)  # one block, one unit idle
    assert not stays(CONVOLUTION, (32, 32, 32), 48, units=8)
    assert stays(CONVOLUTION, (32, 32, 32), 80)  # five blocks: one of six places is idle
    assert stays(Dense(10), 20, 1)  # a launch takes longer


def test_a_launch_is_worth_twice_as_much_where_threads_are_woken_for_it():
    layer, inputs = Convolution(16, 5), (6, 12, 12)  # of one block: 154,000 multiply-adds of vectors
    assert not stays(layer, inputs, 1)
    assert stays(layer, inputs, 1, waits_for_all=False)
    assert not stays(CONVOLUTION, (32, 32, 32), 1, waits_for_all=False)


def test_where_columns_are_abreast_a_layer_is_worth_less():
    layer, inputs = Convolution(16, 5), (6, 12, 12)
    assert stays(layer, inputs, 1, lanes=4)  # four columns a vector
    assert not stays(Convolution(16, 5, padding=2), inputs, 1, lanes=4)
    assert not stays(Convolution(64, 5, stride=(1, 2)), inputs, 1, lanes=4)


def test_a_dense_layer_leaves_where_blocks_should_share_what_they_read_of_its_weights():
    assert not stays(WIDE, 400, 64)
    assert stays(WIDE, 100, 64)
    assert stays(CONVOLUTION, (512, 8, 8), 64)  # a convolution reads its weights once for many points


@pytest.mark.parametrize("samples", [5, 40])
def test_it_changes_no_bit_and_is_a_launch_of_its_own(device, monkeypatch, samples):
    network = gcnn.Network([CONVOLUTION, WIDE, Dense(3)], (32, 4, 4), "mse")
    rng = np.random.default_rng(0)
    x, t = (rng.standard_normal((samples, *maps.shape)) for maps in (network.inputs, network.outputs))
    found, labels = [], []
    for chained in (None, True):
        if chained:
            monkeypatch.setattr(binding, "stays_in_chain", lambda *arguments: True)
        plan = BACKEND.plan(Program.of(network), device, "float32", 40, FUSED)
        plan.vectors.copy(plan.vectors.upload(network.initial_parameters().astype("float32")), plan.theta)
        loss = plan.loss_gradient(x, t)
        found.append((loss, plan.vectors.download(plan.gradient).tobytes()))
        labels.append(plan.report()["launches"])
    assert found[0] == found[1]
    assert "dense_forward.forward" in labels[0]
    assert len(labels[1]) < len(labels[0])


def test_a_plan_computes_only_what_sub_sampling_keeps():
    stages = fused(MODELS["simard"]().stages)
    assert [type(stage.layer) for stage in stages] == [Convolution, Convolution, Dense, Dense]
    assert stages[1].inputs.shape == (5, 13, 13)


def test_small_works_go_along_with_their_neighbours_and_a_lone_one_is_shared_by_all_units(device):
    for variant in (FUSED, NARROW):
        plan = BACKEND.plan(Program.of(MODELS["lenet5"]()), device, "float32", 1, variant)
        labels = plan.report()["launches"]
        if plan._runtime.limits.compute_units > 1 and plan._runtime.waits_for_all:
            # Of the first five layers only the second convolution is worth launches that all units share, if no columns are abreast.
            alone = "convolution_backpropagate.backpropagate" in labels
            assert alone == (plan._kernels.broad == plan._lanes.count)
            if alone:
                back = labels.index("convolution_backpropagate.backpropagate")
                assert labels[back + 1] == "weighted_subsampling.backpropagate + activation.delta"
            assert "activation.delta" not in labels
        launches = plan._for(1).training
        assert not any(isinstance(launch, Chained) and len(launch.works) == 1 for launch in launches[1:])


def test_samples_come_in_and_leave_in_the_chain(device):
    plan = BACKEND.plan(Program.of(MODELS["delmas"]()), device, "float32", 64, FUSED)
    (only,) = plan._for(64).inference
    assert only.label.startswith("layout.pack + ")
    assert only.label.endswith(" + layout.unpack")


def test_where_units_are_idle_the_losses_end_a_launch(device):
    plan = BACKEND.plan(Program.of(MODELS["delmas"]()), device, "float32", 64, NARROW)
    plan_of_one = BACKEND.plan(Program.of(MODELS["delmas"]()), device, "float32", 1, NARROW)
    if plan._runtime.limits.compute_units == 1:
        pytest.skip("not run: the device has one compute unit")
    first, rest = plan_of_one._for(1).to_losses
    assert first[-1].label.endswith("losses.evaluate")
    assert "backpropagate" in rest[0].label
    first, _ = plan._for(64).to_losses
    assert "backpropagate" in first[-1].label
