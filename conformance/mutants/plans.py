"""Mistakes in plans and update rules: buffers, order, state."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from gcnn.backend import Saved, UpdateRule, Value
from gcnn.conformance.checks.conduct import MARGIN
from gcnn.conformance.mutants.mutant import Mutant
from gcnn.errors import Unsupported
from gcnn.maps import Array
from gcnn.plan import LayerwisePlan, apply_rule


class Accumulates(LayerwisePlan):
    """Gradients added to what the vector held."""

    def _backward(self, delta: Value, saved: list[Saved], to_input: bool) -> Value:
        before = np.nan_to_num(self.gradient)
        dx = super()._backward(delta, saved, to_input)
        self.gradient += before
        return dx


class StaleBuffer(LayerwisePlan):
    """Activations kept at the size of the batch; a shorter batch back-propagates the rows left over from the last one."""

    _kept: Array | None = None

    def vjp(self, x: Array, v: Array) -> Array:
        dx = super().vjp(x, v)
        if self._kept is not None and len(self._kept) > len(x):
            rest = slice(len(x), len(self._kept))
            fresh = self.gradient.copy()
            super().vjp(self._kept[rest], np.ones_like(v, shape=(rest.stop - rest.start, *v.shape[1:])))
            self.gradient += fresh
        self._kept = x if self._kept is None or len(x) >= len(self._kept) else self._kept
        return dx


class DropsLastSample(LayerwisePlan):
    """Samples in blocks of sixteen; one over, and it is not computed."""

    def forward(self, x: Array, out: Array | None = None) -> Array:
        y = super().forward(x)
        if len(x) % 16 == 1 and len(x) > 1:
            y[-1] = 0
        return _into(out, y)


class WritesPastTheEnd(LayerwisePlan):
    """Whole vectors stored, over the end of the caller's array."""

    def forward(self, x: Array, out: Array | None = None) -> Array:
        y = super().forward(x, out)
        beyond: Any = None if out is None else out.base
        if out is not None and isinstance(beyond, np.ndarray) and beyond.shape == (out.size + 2 * MARGIN,):
            beyond[MARGIN + out.size] = 0
        return y


class LeavesGaps(LayerwisePlan):
    """Zeros are not stored: the caller's array keeps what it held there."""

    def forward(self, x: Array, out: Array | None = None) -> Array:
        y = super().forward(x)
        if out is None:
            return y
        np.copyto(out, y, where=np.arange(y.size).reshape(y.shape) % 7 != 6)
        return out


class ScalesItsInput(LayerwisePlan):
    """Works in the caller's memory."""

    def forward(self, x: Array, out: Array | None = None) -> Array:
        y = super().forward(x, out)
        x *= 0.5
        return y


class OneBuffer(LayerwisePlan):
    """Every output returned in the same memory."""

    _buffer: Array | None = None

    def forward(self, x: Array, out: Array | None = None) -> Array:
        y = super().forward(x)
        if out is not None:
            return _into(out, y)
        if self._buffer is None or self._buffer.shape != y.shape:
            self._buffer = np.empty_like(y)
        return _into(self._buffer, y)


class RawMemory(LayerwisePlan):
    """The caller's memory read from its first byte on, whatever its strides."""

    def forward(self, x: Array, out: Array | None = None) -> Array:
        return super().forward(x.ravel(order="K").reshape(x.shape), out)


class Upcasts(LayerwisePlan):
    """Outputs in double precision, whatever was planned."""

    def vjp(self, x: Array, v: Array) -> Array:
        return super().vjp(x, v).astype(np.float64)


class ShiftedTargets(LayerwisePlan):
    """A short batch whose targets start where the last batch's ended."""

    def step(self, x: Array, t: Array) -> float:
        return super().step(x, t if len(x) == self.batch else np.roll(t, 1, axis=0))


class NeverCloses(LayerwisePlan):
    """Memory that is never given back."""

    def close(self) -> None:
        pass


class AveragedRows(LayerwisePlan):
    """Per-sample gradients of neighbours exchanged."""

    def sample_gradients(self, x: Array, v: Array) -> Array:
        rows = super().sample_gradients(x, v)
        rows[1:2] = rows[:1]
        return rows


class UnorderedSum(LayerwisePlan):
    """A reduction in another order each time, as with float atomics."""

    calls = 0

    def vjp(self, x: Array, v: Array) -> Array:
        dx = super().vjp(x, v)
        type(self).calls += 1
        self.gradient *= 1 + (type(self).calls % 3) * np.finfo(self.gradient.dtype).eps
        return dx


class PlansAnything(Mutant):
    """Claims less than it plans: what it does not claim is computed all the same, unchecked."""

    @property
    def capabilities(self) -> Any:
        return replace(super().capabilities, features=super().capabilities.features - {"padding"})

    def plan(self, program: Any, device: Any, dtype: str, batch: int) -> LayerwisePlan:
        if missing := super().capabilities.missing(program, dtype):
            raise Unsupported(self.name, missing)
        return LayerwisePlan(self, program, device, dtype, batch)


