"""Adam (delmas, Eq. 11, with ε outside the root):

m ← β1 m + (1 - β1) g,   v ← β2 v + (1 - β2) g²,   θ ← θ - α m̂ / (sqrt(v̂) + ε),   m̂ = m / (1 - β1^n),   v̂ = v / (1 - β2^n)
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from gcnn.maps import Array
from gcnn.optimizers.base import Optimizer


class Adam(Optimizer):
    """Step every parameter by its mean gradient over its root mean square, both exponentially weighted and unbiased.

    Args:
        lr: α > 0.
        beta1, beta2: decay rates in [0, 1).
        eps: ε > 0.
        l2, l2_centre, l2_mask: see `Optimizer`.
    """

    kind = "adam"
    slots = ("m", "v")

    def __init__(
        self, lr: float = 1e-3, beta1: float = 0.9, beta2: float = 0.999, eps: float = 1e-8, **l2: Any
    ) -> None:
        super().__init__(**l2)
        self.lr = self.check("lr", lr, 0, open_low=True)
        self.beta1 = self.check("beta1", beta1, 0, 1)
        self.beta2 = self.check("beta2", beta2, 0, 1)
        self.eps = self.check("eps", eps, 0, open_low=True)

    @property
    def hyperparameters(self) -> dict[str, float]:
        return {"lr": self.lr, "beta1": self.beta1, "beta2": self.beta2, "eps": self.eps}

    @staticmethod
    def apply(
        theta: Array, gradient: Array, slots: Mapping[str, Array], hyperparameters: Mapping[str, float], count: int
    ) -> None:
        m, v, h = slots["m"], slots["v"], hyperparameters
        m += (1 - h["beta1"]) * (gradient - m)
        v += (1 - h["beta2"]) * (gradient * gradient - v)
        mean, square = m / (1 - h["beta1"] ** count), v / (1 - h["beta2"] ** count)
        theta -= h["lr"] * mean / (np.sqrt(square) + h["eps"])
