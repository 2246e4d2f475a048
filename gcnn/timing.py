"""Times of several works in one process, taken in turns, so that a busy or throttled machine slows all of them alike."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

SETTLE = 8
"""The part of a block that goes before it, untimed."""


@dataclass(frozen=True)
class Timing:
    """How long one call took, over the blocks.

    Attributes:
        median, low, high: seconds: the median, and the quartiles around it.
        blocks: how many times were taken.
        calls: calls in each of them.
    """

    median: float
    low: float
    high: float
    blocks: int
    calls: int


def interleaved(
    works: Mapping[str, Callable[[], object]],
    blocks: int = 15,
    least: float = 0.02,
    finish: Mapping[str, Callable[[], object]] = MappingProxyType({}),
) -> dict[str, Timing]:
    """Time works block by block, each in its turn. An eighth of a block settles it first: threads of the one before may still be spinning,
    its own are asleep, and the caches are the other's.

    Args:
        works: what to call, by name; a call must wait until its work is done, but for what `finish` waits for.
        blocks: times to take of each; one more before them warms up.
        least: seconds that a block should last; faster works are called several times in one.
        finish: by name, what waits for work that calls have left behind: called at the end of a block, as a part of it.

    Raises:
        ValueError: no blocks.
    """
    if blocks < 1:
        raise ValueError(f"blocks must be at least 1, got {blocks}.")
    ends = {name: finish.get(name, _nothing) for name in works}
    calls = {name: _calls(work, least, ends[name]) for name, work in works.items()}
    times: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(blocks):
        for name, work in works.items():
            _seconds(work, -(-calls[name] // SETTLE), ends[name])
            times[name].append(_seconds(work, calls[name], ends[name]))
    return {name: _timing(values, calls[name]) for name, values in times.items()}


def _nothing() -> None:
    """What is to be waited for after a call that has waited."""


def _calls(work: Callable[[], object], least: float, finish: Callable[[], object]) -> int:
    """How many calls last so long; the calls made to find out warm up."""
    work()
    calls = 1
    while (spent := _seconds(work, calls, finish) * calls) < least:
        calls = max(2 * calls, int(calls * least / max(spent, 1e-9)))
    return calls


def _seconds(work: Callable[[], object], calls: int, finish: Callable[[], object]) -> float:
    start = time.perf_counter()
    for _ in range(calls):
        work()
    finish()
    return (time.perf_counter() - start) / calls


def _timing(values: list[float], calls: int) -> Timing:
    low, _, high = statistics.quantiles(values, n=4) if len(values) > 1 else values * 3
    return Timing(statistics.median(values), low, high, len(values), calls)
