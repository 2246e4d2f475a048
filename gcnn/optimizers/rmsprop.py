"""RMSProp (delmas, Eq. 10, with ε outside the root):   e ← β e + (1 - β) g²,   θ ← θ - α g / (sqrt(e) + ε),   e = 0 at the start"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from gcnn.maps import Array
from gcnn.optimizers.base import Optimizer
from gcnn.optimizers.settings import Rate, Setting


class RMSProp(Optimizer):
    """Step every parameter by its gradient over an exponentially weighted root mean square of its gradients.

    The mean starts at 0 and is not corrected for it, so the first step is α / sqrt(1 - β), 3.16 α for β = 0.9.

    Args:
        lr: α > 0, or a schedule.
        beta: the decay rate β in [0, 1).
        eps: ε > 0.
        common: l2, l2_centre, l2_mask, clip_norm, clip_value: see `Optimizer`.
    """

    kind = "rmsprop"
    slots = ("square",)
    lr = Setting(open_low=True, scheduled=True)
    beta = Setting(high=1)
    eps = Setting(open_low=True)

    def __init__(self, lr: Rate = 1e-3, beta: float = 0.9, eps: float = 1e-8, **common: Any) -> None:
        super().__init__(**common)
        self.lr, self.beta, self.eps = lr, beta, eps

    @staticmethod
    def apply(
        theta: Array, gradient: Array, slots: Mapping[str, Array], hyperparameters: Mapping[str, float], count: int
    ) -> None:
        square = slots["square"]
        square += (1 - hyperparameters["beta"]) * (gradient * gradient - square)
        theta -= hyperparameters["lr"] * gradient / (np.sqrt(square) + hyperparameters["eps"])
