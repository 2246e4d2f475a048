"""Mistakes in update rules: formulas, schedules, limits on the gradient, state."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from gcnn.backend import Device, Program, UpdateRule
from gcnn.conformance.mutants.mutant import Mutant
from gcnn.maps import Array
from gcnn.optimizers.adagrad import mean
from gcnn.plan import LayerwisePlan, apply_rule

Formula = Callable[[Array, Array, Mapping[str, Array], Mapping[str, float], int], None]
Update = Callable[[UpdateRule, LayerwisePlan], None]


def _with(change: Callable[[UpdateRule, LayerwisePlan], UpdateRule]) -> Update:
    """An update by a changed rule."""

    def update(rule: UpdateRule, plan: LayerwisePlan) -> None:
        apply_rule(change(rule, plan), plan.theta, plan.gradient, plan.slots, plan.hyperparameters, plan.count)

    return update


def _with_formula(kind: str, formula: Formula) -> Update:
    """An update with another formula for one kind of rule."""
    return _with(lambda rule, _: replace(rule, apply=formula) if rule.kind == kind else rule)


def _with_limit(limit: Callable[[UpdateRule, LayerwisePlan, Array], Array]) -> Update:
    """An update whose gradient, with the penalty's pull, is limited in another way."""

    def limited(rule: UpdateRule, plan: LayerwisePlan) -> UpdateRule:
        def apply(theta: Array, gradient: Array, *rest: Any) -> None:
            rule.apply(theta, limit(rule, plan, gradient), *rest)

        return replace(rule, apply=apply, clip_norm=None, clip_value=None)

    return _with(limited)


def root_over_epsilon(theta: Array, gradient: Array, slots: Any, h: Mapping[str, float], count: int) -> None:
    """ε inside the root."""
    square = slots["square"]
    square += (1 - h["beta"]) * (gradient * gradient - square)
    theta -= h["lr"] * gradient / np.sqrt(square + h["eps"])


def unbiased_rmsprop(theta: Array, gradient: Array, slots: Any, h: Mapping[str, float], count: int) -> None:
    """The mean of squares divided by 1 - β^n, as Adam has it and RMSProp has not."""
    square = slots["square"]
    square += (1 - h["beta"]) * (gradient * gradient - square)
    theta -= h["lr"] * gradient / (np.sqrt(square / (1 - h["beta"] ** count)) + h["eps"])


def unlabelled_rate(theta: Array, gradient: Array, slots: Any, h: Mapping[str, float], count: int) -> None:
    """delmas, Eq. 7 relabelled as printed: β = 1 - γ α, and the learning rate still α."""
    kept, m = 1 - h["gamma"] * h["alpha"], slots["velocity"]
    m += (1 - kept) * (gradient - m)
    theta -= h["alpha"] * m


def rate_outside(theta: Array, gradient: Array, slots: Any, h: Mapping[str, float], count: int) -> None:
    """v ← p v + g, θ ← θ - μ v: the heavy ball while μ is constant, another method when it changes."""
    velocity = slots["step"]
    velocity *= h["momentum"]
    velocity += gradient
    theta -= h["lr"] * velocity


def only_the_diagonal(theta: Array, gradient: Array, slots: Any, h: Mapping[str, float], count: int) -> None:
    """Full-matrix AdaGrad that keeps no products of different components."""
    squares = slots["products"][:: theta.size + 1]
    squares += gradient * gradient
    theta -= h["lr"] * gradient / (np.sqrt(squares) + h["eps"])


def frozen(rule: UpdateRule, plan: LayerwisePlan) -> None:
    """The first step's hyper-parameters for ever."""
    first = plan.__dict__.setdefault("_first", dict(plan.hyperparameters))
    apply_rule(rule, plan.theta, plan.gradient, plan.slots, first, plan.count)


def hidden_count(rule: UpdateRule, plan: LayerwisePlan) -> None:
    """Steps counted in a place of its own, which a resumed plan starts from 0."""
    plan.__dict__["_steps"] = count = plan.__dict__.get("_steps", 0) + 1
    apply_rule(rule, plan.theta, plan.gradient, plan.slots, plan.hyperparameters, count)


def penalty_after_clipping(rule: UpdateRule, plan: LayerwisePlan) -> None:
    """Only the loss's own gradient limited, and the penalty's pull added to what is left of it."""
    theta = plan.theta.copy()
    apply_rule(replace(rule, l2=0.0), plan.theta, plan.gradient, plan.slots, plan.hyperparameters, plan.count)
    if rule.kind == "gradient_descent":
        plan.theta -= plan.hyperparameters["lr"] * rule.l2 * theta


