"""The parameters that a kernel may be compiled with, declared beside the kernel."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import NamedTuple

from gcnn.backends.accelerated.limits import Limits
from gcnn.backends.accelerated.tuning.errors import TuningError

Parameters = Mapping[str, int]
"""Macros of a kernel and their values."""


class Constraint(NamedTuple):
    """What must hold between parameters, in words and as a predicate."""

    words: str
    holds: Callable[[Parameters], bool]


@dataclass(frozen=True)
class Space:
    """What may be chosen for one kernel and one problem.

    Args:
        parameters: the candidates of each, in the order in which they are tried.
        default: good without tuning; chosen for each class of device from measurements.
        benchmark: what Hedberg's section 9 advises, literally, as a baseline for reports. Its values need not be candidates.
        constraints: what else must hold.
        items: work-items of a group.
        shared_bytes: memory that a group shares.
        cost: accesses to global memory (`tuning.cost`): cheaper candidates are tried first, so that a search that runs out of
            time has seen them.

    Raises:
        TuningError: a parameter without candidates or with one twice; a default that is not a candidate; a default or benchmark
            that does not hold to the constraints.
    """

    parameters: Mapping[str, Sequence[int]]
    default: Parameters
    benchmark: Parameters
    constraints: tuple[Constraint, ...] = ()
    items: Callable[[Parameters], int] = lambda parameters: 1
    shared_bytes: Callable[[Parameters], int] = lambda parameters: 0
    cost: Callable[[Parameters], float] | None = None

    def __post_init__(self) -> None:
        for name, values in self.parameters.items():
            if not values or len(set(values)) < len(values):
                raise TuningError(f"the candidates of {name} must be there and differ, got {list(values)}.")
        for what, given in (("default", self.default), ("benchmark", self.benchmark)):
            fault = (self._unknown(given) if what == "default" else None) or self._broken(given)
            if fault is not None:
                raise TuningError(f"the {what} {dict(given)} is not in its space: {fault}.")

    def fault(self, parameters: Parameters, limits: Limits) -> str | None:
        """Why these parameters cannot be chosen on a device; `None` where they can."""
        return self._unknown(parameters) or self._broken(parameters) or self._too_large(parameters, limits)

    def candidates(self, limits: Limits) -> list[Parameters]:
        """All that can be chosen on a device: by cost where there is one, else in the order of their declaration."""
        names = list(self.parameters)
        every = (dict(zip(names, values, strict=True)) for values in product(*self.parameters.values()))
        found: list[Parameters] = [candidate for candidate in every if self.fault(candidate, limits) is None]
        return found if self.cost is None else sorted(found, key=self.cost)

    def _misnamed(self, parameters: Parameters) -> str | None:
        return None if set(parameters) == set(self.parameters) else f"its parameters are {', '.join(self.parameters)}"

    def _broken(self, parameters: Parameters) -> str | None:
        if misnamed := self._misnamed(parameters):
            return misnamed
        broken = [constraint.words for constraint in self.constraints if not constraint.holds(parameters)]
        return f"{'; '.join(broken)} does not hold" if broken else None

    def _unknown(self, parameters: Parameters) -> str | None:
        """First of all: constraints may count on candidates, and results come from files."""
        if misnamed := self._misnamed(parameters):
            return misnamed
        unknown = [name for name, values in self.parameters.items() if parameters[name] not in values]
        return f"{', '.join(unknown)} is no candidate" if unknown else None

    def _too_large(self, parameters: Parameters, limits: Limits) -> str | None:
        items, shared = self.items(parameters), self.shared_bytes(parameters)
        if items > limits.block_items:
            return f"a group has {items} work-items, the device allows {limits.block_items}"
        if shared > limits.shared_bytes:
            return f"a group shares {shared:,} bytes, the device has {limits.shared_bytes:,}"
        return None
