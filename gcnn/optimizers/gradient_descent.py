"""Gradient descent (Hedberg 2015, Eq. 118; delmas, Eqs. 2 and 12):   θ ← θ - μ g"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gcnn.maps import Array
from gcnn.optimizers.base import Optimizer


class GradientDescent(Optimizer):
    """Follow the negative gradient; stochastic when the gradient is a mini-batch's.

    Args:
        lr: the step size μ > 0.
        l2, l2_centre, l2_mask: see `Optimizer`.
    """

    kind = "gradient_descent"

    def __init__(self, lr: float = 0.01, **l2: Any) -> None:
        super().__init__(**l2)
        self.lr = self.check("lr", lr, 0, open_low=True)

    @property
    def hyperparameters(self) -> dict[str, float]:
        return {"lr": self.lr}

    @staticmethod
    def apply(
        theta: Array, gradient: Array, slots: Mapping[str, Array], hyperparameters: Mapping[str, float], count: int
    ) -> None:
        theta -= hyperparameters["lr"] * gradient
