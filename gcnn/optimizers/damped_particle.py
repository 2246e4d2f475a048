"""A particle with inertia and friction (delmas, Eqs. 5-7):   v ← (1 - γ α) v - α g,   θ ← θ + α v,   v = 0 at the start"""

from __future__ import annotations

from collections.abc import Mapping
from math import sqrt
from typing import Any

from gcnn.errors import OptimizerError
from gcnn.maps import Array
from gcnn.optimizers.base import Optimizer
from gcnn.optimizers.momentum import Momentum
from gcnn.optimizers.settings import Rate, Setting


class DampedParticle(Optimizer):
    """Let a particle of mass 1 move in the potential under friction γ v, in steps of time α.

    The same method as `Momentum` in other parameters: μ = α² and p = 1 - γ α (`as_momentum`, `from_momentum`). The
    relabelling printed after Eq. 7 leaves out that the learning rate changes too (docs/corrections.md, entry 66).

    Args:
        alpha: the step of time α > 0, or a schedule.
        gamma: the friction γ > 0, with γ α ≤ 1: more would turn the velocity round at every step.
        common: l2, l2_centre, l2_mask, clip_norm, clip_value: see `Optimizer`.
    """

    kind = "damped_particle"
    slots = ("velocity",)
    alpha = Setting(open_low=True, scheduled=True)
    gamma = Setting(open_low=True)

    def __init__(self, alpha: Rate = 0.1, gamma: float = 1.0, **common: Any) -> None:
        super().__init__(**common)
        self.alpha, self.gamma = alpha, gamma

    @classmethod
    def from_momentum(cls, momentum: Momentum) -> DampedParticle:
        """The particle that takes the same steps as a heavy ball: α = sqrt(μ), γ = (1 - p) / α.

        Raises:
            OptimizerError: its rate follows a schedule; the velocity is Δ / α, so the two then differ.
        """
        alpha = sqrt(_constant(momentum, "lr"))
        return cls(alpha, (1 - momentum.momentum) / alpha, **momentum.common())

    def as_momentum(self) -> Momentum:
        """The heavy ball that takes the same steps: μ = α², p = 1 - γ α.

        Raises:
            OptimizerError: α follows a schedule.
        """
        alpha = _constant(self, "alpha")
        return Momentum(alpha**2, max(1 - self.gamma * alpha, 0.0), **self.common())

    def values(self, count: int) -> dict[str, float]:
        values = super().values(count)
        lost = values["alpha"] * values["gamma"]
        if lost > 1 + 1e-12:  # rounding of a friction that was chosen as 1 / α
            raise OptimizerError(
                f"DampedParticle: alpha * gamma, the part of the velocity that a step takes away, must be at most 1, got "
                f"{values['alpha']:g} * {values['gamma']:g} = {lost:g} after {count} updates. Choose one of them smaller."
            )
        return values

    @staticmethod
    def apply(
        theta: Array, gradient: Array, slots: Mapping[str, Array], hyperparameters: Mapping[str, float], count: int
    ) -> None:
        alpha, velocity = hyperparameters["alpha"], slots["velocity"]
        velocity *= 1 - hyperparameters["gamma"] * alpha
        velocity -= alpha * gradient
        theta += alpha * velocity


def _constant(optimizer: Optimizer, name: str) -> float:
    value = getattr(optimizer, name)
    if not isinstance(value, float):
        raise OptimizerError(
            f"{optimizer!r}: heavy ball and damped particle take the same steps only while {name} is constant; "
            f"set a number in place of the schedule first."
        )
    return value
