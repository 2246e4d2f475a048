"""What is under test: a backend on one of its devices in one dtype."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import cast

import numpy as np

from gcnn.backend import Backend, Device, Plan, Program, VariedBackend
from gcnn.conformance.allowance import Reference, evaluate
from gcnn.layers import Activation
from gcnn.maps import Array
from gcnn.network import Network


@dataclass(frozen=True)
class Subject:
    """A backend, a device, a dtype; and a variant of its plans, where another is forced than it would take."""

    backend: Backend
    device: Device
    dtype: str
    variant: str | None = None

    @property
    def form(self) -> str:
        """Dtype and variant, as results name them."""
        return self.dtype if self.variant is None else f"{self.dtype} {self.variant}"

    def make_plan(self, program: Program, batch: int) -> Plan:
        """A plan as the subject makes it."""
        if self.variant is None:
            return self.backend.plan(program, self.device, self.dtype, batch)
        return cast(VariedBackend, self.backend).plan(program, self.device, self.dtype, batch, self.variant)

    @contextmanager
    def plan(self, program: Program, theta: Array, batch: int) -> Iterator[Plan]:
        """A plan with θ in place, closed afterwards; its gradient starts as NaN, so that what is not written shows."""
        plan = self.make_plan(program, batch)
        try:
            set_theta(plan, theta, self.dtype)
            plan.vectors.copy(plan.vectors.upload(np.full(program.parameter_count, np.nan, self.dtype)), plan.gradient)
            yield plan
        finally:
            plan.close()

    def reference(
        self, program: Program, theta: Array, x: Array, v: Array | None = None, t: Array | None = None
    ) -> Reference:
        """What the oracle computes, and how far the subject may be from it: see `allowance.evaluate`."""
        minimal = self.backend.capabilities.minimal and program.precision != "strict"
        return evaluate(program, theta, x, self.dtype, v, t, minimal)

    def cast(self, value: Array) -> Array:
        """An array in the dtype under test."""
        return value.astype(self.dtype)


def set_theta(plan: Plan, theta: Array, dtype: str) -> None:
    """Give a plan its parameters."""
    plan.vectors.copy(plan.vectors.upload(theta.astype(dtype)), plan.theta)


def subjects(backend: Backend, device: Device, dtype: str) -> list[Subject]:
    """The plans that a backend makes of itself, and every variant that these are not."""
    subject = Subject(backend, device, dtype)
    if not backend.capabilities.variants:
        return [subject]
    plan = subject.make_plan(Program.of(Network([Activation("identity")], 1, "mse")), 1)
    taken = plan.report().get("variant")
    plan.close()
    return [
        subject,
        *(Subject(backend, device, dtype, name) for name in backend.capabilities.variants if name != taken),
    ]
