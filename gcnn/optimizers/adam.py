"""Adam (delmas, Eq. 11, with ε outside the root):

m ← β1 m + (1 - β1) g,   v ← β2 v + (1 - β2) g²,   θ ← θ - α m̂ / (sqrt(v̂) + ε),   m̂ = m / (1 - β1^n),   v̂ = v / (1 - β2^n)
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from gcnn.maps import Array
from gcnn.optimizers.base import Optimizer
from gcnn.optimizers.settings import Rate, Setting


class Adam(Optimizer):
    """Step every parameter by its mean gradient over its root mean square, both exponentially weighted and unbiased.

    Args:
        lr: α > 0, or a schedule.
        beta1, beta2: decay rates in [0, 1).
        eps: ε > 0.
        common: l2, l2_centre, l2_mask, clip_norm, clip_value: see `Optimizer`.
    """

    kind = "adam"
    slots = ("m", "v")
    lr = Setting(open_low=True, scheduled=True)
    beta1 = Setting(high=1)
    beta2 = Setting(high=1)
    eps = Setting(open_low=True)

    def __init__(
        self, lr: Rate = 1e-3, beta1: float = 0.9, beta2: float = 0.999, eps: float = 1e-8, **common: Any
    ) -> None:
        super().__init__(**common)
        self.lr, self.beta1, self.beta2, self.eps = lr, beta1, beta2, eps

    @staticmethod
    def apply(
        theta: Array, gradient: Array, slots: Mapping[str, Array], hyperparameters: Mapping[str, float], count: int
    ) -> None:
        m, v, h = slots["m"], slots["v"], hyperparameters
        m += (1 - h["beta1"]) * (gradient - m)
        v += (1 - h["beta2"]) * (gradient * gradient - v)
        mean, square = m / (1 - h["beta1"] ** count), v / (1 - h["beta2"] ** count)
        theta -= h["lr"] * mean / (np.sqrt(square) + h["eps"])
