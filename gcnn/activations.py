"""Activation functions φ by name: what a network says of them. Their formulas are `gcnn.backends.numpy.activations`.

Users add their own with `register_activation(name, function, derivative)`; the NumPy oracle then runs it at once.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import inf
from typing import Any, NamedTuple

import numpy as np

from gcnn.errors import GcnnError, one_of

Array = np.ndarray[Any, np.dtype[Any]]


class Interval(NamedTuple):
    """Where the values of a function lie; an end that can be reached exactly belongs to it."""

    low: float
    high: float
    low_reached: bool = False
    high_reached: bool = False

    @property
    def positive(self) -> bool:
        """Inside (0, ∞), as categorical cross-entropy needs."""
        return self.low > 0 or (self.low == 0 and not self.low_reached)

    @property
    def probability(self) -> bool:
        """Inside (0, 1), as binary cross-entropy needs."""
        return self.positive and (self.high < 1 or (self.high == 1 and not self.high_reached))

    def __str__(self) -> str:
        left, right = "[" if self.low_reached else "(", "]" if self.high_reached else ")"
        return f"{left}{self.low:g}, {self.high:g}{right}"


REALS = Interval(-inf, inf)


@dataclass(frozen=True)
class Activation:
    """One activation function.

    Attributes:
        name: how layers ask for it.
        codomain: where its values lie.
        elementwise: False for softmax, which couples all outputs of a sample (Hedberg 2015, Eq. 25).
        function, derivative: z -> φ(z) and z -> φ'(z) on NumPy arrays, for a user's own activation only.
    """

    name: str
    codomain: Interval
    elementwise: bool = True
    function: Callable[[Array], Array] | None = None
    derivative: Callable[[Array], Array] | None = None


_ACTIVATIONS = {
    activation.name: activation
    for activation in (
        Activation("identity", REALS),
        Activation("logistic", Interval(0, 1)),
        Activation("tanh", Interval(-1, 1)),
        Activation("scaled_tanh", Interval(-1.7159, 1.7159)),
        Activation("soft_logistic", Interval(0, 1)),
        Activation("softsign", Interval(-1, 1)),
        Activation("relu", Interval(0, inf, low_reached=True)),
        Activation("softplus", Interval(0, inf)),
        Activation("softmax", Interval(0, 1), elementwise=False),
    )
}
_ACTIVATIONS["sigmoid"] = _ACTIVATIONS["logistic"]


def get(name: str) -> Activation:
    """The activation of that name; raises `GcnnError`, naming the nearest match, where there is none."""
    if name not in _ACTIVATIONS:
        raise GcnnError(one_of("activation", name, _ACTIVATIONS))
    return _ACTIVATIONS[name]


def names() -> list[str]:
    """All names, users' own included."""
    return sorted(_ACTIVATIONS)


def register_activation(
    name: str,
    function: Callable[[Array], Array],
    derivative: Callable[[Array], Array],
    codomain: tuple[float, float] = REALS[:2],
) -> Activation:
    """Add an element-wise activation φ at run time.

    Args:
        name: a new name.
        function: z -> φ(z), on arrays of any shape.
        derivative: z -> φ'(z).
        codomain: open interval of its values; cross-entropy losses ask for (0, ∞) or (0, 1).

    Raises:
        GcnnError: the name is taken, or the derivative is not that of the function at a few probe points.
    """
    if name in _ACTIVATIONS:
        raise GcnnError(f"an activation named {name!r} exists already; choose another name.")
    z = np.array([-1.3, -0.4, 0.37, 1.1])
    h = 6e-6
    slope = (np.asarray(function(z + h)) - np.asarray(function(z - h))) / (2 * h)
    if not np.allclose(derivative(z), slope, rtol=1e-5, atol=1e-7):
        raise GcnnError(
            f"register_activation({name!r}): the derivative at z = {z.tolist()} is {np.asarray(derivative(z)).tolist()}, "
            f"but differences of the function give {slope.tolist()}. Check derivative(z)."
        )
    activation = Activation(name, Interval(*codomain), True, function, derivative)
    _ACTIVATIONS[name] = activation
    return activation
