"""What answers the bound layers of a plan when they ask with which parameters to compile their kernels."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from gcnn.backends.accelerated.runtime import Runtime
from gcnn.backends.accelerated.tuning import ladder
from gcnn.backends.accelerated.tuning.errors import TuningError
from gcnn.backends.accelerated.tuning.key import PLAN, Key, Problem, device_name
from gcnn.backends.accelerated.tuning.ladder import Choice
from gcnn.backends.accelerated.tuning.search import Trial
from gcnn.backends.accelerated.tuning.space import Parameters, Space
from gcnn.backends.accelerated.tuning.store import Store


class Chooser(Protocol):
    """Chooses, and remembers what for."""

    def choose(self, space: Space, problem: Problem, layer: str, trial: Callable[[], Trial]) -> Parameters:
        """The parameters of a kernel.

        Args:
            space: what may be chosen.
            problem: the kernel and its sizes.
            layer: whose kernel it is, for people.
            trial: makes what checks and times candidates.
        """


class Defaults:
    """Every kernel's default."""

    def choose(self, space: Space, problem: Problem, layer: str, trial: Callable[[], Trial]) -> Parameters:
        return space.default


class Forced:
    """One kernel's parameters as given, the others' defaults; for trials.

    Args:
        kernel: the name of the problem.
        parameters: its.
    """

    def __init__(self, kernel: str, parameters: Parameters) -> None:
        self._kernel, self._parameters = kernel, parameters

    def choose(self, space: Space, problem: Problem, layer: str, trial: Callable[[], Trial]) -> Parameters:
        if problem.name != self._kernel:
            return space.default
        broken = [constraint.words for constraint in space.constraints if not constraint.holds(self._parameters)]
        if broken:
            raise TuningError(f"{layer}: {problem.name} cannot take {dict(self._parameters)}: {'; '.join(broken)}.")
        return self._parameters


@dataclass(frozen=True)
class Task:
    """A kernel that can be tuned: for which layer, in which space, and on what it is tried."""

    layer: str
    problem: Problem
    space: Space
    trial: Callable[[], Trial]


class Collector:
    """Every kernel's default, and a list of what was asked for: what there is to tune in a plan."""

    def __init__(self) -> None:
        self.tasks: list[Task] = []

    def choose(self, space: Space, problem: Problem, layer: str, trial: Callable[[], Trial]) -> Parameters:
        self.tasks.append(Task(layer, problem, space, trial))
        return space.default


class Ladder:
    """The ladder, for one plan.

    Args:
        runtime: where the plan runs.
        dtype: its.

    Attributes:
        log: for each kernel what was chosen and where it came from.

    Raises:
        TuningError: GCNN_TUNE is set to something unknown.
    """

    def __init__(self, runtime: Runtime, dtype: str) -> None:
        self._runtime, self._dtype, self._mode = runtime, dtype, ladder.mode()
        self._store = Store(runtime.language, device_name(runtime))
        self._entries = {} if self._mode == "off" else self._store.entries()
        self._chosen: dict[Key, Choice] = {}
        self.log: list[Mapping[str, Any]] = []

    def choose(self, space: Space, problem: Problem, layer: str, trial: Callable[[], Trial]) -> Parameters:
        key = Key.of(problem, self._runtime, self._dtype)
        if key not in self._chosen:
            # A search over layouts would tune every kernel in each: that is for `gcnn tune`.
            mode = "cache" if problem.file == PLAN and self._mode == "on" else self._mode
            self._chosen[key] = ladder.choose(self._runtime, space, key, trial, mode, self._store, self._entries)
        parameters, origin = self._chosen[key]
        self.log.append({"layer": layer, "kernel": problem.name, "parameters": dict(parameters), "from": origin})
        return parameters