def _length(gradient: Array, limit: float | None) -> Array:
    norm = np.linalg.norm(gradient)
    return gradient if limit is None or norm <= limit else gradient * (limit / norm)


def _value(gradient: Array, limit: float | None) -> Array:
    return gradient if limit is None else np.clip(gradient, -limit, limit)


def _norm_of_each(rule: UpdateRule, plan: LayerwisePlan, gradient: Array) -> Array:
    return _value(_value(gradient, rule.clip_value), rule.clip_norm)


def _norm_of_a_layer(rule: UpdateRule, plan: LayerwisePlan, gradient: Array) -> Array:
    layers = [_value(gradient, rule.clip_value)[stage.parameters] for stage in plan.program.stages]
    return np.concatenate([_length(layer, rule.clip_norm) for layer in layers])


def _always_scaled(rule: UpdateRule, plan: LayerwisePlan, gradient: Array) -> Array:
    norm = np.linalg.norm(gradient)
    return gradient if rule.clip_norm is None or norm == 0 else gradient * (rule.clip_norm / norm)


def _scaled_and_back(rule: UpdateRule, plan: LayerwisePlan, gradient: Array) -> Array:
    gradient = _value(gradient, rule.clip_value)
    if rule.clip_norm is None:
        return gradient
    return gradient * rule.clip_norm / max(rule.clip_norm, float(np.linalg.norm(gradient)))


def _norm_before_value(rule: UpdateRule, plan: LayerwisePlan, gradient: Array) -> Array:
    return _value(_length(gradient, rule.clip_norm), rule.clip_value)


class SharedSlots(LayerwisePlan):
    """All state vectors in the same memory."""

    def __init__(self, backend: Any, program: Program, device: Device, dtype: str, batch: int) -> None:
        super().__init__(backend, program, device, dtype, batch)
        self.slots = dict.fromkeys(self.slots, next(iter(self.slots.values()), None))

    def step(self, x: Array, t: Array) -> float:
        with np.errstate(invalid="ignore"):  # the root of what is no square any more
            return super().step(x, t)


MUTANTS = (
    Mutant(
        "mean-for-sum",
        "AdaGrad with the mean of the squares",
        "updates/published/adagrad",
        update=_with_formula("adagrad", mean),
    ),
    Mutant(
        "epsilon-inside",
        "RMSProp with ε inside the root",
        "updates/published/rmsprop",
        update=_with_formula("rmsprop", root_over_epsilon),
    ),
    Mutant(
        "unbiased-rmsprop",
        "RMSProp with a bias correction",
        "updates/published/rmsprop",
        update=_with_formula("rmsprop", unbiased_rmsprop),
    ),
    Mutant(
        "unlabelled-rate",
        "damped particle relabelled without its rate",
        "updates/published/damped-particle",
        update=_with_formula("damped_particle", unlabelled_rate),
    ),
    Mutant(
        "rate-outside",
        "momentum whose kept step is rescaled by a schedule",
        "updates/schedule/inverse-time",
        update=_with_formula("momentum", rate_outside),
    ),
    Mutant(
        "only-the-diagonal",
        "full AdaGrad that keeps the diagonal",
        "updates/adagrad-full/dense",
        update=_with_formula("adagrad_full", only_the_diagonal),
    ),
    Mutant("frozen-schedule", "a schedule stays at its first value", "updates/schedule/exponential", update=frozen),
    Mutant("hidden-count", "a resumed plan counts from 0", "updates/adam/dense", update=hidden_count),
    Mutant("shared-slots", "two state vectors in one memory", "updates/adam/dense", plan=SharedSlots),
    Mutant(
        "clips-each-parameter",
        "the limit of the norm put on every component",
        "updates/clip/norm",
        update=_with_limit(_norm_of_each),
    ),
    Mutant(
        "clips-each-layer",
        "the norm taken layer by layer",
        "updates/clip/norm",
        update=_with_limit(_norm_of_a_layer),
    ),
    Mutant(
        "clips-always",
        "short gradients lengthened to the limit",
        "updates/clip/norm-not-reached",
        update=_with_limit(_always_scaled),
    ),
    Mutant(
        "scaled-and-back",
        "short gradients multiplied and divided by the limit",
        "updates/clip/norm-not-reached",
        update=_with_limit(_scaled_and_back),
    ),
    Mutant(
        "norm-before-value",
        "the norm limited before the components",
        "updates/clip/value-before-norm",
        update=_with_limit(_norm_before_value),
    ),
    Mutant(
        "penalty-after-clipping",
        "the penalty's pull left unlimited",
        "updates/clip/norm-and-penalty",
        update=penalty_after_clipping,
    ),
)
