"""Update rules: θ after each step of a plan, against the rule applied to the oracle's gradient at the θ before it."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import NamedTuple

import numpy as np

from gcnn.backend import Program
from gcnn.conformance.allowance import evaluate
from gcnn.conformance.allowance.rounding import EXTRA, SAFETY, TRANSCENDENTAL, floor, unit_roundoff
from gcnn.conformance.case import Arrays, Case
from gcnn.conformance.checks.finding import Finding, compare
from gcnn.conformance.subject import Subject
from gcnn.maps import Array
from gcnn.plan import apply_rule


class Moment(NamedTuple):
    """What a step started from: θ, the oracle's gradient there and its allowance, and the hyper-parameters."""

    theta: Array
    gradient: Array
    allowed: Array
    hyperparameters: dict[str, float]


def trajectory(subject: Subject, case: Case, program: Program, arrays: Arrays) -> Iterator[Finding]:
    """Every step starts from the backend's own θ, so errors do not add up; only the state vectors carry history.

    What is allowed: how far the step moves when each gradient so far errs by its allowance either way, and the rounding
    of the rule's few operations.
    """
    rule = program.update
    assert rule is not None
    u = unit_roundoff(subject.dtype)
    history: list[Moment] = []
    with subject.plan(program, arrays.theta, case.batch) as plan:
        for number in range(1, case.steps + 1):
            # The second step has a sample less, where there is one to spare: a short last batch.
            part = arrays.first(max(case.batch - (number == 2), 1))
            before = plan.vectors.download(plan.theta).astype(np.float64)
            expected = evaluate(program, before, part.x, subject.dtype, t=part.t)
            history.append(Moment(before, expected.gradient, expected.gradient_allowed, dict(plan.hyperparameters)))
            loss = plan.step(subject.cast(part.x), subject.cast(part.t))
            penalty = _penalty(program, before)
            allowed = expected.loss_allowed + SAFETY * (len(before) + EXTRA) * u * abs(penalty)
            yield compare(f"loss of step {number}", np.float64(loss), np.float64(expected.loss + penalty), allowed)
            centre, moved = _reach(program, history, u)
            after = plan.vectors.download(plan.theta)
            yield compare(f"θ after step {number}", after, centre, moved + floor(subject.dtype))
            plan.hyperparameters.update(case.changed)
        if "theta" in case.published:
            printed = 0.0 if case.digits is None else 0.5 * 10.0**-case.digits
            drift = case.steps * (SAFETY * TRANSCENDENTAL * u + printed) * (1 + np.abs(after))
            yield compare("published θ", after, np.asarray(case.published["theta"]), drift)


def _penalty(program: Program, theta: Array) -> float:
    rule = program.update
    assert rule is not None
    away = theta - (0.0 if rule.l2_centre is None else rule.l2_centre)
    return 0.5 * rule.l2 * float(((1.0 if rule.l2_mask is None else rule.l2_mask) * away**2).sum())


def _reach(program: Program, history: list[Moment], u: float) -> tuple[Array, Array]:
    """θ after the last step, and how far gradients within their allowances and rounded hyper-parameters could move it."""
    rule = program.update
    assert rule is not None

    def last(signs: tuple[int, ...], rounded: str = "") -> Array:
        slots = {name: np.zeros_like(history[0].theta) for name in rule.slots}
        theta = history[0].theta
        for count, (sign, then) in enumerate(zip(signs, history, strict=True), start=1):
            theta = then.theta.copy()
            error = then.allowed + SAFETY * EXTRA * u * rule.l2 * np.abs(theta)
            values = {name: h * (1 + SAFETY * u * (name == rounded)) for name, h in then.hyperparameters.items()}
            apply_rule(rule, theta, then.gradient + sign * error, slots, values, count)
        return theta

    exact = (0,) * len(history)
    centre = last(exact)
    moved = np.max([np.abs(last(s) - centre) for s in product((-1, 0, 1), repeat=len(history))], axis=0)
    # 1 - β formed in single precision is off by u / (1 - β), which a rounded β shows.
    moved += np.sum([np.abs(last(exact, name) - centre) for name in history[-1].hyperparameters], axis=0)
    before = history[-1].theta
    rounded = SAFETY * u * (2 * np.abs(before) + TRANSCENDENTAL * len(history) * np.abs(centre - before))
    return centre, moved + rounded
