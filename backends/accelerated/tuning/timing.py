"""Times that can be compared on a machine that does other things too.

A measurement is long enough for the clock, and contestants take turns: what slows the machine slows all of them alike.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence

import numpy as np

from gcnn.backends.accelerated.runtime import Runtime
from gcnn.backends.accelerated.tuning.errors import Unmeasurable
from gcnn.maps import Array

SHORTEST = 1e-3
"""Seconds of one measurement at least: marks have at worst microseconds. Longer ones would more often be interrupted by others."""
AGREEING = 3
MOST_RUNS = 1 << 14
"""Runs of one measurement, at most."""
_LAUNCHES_DOMINATE = 1.5
"""Where the host's clock shows so many times what the marks show, launching is what takes the time."""


class Timed:
    """Something that runs, with the number of runs that makes a measurement long enough.

    Args:
        seconds: runs so many times and gives the time that all of them took together.

    Raises:
        Unmeasurable: even the most runs take less than a measurement needs, or times that are no positive numbers.
    """

    def __init__(self, seconds: Callable[[int], float]) -> None:
        self._seconds, self.runs = seconds, 1
        seconds(1)  # the first run pays for what is only done once
        # The shorter of two, since one that was interrupted looks long enough.
        while (taken := min(seconds(self.runs), seconds(self.runs))) < SHORTEST:
            if self.runs >= MOST_RUNS or math.isnan(taken):
                raise Unmeasurable(f"{self.runs} runs took {taken:g} s, which is too short to measure")
            wanted = 1.2 * SHORTEST / taken if taken > 0 else math.inf
            self.runs = int(min(MOST_RUNS, max(2 * self.runs, self.runs * min(wanted, 64))))

    def once(self) -> float:
        """Seconds of one run, from one measurement."""
        taken = self._seconds(self.runs) / self.runs
        if not 0 < taken < math.inf:
            raise Unmeasurable(f"a run took {taken:g} s by the clock")
        return taken


def take_turns(contestants: Sequence[Timed], rounds: int, enough: Callable[[Array], bool]) -> Array:
    """(rounds, contestants) seconds of a run; who begins changes with every round.

    Args:
        contestants: what to measure.
        rounds: measurements of each, at most.
        enough: asked after each round whether the times so far are.
    """
    times = np.empty((rounds, len(contestants)))
    for done in range(rounds):
        for place in range(len(contestants)):
            number = (place + done) % len(contestants)
            times[done, number] = contestants[number].once()
        if enough(times[: done + 1]):
            return times[: done + 1]
    return times


def settled(times: Array, within: float) -> bool:
    """Whether the three shortest times of every contestant agree within this factor.

    What else a machine does makes times longer, never shorter, so that the shortest tells what a contestant takes; that it came
    up three times tells that it was not chance. A quiet machine needs a few rounds for that and a busy one many.
    """
    if len(times) < AGREEING:
        return False
    shortest = np.sort(times, axis=0)
    return bool((shortest[AGREEING - 1] <= within * shortest[0]).all())


class DeviceClock:
    """Seconds that launches take on a device, by marks in its queue; by the host's clock where launching takes longer.

    The queue is empty before and after each measurement.

    Args:
        runtime: where they run.
        launches: one run, in order.
    """

    def __init__(self, runtime: Runtime, launches: Sequence[Callable[[], None]]) -> None:
        self._runtime, self._launches = runtime, tuple(launches)

    def __call__(self, runs: int) -> float:
        runtime = self._runtime
        runtime.synchronize()
        begin, start = time.perf_counter(), runtime.mark()
        for _ in range(runs):
            for launch in self._launches:
                launch()
        end = runtime.mark()
        runtime.synchronize()
        host, device = time.perf_counter() - begin, end.seconds_since(start)
        return device if device <= host <= _LAUNCHES_DOMINATE * device else host
