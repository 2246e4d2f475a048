"""Gradient descent (Hedberg 2015, Eq. 118; delmas, Eqs. 2 and 12):   θ ← θ - μ g"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gcnn.maps import Array
from gcnn.optimizers.base import Optimizer
from gcnn.optimizers.settings import Rate, Setting


class GradientDescent(Optimizer):
    """Follow the negative gradient; stochastic when the gradient is a mini-batch's. Stable on curvature λ for μ λ < 2.

    Args:
        lr: the step size μ > 0, or a schedule.
        common: l2, l2_centre, l2_mask, clip_norm, clip_value: see `Optimizer`.
    """

    kind = "gradient_descent"
    lr = Setting(open_low=True, scheduled=True)

    def __init__(self, lr: Rate = 0.01, **common: Any) -> None:
        super().__init__(**common)
        self.lr = lr

    @staticmethod
    def apply(
        theta: Array, gradient: Array, slots: Mapping[str, Array], hyperparameters: Mapping[str, float], count: int
    ) -> None:
        theta -= hyperparameters["lr"] * gradient
