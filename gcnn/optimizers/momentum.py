"""Momentum, the heavy ball (Hedberg 2015, Eq. 121):   Δ ← p Δ - μ g,   θ ← θ + Δ,   Δ = 0 at the start"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gcnn.maps import Array
from gcnn.optimizers.base import Optimizer
from gcnn.optimizers.settings import Rate, Setting


class Momentum(Optimizer):
    """Gradient descent with the last step added again, scaled by p; stable on curvature λ for 0 < μ λ < 2 (1 + p).

    The same method as `DampedParticle` in other parameters, with μ = α² and p = 1 - γ α.

    Args:
        lr: the step size μ > 0, or a schedule.
        momentum: p in [0, 1).
        common: l2, l2_centre, l2_mask, clip_norm, clip_value: see `Optimizer`.
    """

    kind = "momentum"
    slots = ("step",)
    lr = Setting(open_low=True, scheduled=True)
    momentum = Setting(high=1)

    def __init__(self, lr: Rate = 0.01, momentum: float = 0.9, **common: Any) -> None:
        super().__init__(**common)
        self.lr, self.momentum = lr, momentum

    @staticmethod
    def apply(
        theta: Array, gradient: Array, slots: Mapping[str, Array], hyperparameters: Mapping[str, float], count: int
    ) -> None:
        step = slots["step"]
        step *= hyperparameters["momentum"]
        step -= hyperparameters["lr"] * gradient
        theta += step
