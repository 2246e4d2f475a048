"""A batch that is computed part by part gives what it gives as a whole, and what the oracle gives."""

from __future__ import annotations

import numpy as np
import pytest

import gcnn
from gcnn.backend import Program
from gcnn.backends.accelerated.backend import MAKERS, TOGETHER
from gcnn.backends.accelerated.lanes import Lanes
from gcnn.backends.accelerated.limits import Limits
from gcnn.backends.accelerated.parts import CACHE, FEWEST, samples_of_part
from gcnn.backends.accelerated.plan import AcceleratedPlan
from gcnn.backends.numpy import BACKEND as ORACLE
from gcnn.backends.opencl import runtime
from gcnn.backends.opencl.backend import BACKEND
from gcnn.layers import Convolution, Dense, MaxPooling, RadialBasis, WeightedSubsampling
from gcnn.models import MODELS

TABLE = [[1, 0, 1, 0] * 2, [1, 1, 0, 0] * 2, [0, 0, 1, 1] * 2]
NETWORKS = {
    "dense": (5, [Dense(20, activation="tanh"), Dense(3, activation="softmax")], "cross_entropy"),
    "a table": (8, [Dense(3, table=TABLE), Dense(2)], "sse"),
    "convolution": ((2, 9, 9), [Convolution(3, 3, activation="tanh"), MaxPooling(2), Dense(4)], "mse"),
    "sums of windows": ((2, 6, 6), [WeightedSubsampling(2, activation="tanh"), Dense(3)], "mse"),
    "centres": (4, [RadialBasis(5), Dense(2)], "mse"),
}


@pytest.fixture
def parted(device, variant):
    """A plan that computes one block at a time, the oracle's, inputs and targets for three blocks and a half, and the size of a block."""
    made = []

    def planned(name, dtype="float64"):
        shape, layers, loss = NETWORKS[name]
        program = Program.of(gcnn.Network(layers, shape, loss))
        opened = BACKEND.runtime(device)
        style = None if variant in (None, "fused") else variant
        block = Lanes.of(opened, np.dtype(dtype).itemsize, style).count
        batch = 3 * block + block // 2 + 1
        arguments = ("opencl", opened, device, {**MAKERS, **TOGETHER}, program, dtype, batch, variant)
        plan = AcceleratedPlan(*arguments, part=block)
        oracle = ORACLE.plan(program, ORACLE.devices()[0], "float64", batch)
        made.append(plan)
        rng = np.random.default_rng(0)
        theta = 0.5 * rng.standard_normal(program.parameter_count)
        for one in (plan, oracle):
            one.vectors.copy(one.vectors.upload(theta.astype(one.vectors.dtype)), one.theta)
        x = rng.standard_normal((batch, *program.inputs.shape))
        t = np.eye(program.outputs.points)[np.arange(batch) % program.outputs.points]
        return plan, oracle, x, t.reshape(batch, *program.outputs.shape), block

    yield planned
    for plan in made:
        plan.close()


def _close(found, expected):
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12 * np.abs(expected).max(initial=1.0))


@pytest.mark.parametrize("name", NETWORKS)
def test_every_call_gives_what_the_oracle_gives(parted, name):
    plan, oracle, x, t, block = parted(name)
    assert plan.report()["part"] == block
    # The last part is as long as a block, shorter, or alone; a gradient is not added to that of the call before.
    for samples in (len(x), 2 * block, len(x), max(block - 1, 1)):
        inputs, targets = x[:samples], t[:samples]
        assert plan.loss(inputs, targets) == pytest.approx(oracle.loss(inputs, targets), rel=1e-12)
        assert plan.loss_gradient(inputs, targets) == pytest.approx(oracle.loss_gradient(inputs, targets), rel=1e-12)
        _close(plan.vectors.download(plan.gradient), oracle.gradient)
        _close(plan.forward(inputs), oracle.forward(inputs))
        _close(plan.vjp(inputs, targets), oracle.vjp(inputs, targets))
        _close(plan.vectors.download(plan.gradient), oracle.gradient)
        _close(plan.sample_gradients(inputs, targets), oracle.sample_gradients(inputs, targets))


def test_another_number_of_samples_compiles_nothing_new(parted, monkeypatch):
    plan, _, x, t, block = parted("convolution", "float32")
    plan.loss_gradient(x[:block], t[:block])
    built = []
    monkeypatch.setattr(runtime, "build", lambda *a: built.append(a[-2]))
    assert plan.loss_gradient(x, t) > 0
    assert built == []


CPU = Limits(1 << 40, 1 << 40, 1, 64, (64,), (1 << 30,), 2, 64, True)


def test_a_part_fits_the_caches_and_gives_all_units_the_same_blocks():
    stages = MODELS["lenet"]().stages
    part = samples_of_part(CPU, Lanes(16, 16), stages, 4, 4096)
    sample = 8 * sum(stage.inputs.points + stage.outputs.points for stage in stages)
    assert part % 32 == 0
    assert part == FEWEST or part * sample <= 2 * CACHE
    assert samples_of_part(CPU, Lanes(16, 16), stages, 4, 50) == 50
    small = gcnn.Network([Dense(1)], 1, "mse").stages
    assert samples_of_part(CPU, Lanes(16, 16), small, 4, 4096) == 4096


def test_a_part_is_larger_where_it_has_many_weights_to_read():
    stages = gcnn.Network([Dense(2048, activation="tanh"), Dense(2048)], 2048, "mse").stages
    sample, parameters = 8 * 4 * 2048, 4 * 2 * 2048 * 2049
    part = samples_of_part(CPU, Lanes(16, 16), stages, 4, 4096)
    assert part == 2 * parameters // sample // 32 * 32


def test_on_a_gpu_a_batch_is_one_part():
    gpu = Limits(1 << 40, 1 << 40, 1, 1024, (1024,), (1 << 30,), 132, 0, True)
    assert samples_of_part(gpu, Lanes(32, 1), MODELS["lenet"]().stages, 4, 4096) == 4096
