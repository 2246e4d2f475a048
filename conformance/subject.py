"""What is under test: a backend on one of its devices in one dtype."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np

from gcnn.backend import Backend, Device, Plan, Program
from gcnn.maps import Array


@dataclass(frozen=True)
class Subject:
    """A backend, a device, a dtype."""

    backend: Backend
    device: Device
    dtype: str

    @contextmanager
    def plan(self, program: Program, theta: Array, batch: int) -> Iterator[Plan]:
        """A plan with θ in place, closed afterwards; its gradient starts as NaN, so that what is not written shows."""
        plan = self.backend.plan(program, self.device, self.dtype, batch)
        try:
            set_theta(plan, theta, self.dtype)
            plan.vectors.copy(plan.vectors.upload(np.full(program.parameter_count, np.nan, self.dtype)), plan.gradient)
            yield plan
        finally:
            plan.close()

    def cast(self, value: Array) -> Array:
        """An array in the dtype under test."""
        return value.astype(self.dtype)


def set_theta(plan: Plan, theta: Array, dtype: str) -> None:
    """Give a plan its parameters."""
    plan.vectors.copy(plan.vectors.upload(theta.astype(dtype)), plan.theta)
