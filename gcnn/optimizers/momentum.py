"""Momentum, the heavy ball (Hedberg 2015, Eq. 121):   Δ ← p Δ - μ g,   θ ← θ + Δ,   Δ = 0 at the start"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gcnn.maps import Array
from gcnn.optimizers.base import Optimizer


class Momentum(Optimizer):
    """Gradient descent with the last step added again, scaled by p; stable on curvature λ for 0 < μ λ < 2 (1 + p).

    Args:
        lr: the step size μ > 0.
        momentum: p in [0, 1).
        l2, l2_centre, l2_mask: see `Optimizer`.
    """

    kind = "momentum"
    slots = ("step",)

    def __init__(self, lr: float = 0.01, momentum: float = 0.9, **l2: Any) -> None:
        super().__init__(**l2)
        self.lr = self.check("lr", lr, 0, open_low=True)
        self.momentum = self.check("momentum", momentum, 0, 1)

    @property
    def hyperparameters(self) -> dict[str, float]:
        return {"lr": self.lr, "momentum": self.momentum}

    @staticmethod
    def apply(
        theta: Array, gradient: Array, slots: Mapping[str, Array], hyperparameters: Mapping[str, float], count: int
    ) -> None:
        step = slots["step"]
        step *= hyperparameters["momentum"]
        step -= hyperparameters["lr"] * gradient
        theta += step