class RefusesItsClaims(Mutant):
    """Claims a layer and then refuses it."""

    def plan(self, program: Any, device: Any, dtype: str, batch: int) -> LayerwisePlan:
        if any(type(stage.layer).__name__ == "Flatten" for stage in program.stages):
            raise Unsupported(self.name, ["Flatten after all"])
        return super().plan(program, device, dtype, batch)


def _into(out: Array | None, y: Array) -> Array:
    if out is None:
        return y
    out[...] = y
    return out


def uncorrected_adam(rule: UpdateRule, plan: LayerwisePlan) -> None:
    """Adam without its bias correction."""
    count = 10**6 if rule.kind == "adam" else plan.count
    apply_rule(rule, plan.theta, plan.gradient, plan.slots, plan.hyperparameters, count)


def damped_momentum(rule: UpdateRule, plan: LayerwisePlan) -> None:
    """The gradient averaged in, (1 - p) g, in place of added."""
    h = dict(plan.hyperparameters)
    if rule.kind == "momentum":
        h["lr"] *= 1 - h["momentum"]
    apply_rule(rule, plan.theta, plan.gradient, plan.slots, h, plan.count)


def forgotten_centre(rule: UpdateRule, plan: LayerwisePlan) -> None:
    """An L2 penalty that always pulls to the origin."""
    apply_rule(replace(rule, l2_centre=None), plan.theta, plan.gradient, plan.slots, plan.hyperparameters, plan.count)


def decays_biases(rule: UpdateRule, plan: LayerwisePlan) -> None:
    """An L2 penalty that ignores its mask."""
    apply_rule(replace(rule, l2_mask=None), plan.theta, plan.gradient, plan.slots, plan.hyperparameters, plan.count)


def baked_in(rule: UpdateRule, plan: LayerwisePlan) -> None:
    """Hyper-parameters compiled in: what they become later is not read."""
    apply_rule(rule, plan.theta, plan.gradient, plan.slots, rule.hyperparameters, plan.count)


def forgets_state(rule: UpdateRule, plan: LayerwisePlan) -> None:
    """State vectors cleared before every step."""
    for slot in plan.slots.values():
        slot[...] = 0
    apply_rule(rule, plan.theta, plan.gradient, plan.slots, plan.hyperparameters, plan.count)


MUTANTS = (
    Mutant("accumulates", "gradients added to the old ones", "dense/plain", plan=Accumulates),
    Mutant("stale-buffer", "a short batch uses rows of the one before", "dense/plain", plan=StaleBuffer),
    Mutant("drops-last-sample", "the sample after a full block is not computed", "dense/primes", plan=DropsLastSample),
    Mutant("writes-past-the-end", "a store beyond the caller's array", "dense/plain", plan=WritesPastTheEnd),
    Mutant("leaves-gaps", "cells of the output that are not written", "dense/plain", plan=LeavesGaps),
    Mutant("scales-its-input", "the caller's input changes", "dense/plain", plan=ScalesItsInput),
    Mutant("unordered-sum", "equal calls give other bits", "dense/plain", plan=UnorderedSum),
    Mutant("one-buffer", "every output in the same memory", "dense/plain", plan=OneBuffer),
    Mutant("raw-memory", "strides of the caller's array ignored", "convolution/plain", plan=RawMemory),
    Mutant("upcasts", "float64 out of a float32 plan", "dense/plain", plan=Upcasts),
    Mutant("shifted-targets", "a short batch steps with other targets", "updates/momentum/dense", plan=ShiftedTargets),
    Mutant("never-closes", "a closed plan still works", "core/refusals", plan=NeverCloses),
    Mutant("averaged-rows", "a sample's gradient is its neighbour's", "dense/plain", plan=AveragedRows),
    PlansAnything("plans-anything", "plans what it does not claim", "convolution/padding/same"),
    RefusesItsClaims("refuses-its-claims", "claims a layer and refuses it", "flatten/images"),
    Mutant("uncorrected-adam", "Adam without bias correction", "updates/published/adam", update=uncorrected_adam),
    Mutant(
        "damped-momentum", "momentum that averages the gradient", "updates/published/momentum", update=damped_momentum
    ),
    Mutant(
        "forgotten-centre",
        "L2 without its centre",
        "updates/l2/gradient-descent/centre-and-mask",
        update=forgotten_centre,
    ),
    Mutant("decays-biases", "L2 without its mask", "updates/l2/gradient-descent/centre-and-mask", update=decays_biases),
    Mutant("baked-in", "a changed step size has no effect", "updates/adam/changed", update=baked_in),
    Mutant("forgets-state", "state vectors cleared at every step", "updates/published/momentum", update=forgets_state),
)
