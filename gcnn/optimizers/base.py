"""What first-order methods share: settings, state, an L2 penalty, clipping, and one step on NumPy vectors.

A method is data (`rule`), which a plan may fuse into its kernels, and one formula (`apply`), which is its definition.
"""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from gcnn.backend import UpdateRule
from gcnn.errors import OptimizerError
from gcnn.maps import Array
from gcnn.optimizers.schedules import Schedule
from gcnn.optimizers.settings import Fixed, Setting, number
from gcnn.plan import apply_rule

MATRIX_LIMIT = 4096
"""Most parameters for a state matrix: 128 MiB in float64, and some 20 s a step (2.2 s were measured for half of it)."""


class Optimizer(ABC):
    """Base of the first-order methods. A method's numbers may be changed between steps; what follows is fixed.

    Args:
        l2: λ ≥ 0 of the penalty ½ λ Σ mask (θ - centre)², whose pull joins the gradient (delmas, Eqs. 3-4).
        l2_centre: (parameters,) the preferred point q_0; None is the origin.
        l2_mask: (parameters,) factors; None pulls on everything here, and on weights but not biases when a network is
            trained (decision "decay").
        clip_value: c > 0 keeps every component of the gradient, the penalty's pull included, in [-c, c].
        clip_norm: c > 0 then scales the gradient of all parameters together down to the norm c, where it is longer.

    Raises:
        OptimizerError: a value outside its range.
    """

    kind: ClassVar[str]
    slots: ClassVar[tuple[str, ...]] = ()
    settings: ClassVar[dict[str, Setting]] = {}
    parts: ClassVar[tuple[str, ...]] = ()
    """Names of what else the method itself is made with, such as the form of AdaGrad."""

    l2, l2_centre, l2_mask = Fixed(), Fixed(), Fixed()
    clip_norm, clip_value = Fixed(), Fixed()

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        own = {name: value for name, value in vars(cls).items() if isinstance(value, Setting)}
        cls.settings = {**cls.settings, **own}
        cls.parts = (*cls.parts, *(name for name, value in vars(cls).items() if isinstance(value, Fixed)))

    def __init__(
        self,
        l2: float = 0.0,
        l2_centre: Array | None = None,
        l2_mask: Array | None = None,
        clip_norm: float | None = None,
        clip_value: float | None = None,
    ) -> None:
        name = type(self).__name__
        self.l2 = number(f"{name}: l2", l2, 0)
        self.l2_centre = None if l2_centre is None else self._vector("l2_centre", l2_centre)
        self.l2_mask = None if l2_mask is None else self._vector("l2_mask", l2_mask)
        self.clip_norm, self.clip_value = (
            None if limit is None else number(f"{name}: {of}", limit, 0, open_low=True, also=" or None")
            for of, limit in (("clip_norm", clip_norm), ("clip_value", clip_value))
        )
        self._state: dict[str, Array] = {}
        self._count = 0

    @staticmethod
    @abstractmethod
    def apply(
        theta: Array, gradient: Array, slots: Mapping[str, Array], hyperparameters: Mapping[str, float], count: int
    ) -> None:
        """The method's formula: change θ and the slots in place; `count` is 1 in the first step."""

    @property
    def hyperparameters(self) -> dict[str, float]:
        """Names and values, as the rule's formula reads them for the first step."""
        return self.values(0)

    def values(self, count: int) -> dict[str, float]:
        """The same for the step after `count` updates, which schedules may change.

        Raises:
            OptimizerError: a schedule gave a value outside the range; it is named with the count.
        """
        return {name: setting.at(self, count) for name, setting in self.settings.items()}

    def common(self) -> dict[str, Any]:
        """What every method takes, to make another with the same: the penalty and the limits on the gradient."""
        return {name: getattr(self, name) for name in ("l2", "l2_centre", "l2_mask", "clip_norm", "clip_value")}

    def rule(self, l2_mask: Array | None = None) -> UpdateRule:
        """The method as data; `l2_mask` serves where the optimizer was given none."""
        return UpdateRule(
            self.kind,
            self.hyperparameters,
            self.slots,
            self.apply,
            self.l2,
            self.l2_centre,
            self.l2_mask if self.l2_mask is not None else l2_mask,
            clip_norm=self.clip_norm,
            clip_value=self.clip_value,
        )

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
        rule, values = self.rule(), self.values(self._count)
        sizes = rule.slot_sizes(theta.size)
        if not self._count:
            self._state = {name: np.zeros(size, theta.dtype) for name, size in sizes.items()}
        if any(self._state[name].size != size for name, size in sizes.items()):
            raise OptimizerError(f"this optimizer has state for another length than {theta.size}; make a new one.")
        self._count += 1
        apply_rule(rule, theta, gradient, self._state, values, self._count)
        return theta

    def check_length(self, parameters: int) -> None:
        """Check that the penalty's centre and mask, and a state matrix, fit this many parameters.

        Raises:
            OptimizerError: centre or mask has another length, or the matrix would be too large.
        """
        name = type(self).__name__
        for part in ("l2_centre", "l2_mask"):
            vector = getattr(self, part)
            if vector is not None and vector.shape != (parameters,):
                raise OptimizerError(f"{name}: {part} has {vector.size} entries for {parameters} parameters.")
        if self.rule().matrices and parameters > MATRIX_LIMIT:
            raise OptimizerError(
                f"{self!r} keeps a matrix of {parameters} x {parameters} numbers, {8 * parameters**2:,} bytes in float64, "
                f"for {parameters} parameters; at most {MATRIX_LIMIT} are accepted. Use AdaGrad(form='sum'), its diagonal."
            )

    def state(self) -> tuple[dict[str, Array], dict[str, Any]]:
        """What `step` has gathered: arrays by name, and what else `restore` needs, fit for JSON."""
        return {name: slot.copy() for name, slot in self._state.items()}, {
            "kind": self.rule().kind,
            "count": self._count,
        }

    def restore(self, arrays: Mapping[str, Array], document: Mapping[str, Any]) -> None:
        """Go on where another optimizer of the same settings stood: further steps are equal to its own, bit for bit.

        Raises:
            OptimizerError: it is the state of another method, or not whole.
        """
        rule, count = self.rule(), document.get("count")
        whole = document.get("kind") == rule.kind and type(count) is int and count >= 0
        if not whole or set(arrays) != (set(rule.slot_sizes(0)) if count else set()):
            raise OptimizerError(
                f"{self!r} cannot go on from a state of {document.get('kind')!r} after {count!r} steps with {sorted(arrays)}: "
                f"it needs that of {rule.kind!r} with {sorted(rule.slot_sizes(0))}."
            )
        self._state, self._count = {name: np.array(slot) for name, slot in arrays.items()}, int(document["count"])

    def describe(self) -> dict[str, Any]:
        """Everything that decides the steps, fit for JSON: optimizers with equal descriptions take equal steps.

        Arrays are given by hash, and functions that are no `Schedule` by name only.
        """
        return {
            "method": type(self).__name__,
            "kind": self.rule().kind,
            **{name: _described(getattr(self, name)) for name in (*self.settings, *self.parts)},
            **{name: _described(value) for name, value in self.common().items()},
        }

    def _vector(self, name: str, value: Any) -> Array:
        try:
            vector = np.array(value)
        except ValueError as error:
            raise OptimizerError(f"{type(self).__name__}: {name} is not a vector: {error}.") from error
        if vector.ndim != 1 or vector.dtype.kind not in "fiub" or not np.isfinite(vector).all():
            raise OptimizerError(
                f"{type(self).__name__}: {name} must be a vector of finite numbers, one a parameter; "
                f"got shape {vector.shape}, dtype {vector.dtype}."
            )
        vector = vector if vector.dtype.kind == "b" else vector.astype(np.float64)
        vector.flags.writeable = False  # plans hold copies of it
        return vector

    def __repr__(self) -> str:
        own = {name: getattr(self, name) for name in (*self.settings, *self.parts)}
        own |= {name: value for name, value in self.common().items() if value is not None}
        if not self.l2:
            del own["l2"]
        return f"{type(self).__name__}({', '.join(f'{name}={_shown(value)}' for name, value in own.items())})"


def _shown(value: Any) -> str:
    if isinstance(value, np.ndarray):
        return f"array of {value.size}"
    return f"{value:g}" if isinstance(value, float) else repr(value)


def _described(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        digest = hashlib.sha256(value.astype(np.float64).tobytes()).hexdigest()
        return {"shape": list(value.shape), "sha256": digest}
    if isinstance(value, Schedule):
        return value.describe()
    if callable(value):
        named = value if hasattr(value, "__qualname__") else type(value)
        return {"schedule": f"{named.__module__}.{named.__qualname__}"}
    return value
