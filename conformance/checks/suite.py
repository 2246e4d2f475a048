"""Which checks fit which case."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from gcnn.backend import Program
from gcnn.conformance.case import Arrays, Case
from gcnn.conformance.checks import conduct, mathematics, oracle, updates
from gcnn.conformance.checks.finding import Finding
from gcnn.conformance.subject import Subject
from gcnn.layers import Convolution, Dense, Flatten, VanillaSubsampling, WeightedSubsampling
from gcnn.optimizers import Optimizer

Check = Callable[[Subject, Case, Program, Arrays], Iterator[Finding]]
LINEAR = (Convolution, Dense, Flatten, VanillaSubsampling, WeightedSubsampling)

FEW = 8
"""Samples that are also run one by one."""


def checks_for(case: Case, subject: Subject) -> list[Check]:
    """The checks of a case, the telling ones first."""
    if case.optimizer:
        return _checks_of_updates(case.optimizer, subject)
    checks: list[Check] = [oracle.forward_and_vjp]
    finite = case.draw != "nan"
    if case.loss:
        checks.append(oracle.loss_and_gradient)
    if case.published:
        checks.append(mathematics.published)
    if len(case.layers) > 1 and finite:
        checks.append(oracle.each_layer)
    if case.smooth and case.draw not in ("ties", "extreme", "nan"):
        checks.append(mathematics.differences)
    if (
        len(case.layers) == 1
        and isinstance(case.layers[0], LINEAR)
        and case.layers[0].activation == "identity"
        and finite
    ):
        checks.append(mathematics.adjoint)
    if finite and case.batch <= FEW:
        checks.append(mathematics.additivity)
    if "sample_gradients" in subject.backend.capabilities.features and finite:
        checks.append(oracle.sample_gradients)
    checks += [conduct.inputs_stay, conduct.output_is_filled, conduct.results_are_the_callers]
    if subject.backend.capabilities.deterministic:
        checks += [conduct.reruns, conduct.any_memory_order]
    return checks


def _checks_of_updates(optimizer: Optimizer, subject: Subject) -> list[Check]:
    checks: list[Check] = [updates.trajectory]
    if subject.backend.capabilities.deterministic:
        checks.append(updates.resumes)
        if optimizer.clip_norm is not None or optimizer.clip_value is not None:
            checks.append(updates.idle_limits)
    return checks
