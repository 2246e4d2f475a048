"""Compute units that go alone through their samples give together what the oracle gives, however many there are of both."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import gcnn
from gcnn.backend import Program
from gcnn.backends.accelerated import per_unit
from gcnn.backends.accelerated.backend import MAKERS, TOGETHER
from gcnn.backends.accelerated.lanes import Lanes
from gcnn.backends.accelerated.parts import GRADIENT, is_dealt
from gcnn.backends.accelerated.plan import FUSED, AcceleratedPlan
from gcnn.backends.numpy import BACKEND as ORACLE
from gcnn.backends.opencl.backend import BACKEND
from gcnn.layers import Convolution, Dense, MaxPooling, RadialBasis, WeightedSubsampling
from gcnn.optimizers import Adam, GradientDescent, Momentum

NETWORKS = {
    "pooled convolutions": (
        (2, 9, 10),
        [Convolution(3, 3, padding=1, activation="tanh"), MaxPooling(2), Dense(5, activation="softmax")],
        "cross_entropy",
    ),
    "sums of windows": (
        (2, 6, 6),
        [WeightedSubsampling(2, activation="tanh"), Convolution(3, 2, activation="softplus"), Dense(3)],
        "mse",
    ),
    "a table, and centres": (
        4,
        [Dense(3, table=[[1, 0, 1, 0], [1, 1, 0, 0], [0, 0, 1, 1]]), RadialBasis(5), Dense(2)],
        "sse",
    ),
}


@pytest.fixture
def dealt(device, monkeypatch):
    """A plan for so many units and blocks, of which a part holds some, the oracle's, inputs and targets, and the size of a block."""
    opened, made = BACKEND.runtime(device), []
    # Also a batch of one part.
    monkeypatch.setattr(per_unit, "is_dealt", lambda *of: is_dealt(*of[:3], 0, of[4]))

    def planned(name, units, blocks, part, variant=FUSED, update=None):
        monkeypatch.setattr(opened, "limits", replace(opened.limits, compute_units=units))
        shape, layers, loss = NETWORKS[name]
        program = Program.of(gcnn.Network(layers, shape, loss), update)
        lanes = Lanes.of(opened, 8, "vectors").count
        arguments = ("opencl", opened, device, {**MAKERS, **TOGETHER}, program, "float64", blocks * lanes, variant)
        plan = AcceleratedPlan(*arguments, part=part * lanes)
        made.append(plan)
        oracle = ORACLE.plan(program, ORACLE.devices()[0], "float64", blocks * lanes)
        rng = np.random.default_rng(0)
        theta = 0.5 * rng.standard_normal(program.parameter_count)
        for one in (plan, oracle):
            one.vectors.copy(one.vectors.upload(theta), one.theta)
        x = rng.standard_normal((blocks * lanes, *program.inputs.shape))
        t = np.eye(program.outputs.points)[np.arange(len(x)) % program.outputs.points]
        return plan, oracle, x, t.reshape(len(x), *program.outputs.shape), lanes

    yield planned
    for plan in made:
        plan.close()


def test_one_part_is_dealt_where_ends_are_seen_at_once(device):
    runtime = BACKEND.runtime(device)
    lanes = Lanes.of(runtime, 4, "vectors")
    batch = lanes.count * max(runtime.limits.compute_units, 2)
    assert is_dealt(runtime, lanes, batch, batch, GRADIENT) != runtime.waits_for_all
    assert is_dealt(runtime, lanes, batch, batch - 1, GRADIENT)
    assert not is_dealt(runtime, lanes, batch, batch - 1, GRADIENT + 1)


