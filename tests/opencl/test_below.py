"""φ' of the layer below, which dense layers and convolutions multiply with on their way back."""

from __future__ import annotations

import numpy as np
import pytest

import gcnn
from gcnn.backend import Program
from gcnn.backends.accelerated.layer import NUMBERS
from gcnn.backends.accelerated.plan import FUSED
from gcnn.backends.numpy import BACKEND as ORACLE
from gcnn.backends.opencl.backend import BACKEND
from gcnn.layers import Convolution, Dense, MaxPooling

SAMPLES = 37
BELOW_EACH = {
    "dense": lambda phi: [Dense(7, activation=phi), Dense(5, activation=phi), Dense(3)],
    "convolution": lambda phi: [
        Convolution(3, 3, activation=phi),
        Convolution(4, 2, stride=2, activation=phi),
        Dense(3),
    ],
    "table": lambda phi: [Dense(3, activation=phi), Dense(2, table=[[1, 0, 1], [0, 1, 1]])],
    "pooling": lambda phi: [Convolution(3, 3, padding=1, activation=phi), MaxPooling(2), Convolution(2, 2), Dense(3)],
}


@pytest.mark.parametrize("activation", [name for name in NUMBERS if name != "identity"])
@pytest.mark.parametrize("name", BELOW_EACH)
def test_it_is_in_the_kernel_and_gives_what_the_oracle_gives(device, name, activation):
    program = Program.of(gcnn.Network(BELOW_EACH[name](activation), (2, 8, 8), "mse"))
    plan = BACKEND.plan(program, device, "float64", SAMPLES, FUSED)
    oracle = ORACLE.plan(program, ORACLE.devices()[0], "float64", SAMPLES)
    rng = np.random.default_rng(1)
    theta = 0.3 * rng.standard_normal(program.parameter_count)
    for one in (plan, oracle):
        one.vectors.copy(one.vectors.upload(theta), one.theta)
    x, t = (rng.standard_normal((SAMPLES, *maps.shape)) for maps in (program.inputs, program.outputs))
    plan.loss_gradient(x, t)
    oracle.loss_gradient(x, t)
    found = plan.vectors.download(plan.gradient)
    np.testing.assert_allclose(found, oracle.gradient, rtol=0, atol=1e-13 * np.abs(oracle.gradient).max())
    labels = " + ".join(plan.report()["launches"])
    if name != "pooling" or activation in ("logistic", "tanh", "scaled_tanh", "relu"):
        assert "activation.delta" not in labels
    plan.close()
