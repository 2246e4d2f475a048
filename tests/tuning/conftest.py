"""Limits, spaces and kernels that only exist here, so that a search can be watched without a device."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import pytest

from gcnn.backends.accelerated.limits import Limits
from gcnn.backends.accelerated.tuning.space import Parameters, Space

LIMITS = Limits(
    memory_bytes=1 << 30,
    allocation_bytes=1 << 28,
    shared_bytes=4096,
    block_items=64,
    block=(64, 64, 64),
    grid=(1 << 20,) * 3,
    compute_units=4,
    vector_bytes=64,
    float64=True,
)


class PretendedKernel:
    """A trial whose candidates take the seconds that a test says, on a clock that only their runs move.

    Args:
        seconds: of one run, by value of TILE (or of all parameters); what is not named takes a millisecond. An exception
            instead is raised by `prepare`.
        noise: relative; every measurement is longer by up to so much.
        interrupted: how often a measurement is interrupted by others, which makes it up to ten times as long.
        tick: what the clock counts in; a measurement is rounded down to it.
    """

    def __init__(
        self,
        seconds: Mapping[object, float | Exception],
        noise: float = 0.0,
        interrupted: float = 0.0,
        tick: float = 0.0,
        seed: int = 0,
    ) -> None:
        self._seconds, self._noise, self._interrupted, self._tick = seconds, noise, interrupted, tick
        self._random = np.random.default_rng(seed)
        self.prepared: list[tuple[int, ...]] = []
        self.slowness = 1.0
        self.now = 0.0

    def prepare(self, parameters: Parameters) -> Callable[[int], float]:
        values = tuple(parameters.values())
        self.prepared.append(values)
        self.now += 0.1
        seconds = self._seconds.get(values if len(values) > 1 else values[0], 1e-3)
        if isinstance(seconds, Exception):
            raise seconds

        def run(times: int) -> float:
            taken = times * seconds * self.slowness * (1 + self._noise * float(self._random.random()))
            if self._random.random() < self._interrupted:
                taken *= float(self._random.uniform(1, 10))
            self.now += taken
            return taken // self._tick * self._tick if self._tick else taken

        return run


@pytest.fixture
def limits() -> Limits:
    return LIMITS


@pytest.fixture
def pretended() -> type[PretendedKernel]:
    return PretendedKernel


@pytest.fixture
def tiles() -> Callable[..., Space]:
    """A space of one parameter, TILE, with a default of 8 and a benchmark of 1."""

    def space(*values: int, default: int = 8, **options: object) -> Space:
        return Space({"TILE": values or (1, 2, 4, 8, 16)}, {"TILE": default}, {"TILE": 1}, **options)

    return space
