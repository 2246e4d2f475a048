"""The settings of an optimizer: numbers with a range, some of which may follow a schedule, and parts that never change."""

from __future__ import annotations

from collections.abc import Callable
from math import inf
from typing import Any

from gcnn.arrays import is_real
from gcnn.errors import OptimizerError

Rate = float | Callable[[int], float]
"""A learning rate: a number, a schedule, or any function of the number of updates done so far."""


def number(place: str, value: Any, low: float, high: float = inf, open_low: bool = False, also: str = "") -> float:
    """A finite number in [low, high), or (low, high), as a Python float.

    Raises:
        OptimizerError: it is none; the message begins with `place`, and `also` says what else would do.
    """
    if not is_real(value) or not low <= value < high or (open_low and value == low):
        raise OptimizerError(f"{place} must be {interval(low, high, open_low)}{also}, got {value!r}.")
    return float(value)


def interval(low: float, high: float, open_low: bool) -> str:
    """A range in words: a number in (0, inf)."""
    return f"a number in {'(' if open_low else '['}{low:g}, {high:g})"


class Setting:
    """A number that the formula reads at every step, in [low, high) or (low, high); checked whenever it is assigned.

    Args:
        low, high, open_low: the range.
        scheduled: whether a function of the number of updates may stand in its place.
    """

    def __init__(self, low: float = 0.0, high: float = inf, open_low: bool = False, scheduled: bool = False) -> None:
        self.low, self.high, self.open_low, self.scheduled = low, high, open_low, scheduled

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    def __get__(self, optimizer: Any, owner: type | None = None) -> Any:
        return self if optimizer is None else vars(optimizer)[self.name]

    def __set__(self, optimizer: Any, value: Any) -> None:
        own, name = vars(optimizer), self.name
        before = own.get(name)
        own[name] = value if self.scheduled and is_schedule(value) else self._number(optimizer, value)
        if any(other not in own for other in optimizer.settings):
            return  # still being made; the last setting checks them all
        try:
            optimizer.values(0)
        except Exception:
            own[name] = before
            raise

    def at(self, optimizer: Any, count: int) -> float:
        """The value for the step after `count` updates."""
        value = vars(optimizer)[self.name]
        if not callable(value):
            return float(value)
        try:
            rate = value(count)
        except OverflowError:  # a rate that grows without end, beyond the largest float
            rate = inf
        place = f"{type(optimizer).__name__}: {self.name} after {count} updates, from {value!r},"
        return number(place, rate, self.low, self.high, self.open_low, " at every update")

    def _number(self, optimizer: Any, value: Any) -> float:
        also = ", or a schedule such as gcnn.optimizers.schedules.InverseTime(0.1, 0.01)" if self.scheduled else ""
        return number(f"{type(optimizer).__name__}: {self.name}", value, self.low, self.high, self.open_low, also)


class Fixed:
    """A part of the rule that plans are made from: set once, since a plan would not see it change."""

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    def __get__(self, optimizer: Any, owner: type | None = None) -> Any:
        return self if optimizer is None else vars(optimizer)[self.name]

    def __set__(self, optimizer: Any, value: Any) -> None:
        if self.name in vars(optimizer):
            raise OptimizerError(
                f"{type(optimizer).__name__}: {self.name} is part of the rule that plans are made from and cannot change. "
                f"Make a new optimizer with {self.name}={value!r} and a new training step."
            )
        vars(optimizer)[self.name] = value


def is_schedule(value: Any) -> bool:
    """Whether a value can be asked for a rate; a class is not yet a schedule."""
    return callable(value) and not isinstance(value, type)
