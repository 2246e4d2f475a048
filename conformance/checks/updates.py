"""Update rules: θ after each step of a plan, against the rule applied to the oracle's gradient at the θ before it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace

import numpy as np

from gcnn.backend import Plan, Program, UpdateRule
from gcnn.conformance.allowance.rounding import EXTRA, SAFETY, TRANSCENDENTAL, floor, unit_roundoff
from gcnn.conformance.allowance.updates import Moment, reach
from gcnn.conformance.case import Arrays, Case
from gcnn.conformance.checks.finding import Finding, compare, exactly
from gcnn.conformance.subject import Subject
from gcnn.maps import Array


def trajectory(subject: Subject, case: Case, program: Program, arrays: Arrays) -> Iterator[Finding]:
    """Every step starts from the backend's own θ, so errors do not add up; only the state carries history.

    What is allowed: how far the step moves when each gradient so far errs by its allowance either way, and the rounding
    of the rule's few operations.
    """
    rule = _rule(program)
    u = unit_roundoff(subject.dtype)
    history: list[Moment] = []
    published = np.atleast_2d(case.published.get("theta", np.empty((0, 0))))
    with subject.plan(program, arrays.theta, case.batch) as plan:
        slots = {name: plan.vectors.download(slot) for name, slot in plan.slots.items()}
        sizes = {name: slot.size for name, slot in slots.items()}
        yield exactly("state", sizes == rule.slot_sizes(program.parameter_count), f"slots {sizes}")
        yield exactly("state at the start", not any(slot.any() for slot in slots.values()), "it is not zero")
        for number in range(1, case.steps + 1):
            part, values = _batch(case, arrays, number), _values(case, number)
            if number > 1:
                plan.hyperparameters.update(values)
            before = plan.vectors.download(plan.theta).astype(np.float64)
            expected = subject.reference(program, before, part.x, t=part.t)
            history.append(Moment(before, expected.gradient, expected.gradient_allowed, values))
            loss = plan.step(subject.cast(part.x), subject.cast(part.t))
            penalty = _penalty(rule, before)
            allowed = expected.loss_allowed + SAFETY * (len(before) + EXTRA) * u * abs(penalty)
            yield compare(f"loss of step {number}", np.float64(loss), np.float64(expected.loss + penalty), allowed)
            centre, moved = reach(rule, history, u)
            after = plan.vectors.download(plan.theta)
            yield compare(f"θ after step {number}", after, centre, moved + floor(subject.dtype))
            yield exactly(f"count after step {number}", plan.count == number, f"it is {plan.count}")
            if number <= len(published):
                printed = 0.0 if case.digits is None else 0.5 * 10.0**-case.digits
                drift = number * (SAFETY * TRANSCENDENTAL * u + printed) * (1 + np.abs(after))
                yield compare(f"published θ after step {number}", after, published[number - 1], drift)


def resumes(subject: Subject, case: Case, program: Program, arrays: Arrays) -> Iterator[Finding]:
    """A new plan that is given θ, slots and count of another goes on as that one does, bit for bit."""
    with ExitStack() as stack:
        one, two = (stack.enter_context(subject.plan(program, arrays.theta, case.batch)) for _ in range(2))
        _step(subject, case, arrays, one, 1)
        for name, slot in one.slots.items():
            two.vectors.copy(two.vectors.upload(one.vectors.download(slot)), two.slots[name])
        two.vectors.copy(two.vectors.upload(one.vectors.download(one.theta)), two.theta)
        two.count = one.count
        for number in range(2, case.steps + 1):
            here, there = (_step(subject, case, arrays, plan, number) for plan in (one, two))
            same = np.array_equal(here, there)
            yield exactly(f"θ resumed at step {number}", same, "a plan with the same state went elsewhere")


def idle_limits(subject: Subject, case: Case, program: Program, arrays: Arrays) -> Iterator[Finding]:
    """A gradient within the limits is not touched: θ has the bits of the same rule without limits.

    Only the steps before the gradient first reaches a limit tell, which may be none.
    """
    rule = _rule(program)
    free = replace(program, update=replace(rule, clip_norm=None, clip_value=None))
    with ExitStack() as stack:
        limited, without = (stack.enter_context(subject.plan(p, arrays.theta, case.batch)) for p in (program, free))
        for number in range(1, case.steps + 1):
            before = limited.vectors.download(limited.theta).astype(np.float64)
            part = _batch(case, arrays, number)
            gradient = subject.reference(program, before, part.x, t=part.t).gradient + _pull(rule, before)
            norm, value = (np.inf if limit is None else 0.99 * limit for limit in (rule.clip_norm, rule.clip_value))
            if np.linalg.norm(gradient) > norm or np.abs(gradient).max() > value:
                return
            here, there = (_step(subject, case, arrays, plan, number) for plan in (limited, without))
            same = np.array_equal(here, there)
            yield exactly(f"limits idle in step {number}", same, "a limit that was not reached changed θ")


def _rule(program: Program) -> UpdateRule:
    assert program.update is not None
    return program.update


def _batch(case: Case, arrays: Arrays, number: int) -> Arrays:
    """The second step has a sample less, where there is one to spare: a short last batch."""
    return arrays.first(max(case.batch - (number == 2), 1))


def _values(case: Case, number: int) -> dict[str, float]:
    """The hyper-parameters of a step, as the case's schedules and changes have them."""
    assert case.optimizer is not None
    return case.optimizer.values(number - 1) | (dict(case.changed) if number > 1 else {})


def _step(subject: Subject, case: Case, arrays: Arrays, plan: Plan, number: int) -> Array:
    part = _batch(case, arrays, number)
    plan.hyperparameters.update(_values(case, number))
    plan.step(subject.cast(part.x), subject.cast(part.t))
    return plan.vectors.download(plan.theta)


def _pull(rule: UpdateRule, theta: Array) -> Array:
    """λ mask (θ - centre) (delmas, Eq. 4)."""
    away = theta - (0.0 if rule.l2_centre is None else rule.l2_centre)
    return rule.l2 * (1.0 if rule.l2_mask is None else rule.l2_mask) * away


def _penalty(rule: UpdateRule, theta: Array) -> float:
    away = theta - (0.0 if rule.l2_centre is None else rule.l2_centre)
    return 0.5 * float(_pull(rule, theta) @ away)
