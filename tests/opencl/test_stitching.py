"""Works in one launch give the bits that they give one by one, whichever layers they belong to."""

from __future__ import annotations

import re
from itertools import chain

import numpy as np
import pytest

import gcnn
from gcnn import kernels
from gcnn.backend import Program
from gcnn.backends.accelerated import plan as plans
from gcnn.backends.accelerated.errors import BuildFailed
from gcnn.backends.accelerated.launches import MOST_WORKS
from gcnn.backends.accelerated.plan import FUSED
from gcnn.backends.accelerated.stitching import Chained, SideBySide
from gcnn.backends.opencl.backend import BACKEND
from gcnn.layers import Activation, Convolution, Dense, FeatureMap, MaxPooling, RadialBasis, WeightedSubsampling

POOLED = [Convolution(3, 3, activation="tanh"), MaxPooling(2), Convolution(4, 2, activation="relu"), MaxPooling((1, 2))]
NETWORKS = {
    "pooled convolutions": (
        (2, 9, 10),
        [*POOLED, Dense(7, activation="tanh"), Dense(5, activation="softmax")],
        "cross_entropy",
    ),
    "one dimension": ((2, 11), [Convolution(3, 4, activation="tanh"), MaxPooling(3), Dense(2)], "mse"),
    "three dimensions": (
        (1, 3, 5, 6),
        [Convolution(2, (2, 2, 2)), MaxPooling((1, 2, 2)), Dense(3, activation="logistic")],
        "sse",
    ),
    "twice the same sizes": (6, [Dense(6, activation="tanh"), Dense(6, activation="softsign"), Dense(6)], "mse"),
    "sums of windows": (
        (2, 6, 6),
        [WeightedSubsampling(2, activation="tanh"), Activation("softplus"), Dense(3)],
        "mse",
    ),
    "sums of one map's windows": ((1, 6, 6), [WeightedSubsampling(2, activation="tanh"), Dense(3)], "mse"),
    "tables": ((2, 4, 4), [Convolution(2, 2, table=[[1, 0], [1, 1]]), Dense(2, table=[[1, 0] * 9, [0, 1] * 9])], "mse"),
    "no weights below": (5, [FeatureMap("monomials", 2), RadialBasis(4), Dense(2)], "mse"),
}


@pytest.fixture
def launches(device):
    """The works of a fused plan for so many samples, after a step, and the plan."""

    def planned(name: str, samples: int):
        shape, layers, loss = NETWORKS[name]
        network = gcnn.Network(layers, shape, loss)
        plan = BACKEND.plan(Program.of(network), device, "float32", max(samples, 40), FUSED)
        plan.vectors.copy(plan.vectors.upload(network.initial_parameters().astype("float32")), plan.theta)
        rng = np.random.default_rng(0)
        x = rng.standard_normal((samples, *network.inputs.shape))
        plan.loss_gradient(x, np.eye(network.outputs.points)[np.arange(samples) % network.outputs.points])
        return plan._for(samples), plan

    return planned


@pytest.mark.parametrize("samples", [1, 40])
@pytest.mark.parametrize("name", NETWORKS)
def test_a_chain_and_works_side_by_side_leave_the_bits_of_works_one_by_one(launches, name, samples):
    works, plan = launches(name, samples)
    for launch in works.training:
        launch()
    together = plan.vectors.download(plan.gradient)
    plan.vectors.copy(plan.vectors.upload(np.full_like(together, np.nan)), plan.gradient)
    for work in [*works.forward, *works.loss, *works.slopes, *chain(*works.gradients)]:
        work()
    assert plan.vectors.download(plan.gradient).tobytes() == together.tobytes()
    assert np.isfinite(together).all()
    assert np.abs(together).max() > 0


@pytest.mark.parametrize(("most", "lengths"), [(MOST_WORKS, [13, 4]), (10, [10, 3, 4])])
def test_works_that_follow_one_another_take_a_launch_and_all_gradients_one(launches, monkeypatch, most, lengths):
    monkeypatch.setattr("gcnn.backends.accelerated.launches.MOST_WORKS", most)
    works = launches("pooled convolutions", 40)[0]
    assert [len(launch.label.split(" + ")) for launch in works.training] == lengths


def test_gradients_that_are_added_up_take_another_launch(launches):
    works, plan = launches("sums of one map's windows", 40)
    # One unit adds up all blocks at once, and so do several where each has a map.
    assert len(works.training) == (2 if plan._runtime.limits.compute_units == 1 else 3)
    assert len(launches("sums of windows", 40)[0].training) == (2 if plan._runtime.limits.compute_units <= 2 else 3)


def test_equal_works_share_a_function_and_buffers_an_argument(launches, monkeypatch):
    works, plan = launches("twice the same sizes", 40)
    texts = []
    compile_ = type(plan._runtime).compile
    monkeypatch.setattr(type(plan._runtime), "compile", lambda *a: texts.append(a[1]) or compile_(*a))
    Chained([works.slopes[0]] * 2, works.forward[0].groups[-1], plan._kernels.chained)()
    SideBySide([works.gradients[0][0]] * 3)()
    for text in texts:
        assert len(re.findall(r"#define INPUTS_\d+", text)) == 1
        called = [
            line.split("_0(")[1]
            for line in text.splitlines()
            if re.match(r"    (for|if) \(group", line) or "; ++group)" in line
        ]
        assert len(called) >= 2
        assert len(set(called)) == 1


def test_kernels_alone_ask_for_their_group():
    """Helpers get it as an argument: stitched, a group is one."""
    for name in sorted(
        path.name for path in kernels.files("gcnn.kernels").iterdir() if path.name.endswith((".cl", ".h"))
    ):
        text = re.sub(r"/\*.*?\*/", " ", kernels.files("gcnn.kernels").joinpath(name).read_text(), flags=re.DOTALL)
        for helper in re.finditer(r"^(?:INLINED|DEVICE)\b[^;{]*\{.*?^\}", text, re.DOTALL | re.MULTILINE):
            assert "GROUP_ID" not in helper[0], f"{name}: {helper[0][:80]}"


def test_a_kernel_that_asks_for_the_size_of_its_grid_is_refused(launches, monkeypatch):
    # It would get that of all works together.
    source = kernels.source
    right = "const int own = tile * UNITS_TILE"
    assert right in source("dense_forward.cl")
    monkeypatch.setattr(kernels, "source", lambda name: source(name).replace(right, f"{right} + 0 * GROUPS(0)"))
    with pytest.raises(BuildFailed, match="how_many_groups"):
        launches("twice the same sizes", 5)


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("blocks", [3, 4])
def test_two_blocks_that_an_item_takes_together_leave_the_bits_of_one_after_another(
    launches, device, monkeypatch, name, blocks
):
    lanes = launches(name, 1)[1]._lanes.count
    samples, found = blocks * lanes, []
    for together in (2, 1):
        monkeypatch.setattr(plans, "blocks_together", lambda *arguments, together=together: together)
        monkeypatch.setattr("gcnn.backends.accelerated.per_unit.is_dealt", lambda *arguments: False)
        works, plan = launches(name, samples)
        assert plan._kernels.chained == together
        for launch in works.training:
            launch()
        found.append(plan.vectors.download(plan.gradient))
    assert np.abs(found[0]).max() > 0
    assert found[0].tobytes() == found[1].tobytes()
