"""How a mutant is made: the oracle, with some layers, losses, plans or rules replaced."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from gcnn.backend import Device, LayerImplementation, Program, UpdateRule
from gcnn.backends.numpy import NumpyBackend
from gcnn.layers import Layer
from gcnn.network import Stage
from gcnn.plan import LayerwisePlan

Make = Callable[..., Any]


class Mutant(NumpyBackend):
    """A backend with one mistake.

    Args:
        name: what the mistake is called.
        mistake: one line that says it.
        caught_by: a case that fails on it.
        layers: implementation by specification, in place of the oracle's.
        loss: makes the loss of a program.
        plan: the class of its plans.
        update: applies an update rule to a plan.
    """

    def __init__(
        self,
        name: str,
        mistake: str,
        caught_by: str,
        layers: Mapping[type[Layer], Make] | None = None,
        loss: Make | None = None,
        plan: type[LayerwisePlan] = LayerwisePlan,
        update: Callable[[UpdateRule, LayerwisePlan], None] | None = None,
    ) -> None:
        self.name, self.mistake, self.caught_by = name, mistake, caught_by
        self._layers, self._loss, self._plan, self._update = layers or {}, loss, plan, update

    def layer(self, stage: Stage, device: Device, dtype: str) -> LayerImplementation:
        make = self._layers.get(type(stage.layer))
        return make(stage.layer, stage.inputs, stage.outputs) if make else super().layer(stage, device, dtype)

    def loss(self, program: Program, device: Device, dtype: str) -> Any:
        return self._loss(program) if self._loss else super().loss(program, device, dtype)

    def update(self, rule: UpdateRule, plan: LayerwisePlan) -> None:
        (self._update or super().update)(rule, plan)

    def plan(self, program: Program, device: Device, dtype: str, batch: int) -> LayerwisePlan:
        super().plan(program, device, dtype, batch).close()  # refuse what the oracle refuses
        return self._plan(self, program, device, dtype, batch)
