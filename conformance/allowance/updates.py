"""How far a step of an update rule may be off: what it does with gradients, settings and state that err as they may."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product

import numpy as np

from gcnn.backend import UpdateRule
from gcnn.conformance.allowance.rounding import EXTRA, SAFETY, TRANSCENDENTAL
from gcnn.maps import Array
from gcnn.plan import apply_rule

Signs = Sequence[float | Array]


@dataclass(frozen=True)
class Moment:
    """What a step started from: θ, the oracle's gradient there and its allowance, and the hyper-parameters."""

    theta: Array
    gradient: Array
    allowed: Array
    hyperparameters: dict[str, float]


def reach(rule: UpdateRule, history: list[Moment], u: float) -> tuple[Array, Array]:
    """θ after the last step, and how far from there a correct backend may end; u is its unit roundoff.

    θ is the backend's own before every step, so only the state carries errors of earlier steps.
    """
    centre, slots = _replay(rule, history, u)
    moved = sum(np.abs(theta - centre) for theta in _one_cause_at_a_time(rule, history, u, slots))
    turns = [_replay(rule, history, u, signs)[0] - centre for signs in _directions(rule, history)]
    # Component-wise rules turn the worst case of every component into one of few cases; others mix what errs.
    moved += np.sum(np.abs(turns), axis=0) if rule.matrices else np.max(np.abs(turns), axis=0)
    before, step = history[-1].theta, np.abs(centre - history[-1].theta)
    rounded = 2 * np.abs(before) + TRANSCENDENTAL * len(history) * (step.max() if rule.matrices else step)
    return centre, moved + SAFETY * u * rounded


def _directions(rule: UpdateRule, history: list[Moment]) -> Iterator[Signs]:
    """Which way the gradients so far may err: all up or all down in each step; or, for matrices, one component alone."""
    if not rule.matrices:
        yield from product((-1.0, 0.0, 1.0), repeat=len(history))
        return
    n = len(history[0].theta)
    for place, component, sign in product(range(len(history)), range(n), (-1.0, 1.0)):
        yield [sign * (place == other) * (np.arange(n) == component) for other in range(len(history))]


def _one_cause_at_a_time(rule: UpdateRule, history: list[Moment], u: float, slots: dict[str, Array]) -> Iterator[Array]:
    """θ after the last step where one hyper-parameter, limit or cell of a matrix is off by its rounding."""
    exact = (0.0,) * len(history)
    # 1 - β formed in single precision is off by u / (1 - β), which a rounded β shows.
    for name in history[-1].hyperparameters:
        off = [
            replace(m, hyperparameters={**m.hyperparameters, name: m.hyperparameters[name] * (1 + SAFETY * u)})
            for m in history
        ]
        yield _replay(rule, off, u)[0]
    if rule.clip_value is not None:
        yield _replay(replace(rule, clip_value=rule.clip_value * (1 + SAFETY * u)), history, u)[0]
    if rule.clip_norm is not None:
        # The norm is a sum over all parameters, of gradients that err.
        n = len(history[0].theta)
        off_by = SAFETY * (n + EXTRA) * u + max(
            float(np.linalg.norm(m.allowed) / (np.linalg.norm(m.gradient) or 1.0)) for m in history
        )
        for sign in (-1, 1):
            yield _replay(replace(rule, clip_norm=rule.clip_norm * (1 + sign * off_by)), history, u)[0]
    for name in rule.matrices:
        size = len(history[0].theta)
        cell = SAFETY * TRANSCENDENTAL * u * np.abs(slots[name]).max()
        for i, j in zip(*np.triu_indices(size), strict=True):
            error = np.zeros((size, size))
            error[i, j] = error[j, i] = cell
            yield _replay(rule, history, u, exact, {name: error.ravel()})[0]


def _replay(
    rule: UpdateRule, history: list[Moment], u: float, signs: Signs | None = None, off: dict[str, Array] | None = None
) -> tuple[Array, dict[str, Array]]:
    """θ and state after the last step; gradients err by their allowance times `signs`, the state before it by `off`."""
    sizes = rule.slot_sizes(len(history[0].theta))
    slots = {name: np.zeros(size) for name, size in sizes.items()}
    theta = history[0].theta
    for number, moment in enumerate(history, start=1):
        theta = moment.theta.copy()
        error = moment.allowed + SAFETY * EXTRA * u * rule.l2 * np.abs(theta)
        gradient = moment.gradient + (0.0 if signs is None else signs[number - 1]) * error
        if number == len(history):
            for name, cells in (off or {}).items():
                slots[name] += cells
        apply_rule(rule, theta, gradient, slots, moment.hyperparameters, number)
    return theta, slots
