"""What first-order methods share: hyper-parameters, state vectors, an L2 penalty, and one step on NumPy vectors.

A method is data (`rule`), which a plan may fuse into its kernels, and one formula (`apply`), which is its definition.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from math import isfinite
from typing import Any, ClassVar

import numpy as np

from gcnn.backend import UpdateRule
from gcnn.errors import OptimizerError
from gcnn.maps import Array
from gcnn.plan import apply_rule


class Optimizer(ABC):
    """Base of the first-order methods.

    Args:
        l2: λ ≥ 0 of the penalty ½ λ Σ mask (θ - centre)², whose pull joins the gradient (delmas, Eqs. 3-4).
        l2_centre: (parameters,) the preferred point q_0; None is the origin.
        l2_mask: (parameters,) factors; None pulls on everything here, and on weights but not biases when a network is
            trained (decision "decay").

    Raises:
        OptimizerError: a hyper-parameter outside its range.
    """

    kind: ClassVar[str]
    slots: ClassVar[tuple[str, ...]] = ()

    def __init__(self, l2: float = 0.0, l2_centre: Array | None = None, l2_mask: Array | None = None) -> None:
        self.l2 = self.check("l2", l2, 0)
        self.l2_centre = None if l2_centre is None else self._vector("l2_centre", l2_centre)
        self.l2_mask = None if l2_mask is None else self._vector("l2_mask", l2_mask)
        self._state: dict[str, Array] = {}
        self._count = 0

    @property
    @abstractmethod
    def hyperparameters(self) -> dict[str, float]:
        """Names and values, as the rule's formula reads them for the first step."""

    def values(self, count: int) -> dict[str, float]:
        """The same for the step after `count` updates."""
        return self.hyperparameters

    @staticmethod
    @abstractmethod
    def apply(
        theta: Array, gradient: Array, slots: Mapping[str, Array], hyperparameters: Mapping[str, float], count: int
    ) -> None:
        """The method's formula: change θ and the slots in place; `count` is 1 in the first step."""

    def rule(self, l2_mask: Array | None = None) -> UpdateRule:
        """The method as data; `l2_mask` serves where the optimizer was given none."""
        mask = self.l2_mask if self.l2_mask is not None else l2_mask
        return UpdateRule(self.kind, self.hyperparameters, self.slots, self.apply, self.l2, self.l2_centre, mask)

    def step(self, theta: Array, gradient: Array) -> Array:
        """The next θ from θ and its gradient, plain NumPy vectors; the state is kept in the optimizer.

        Raises:
            OptimizerError: θ and gradient differ in shape, or θ has changed its length since the last step.
        """
        theta, gradient = np.asarray(theta), np.asarray(gradient)
        if theta.shape != gradient.shape or theta.ndim != 1:
            raise OptimizerError(f"θ {theta.shape} and gradient {gradient.shape} must be vectors of one length.")
        self.check_length(theta.size)
        theta = np.array(theta, dtype=np.result_type(theta, np.float32))
        if not self._state:
            self._state = {name: np.zeros_like(theta) for name in self.slots}
        if any(slot.shape != theta.shape for slot in self._state.values()):
            raise OptimizerError(f"this optimizer has state for another length than {theta.size}; make a new one.")
        self._count += 1
        apply_rule(self.rule(), theta, gradient, self._state, self.hyperparameters, self._count)
        return theta

    def check_length(self, parameters: int) -> None:
        """Raise `OptimizerError` where the penalty's centre or mask does not have one entry a parameter."""
        for name in ("l2_centre", "l2_mask"):
            vector = getattr(self, name)
            if vector is not None and vector.shape != (parameters,):
                raise OptimizerError(
                    f"{type(self).__name__}: {name} has {vector.size} entries for {parameters} parameters."
                )

    def _vector(self, name: str, value: Any) -> Array:
        try:
            vector = np.asarray(value)
        except ValueError as error:
            raise OptimizerError(f"{type(self).__name__}: {name} is not a vector: {error}.") from error
        if vector.ndim != 1 or vector.dtype.kind not in "fiub" or not np.isfinite(vector).all():
            raise OptimizerError(
                f"{type(self).__name__}: {name} must be a vector of finite numbers, one a parameter; "
                f"got shape {vector.shape}, dtype {vector.dtype}."
            )
        return vector if vector.dtype.kind == "b" else vector.astype(np.float64)

    def check(self, name: str, value: Any, low: float, high: float = float("inf"), open_low: bool = False) -> float:
        """A finite hyper-parameter in [low, high), or (low, high)."""
        number = isinstance(value, int | float | np.integer | np.floating) and not isinstance(value, bool)
        if not number or not isfinite(value) or not low <= value < high or (open_low and value == low):
            left = "(" if open_low else "["
            raise OptimizerError(
                f"{type(self).__name__}: {name} must be a number in {left}{low:g}, {high:g}), got {value!r}."
            )
        return float(value)

    def __repr__(self) -> str:
        shown = ", ".join(f"{name}={value:g}" for name, value in self.hyperparameters.items())
        return f"{type(self).__name__}({shown}{f', l2={self.l2:g}' if self.l2 else ''})"
