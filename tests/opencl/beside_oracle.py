"""What tests of whole plans share: the oracle's plan beside one, and that a plan follows its parameters."""

from __future__ import annotations

import numpy as np

from gcnn.backend import Plan
from gcnn.backends.numpy import BACKEND as ORACLE
from gcnn.maps import Array


def oracle_of(plan: Plan, theta: Array, batch: int) -> Plan:
    """The oracle's plan of the same program, in float64, with these parameters."""
    oracle = ORACLE.plan(plan.program, ORACLE.devices()[0], "float64", batch)
    oracle.vectors.copy(oracle.vectors.upload(theta), oracle.theta)
    return oracle


def follows_its_parameters(plan: Plan, theta: Array, x: Array) -> None:
    """What is formed of parameters is formed in every call."""
    first = plan.forward(x)
    plan.vectors.copy(plan.vectors.upload(np.zeros_like(theta)), plan.theta)
    assert not plan.forward(x).any()
    plan.vectors.copy(plan.vectors.upload(theta), plan.theta)
    np.testing.assert_array_equal(plan.forward(x), first)