def is_per_unit(plan):
    first = plan.report()["launches"][0]
    return "pack" in first and "gradient" in first


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize(("units", "blocks", "part"), [(1, 5, 2), (2, 7, 3), (2, 4, 4), (3, 7, 2)])
def test_units_give_together_what_the_oracle_gives(dealt, name, units, blocks, part):
    plan, oracle, x, t, lanes = dealt(name, units, blocks, part)
    assert is_per_unit(plan)
    # All units are busy, some have fewer blocks than others or none, and a gradient is not added to that of the call before.
    for samples in (len(x), len(x) - 1, len(x), 2 * lanes + 1, 1):
        found, expected = plan.loss_gradient(x[:samples], t[:samples]), oracle.loss_gradient(x[:samples], t[:samples])
        assert found == pytest.approx(expected, rel=1e-12)
        gradient = plan.vectors.download(plan.gradient)
        np.testing.assert_allclose(gradient, oracle.gradient, rtol=0, atol=1e-12 * np.abs(oracle.gradient).max())
        plan.loss_gradient(x[:samples], t[:samples])
        assert plan.vectors.download(plan.gradient).tobytes() == gradient.tobytes()


UPDATES = {
    "gradient descent": GradientDescent(0.1),
    "momentum, a penalty": Momentum(0.1, l2=0.01),
    "adam, a limit on components": Adam(0.01, clip_value=0.001),
    "a limit on the norm": Momentum(0.1, clip_norm=0.01),
}


@pytest.mark.parametrize("name", UPDATES)
@pytest.mark.parametrize(("units", "blocks", "part"), [(1, 5, 2), (2, 4, 4), (3, 7, 2)])
def test_an_update_adds_up_what_units_have(dealt, name, units, blocks, part):
    rule = UPDATES[name].rule()
    plan, oracle, x, t, lanes = dealt("pooled convolutions", units, blocks, part, update=rule)
    again, *_ = dealt("pooled convolutions", units, blocks, part, update=rule)
    assert plan._update.adds_up == (name != "a limit on the norm")
    again._update.adds_up = False  # the shares are added by a launch of their own
    for samples in (len(x), lanes + 1, 1, len(x)):
        found, apart, expected = (one.step(x[:samples], t[:samples]) for one in (plan, again, oracle))
        assert found == apart
        assert found == pytest.approx(expected, rel=1e-11)
    vectors = {"theta": plan.theta, **plan.slots}
    others = {"theta": again.theta, **again.slots}
    expected = {"theta": oracle.theta, **oracle.slots}
    for key, vector in vectors.items():
        host = plan.vectors.download(vector)
        assert host.tobytes() == again.vectors.download(others[key]).tobytes()
        np.testing.assert_allclose(host, expected[key], rtol=0, atol=1e-10 * np.abs(expected[key]).max())


def test_other_calls_share_the_memory_and_give_what_the_oracle_gives(dealt):
    plan, oracle, x, t, _ = dealt("pooled convolutions", 2, 7, 3)
    for samples in (len(x), 3):
        inputs, targets = x[:samples], t[:samples]
        plan.loss_gradient(inputs, targets)
        np.testing.assert_allclose(plan.forward(inputs), oracle.forward(inputs), rtol=0, atol=1e-12)
        np.testing.assert_allclose(plan.vjp(inputs, targets), oracle.vjp(inputs, targets), rtol=0, atol=1e-12)
        rows = plan.sample_gradients(inputs, targets)
        np.testing.assert_allclose(rows, oracle.sample_gradients(inputs, targets), rtol=0, atol=1e-12)


def test_another_number_of_samples_is_the_same_launch(dealt):
    plan, _, x, t, lanes = dealt("pooled convolutions", 2, 7, 3)
    plan.loss_gradient(x, t)
    before = dict(plan._launches)
    plan.loss_gradient(x[: lanes + 1], t[: lanes + 1])
    assert plan._launches == before


def test_a_few_blocks_are_shared_by_all_units(dealt):
    plan, *_ = dealt("pooled convolutions", 3, 2, 2)
    assert not is_per_unit(plan)


def test_launches_that_are_not_put_together_are_not_dealt(dealt):
    plan, *_ = dealt("pooled convolutions", 2, 7, 3, "vectors")
    assert not is_per_unit(plan)


def test_a_large_gradient_is_one_for_all_units(dealt, monkeypatch):
    monkeypatch.setitem(NETWORKS, "large", (64, [Dense(GRADIENT // 8 // 64)], "mse"))
    plan, *_ = dealt("large", 2, 7, 3)
    assert not is_per_unit(plan)
