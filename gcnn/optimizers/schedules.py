"""Schedules of the step size: μ_i of Hedberg 2015, Eq. 118, as a function of the number of updates done before the step.

Any function of that number may stand in their place; these know how to print and describe themselves:

    Constant      μ
    Step          μ factor^floor(t / every)
    InverseTime   μ / (1 + k t)
    Exponential   μ factor^(t / every)
    Cosine        from μ down to a floor by half a cosine

Of these, `InverseTime` alone is small enough and large enough for a stochastic gradient to settle: Σ μ_i = ∞ and
Σ μ_i² < ∞ (Robbins and Monro 1951).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from math import cos, pi
from typing import Any

from gcnn.errors import OptimizerError
from gcnn.network import is_integer
from gcnn.optimizers.settings import number


class Schedule(ABC):
    """Base of the schedules: frozen dataclasses, checked when they are made.

    Raises:
        OptimizerError: a number outside its range.
    """

    @abstractmethod
    def __call__(self, count: int) -> float:
        """The rate of the step that follows `count` updates; 0 gives the first."""

    def describe(self) -> dict[str, Any]:
        """Name and numbers, fit for JSON."""
        return {"schedule": type(self).__name__, **vars(self)}

    def _positive(self, *names: str) -> None:
        for name in names:
            place = f"{type(self).__name__}: {name}"
            object.__setattr__(self, name, number(place, getattr(self, name), 0, open_low=True))

    def _updates(self, name: str, least: int) -> None:
        value = getattr(self, name)
        if not is_integer(value) or value < least:
            raise OptimizerError(
                f"{type(self).__name__}: {name} counts updates and must be an integer of at least {least}, got {value!r}."
            )
        object.__setattr__(self, name, int(value))


@dataclass(frozen=True)
class Constant(Schedule):
    """The same rate for ever."""

    lr: float

    def __post_init__(self) -> None:
        self._positive("lr")

    def __call__(self, count: int) -> float:
        return self.lr


@dataclass(frozen=True)
class Step(Schedule):
    """The rate multiplied by `factor` after every `every` updates."""

    lr: float
    factor: float
    every: int

    def __post_init__(self) -> None:
        self._positive("lr", "factor")
        self._updates("every", 1)

    def __call__(self, count: int) -> float:
        return self.lr * self.factor ** (count // self.every)


@dataclass(frozen=True)
class InverseTime(Schedule):
    """The rate divided by 1 + k t."""

    lr: float
    k: float

    def __post_init__(self) -> None:
        self._positive("lr", "k")

    def __call__(self, count: int) -> float:
        return self.lr / (1 + self.k * count)


@dataclass(frozen=True)
class Exponential(Schedule):
    """The rate multiplied by `factor` over every `every` updates, a little at each."""

    lr: float
    factor: float
    every: int = 1

    def __post_init__(self) -> None:
        self._positive("lr", "factor")
        self._updates("every", 1)

    def __call__(self, count: int) -> float:
        return self.lr * self.factor ** (count / self.every)


@dataclass(frozen=True)
class Cosine(Schedule):
    """Half a cosine from `lr` down to `floor`, which is reached after `updates` updates and kept.

    Args:
        lr, floor: the highest and the lowest rate.
        updates: length of the whole descent, with the warm-up.
        warmup: this many updates first rise in equal steps to `lr`.
    """

    lr: float
    floor: float
    updates: int
    warmup: int = 0

    def __post_init__(self) -> None:
        self._positive("lr", "floor")
        self._updates("updates", 1)
        self._updates("warmup", 0)
        if self.floor > self.lr:
            raise OptimizerError(f"Cosine: floor must not be above lr={self.lr:g}, got {self.floor:g}.")
        if self.warmup >= self.updates:
            raise OptimizerError(f"Cosine: warmup must end before updates={self.updates}, got {self.warmup}.")

    def __call__(self, count: int) -> float:
        if count < self.warmup:
            return self.lr * (count + 1) / self.warmup
        part = min((count - self.warmup) / (self.updates - self.warmup), 1.0)
        # Written so that both ends are met exactly: a weighted mean of lr and floor.
        weight = (1 + cos(pi * part)) / 2
        return self.lr * weight + self.floor * (1 - weight)
