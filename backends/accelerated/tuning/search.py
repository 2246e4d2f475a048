"""The search: every candidate is compiled, checked and timed beside the default; the best few are timed again."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from gcnn.backends.accelerated.limits import Limits
from gcnn.backends.accelerated.tuning.errors import Unmeasurable, WrongResult
from gcnn.backends.accelerated.tuning.space import Parameters, Space
from gcnn.backends.accelerated.tuning.timing import Timed, settled, take_turns
from gcnn.maps import Array

EXHAUSTIVE = 200
"""Of so many candidates all are tried."""
RANDOM = 60
"""Of more, so many at random, before the best of them is improved parameter by parameter."""
FINALISTS = 5
GAIN = 1.03
"""The default stays unless it is beaten by more than this, by times that agree with one another as well, and once more."""
SIEVE_AGREEMENT = 1.1
MOST_SIEVE_ROUNDS, FEWEST_ROUNDS, MOST_ROUNDS = 30, 9, 100
HOPELESS, HOPELESS_AT_ONCE = 3.0, 30.0
"""What takes so many times longer than the yardstick, in six rounds or in one, is measured no further."""
SLACK = 1.25
"""Finalists were within so much of the fastest."""
_SIEVE_SHARE = 0.8
"""Of the time; the rest is for the last rounds."""


Values = tuple[int, ...]
"""Of the parameters, in their order."""


class Trial(Protocol):
    """A kernel and a problem, on which candidates are tried."""

    def prepare(self, parameters: Parameters) -> Callable[[int], float]:
        """Compile, and compare with the oracle on awkward shapes; what then runs so many times and gives the seconds.

        Raises:
            WrongResult: it computes something else. DeviceError: it does not compile or launch.
        """


class Budget:
    """How long a search may take.

    Args:
        seconds: from now.
        stop: asked between candidates whether to end before that.
        clock: seconds that pass.
    """

    def __init__(
        self,
        seconds: float,
        stop: Callable[[], bool] = lambda: False,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._seconds, self._stop, self._clock, self._start = seconds, stop, clock, clock()

    def spent(self, share: float = 1.0) -> bool:
        """Whether this share of it is gone, or it was stopped."""
        return self._stop() or self._clock() - self._start >= share * self._seconds


@dataclass(frozen=True)
class Tried:
    """A candidate and what became of it.

    Attributes:
        parameters: what was tried.
        ratio: its time by the yardstick's, the default's where that works; `None` where it was not measured.
        reason: why it was not.
    """

    parameters: Parameters
    ratio: float | None
    reason: str = ""


@dataclass(frozen=True)
class Outcome:
    """What a search found.

    Attributes:
        chosen: the default unless it was beaten or does not work; `None` where nothing works.
        gain: the default's time by the chosen's, in the last rounds; `None` where the default does not work.
        benchmark_gain: the same for the benchmark.
        seconds: of one run with what was chosen.
        tried: all that was tried, in order.
        complete: whether nothing was left out for lack of time.
    """

    chosen: Parameters | None
    gain: float | None
    benchmark_gain: float | None
    seconds: float | None
    tried: tuple[Tried, ...]
    complete: bool

    @property
    def refused(self) -> list[Tried]:
        """Candidates that are wrong, fail or cannot be measured."""
        return [tried for tried in self.tried if tried.ratio is None]


def search(
    space: Space,
    limits: Limits,
    trial: Trial,
    budget: Budget,
    seed: int = 0,
    watch: Callable[[int, int], None] = lambda done, of: None,
) -> Outcome:
    """Find the fastest right parameters.

    Args:
        space: what may be chosen.
        limits: of the device, which prune it before anything is compiled.
        trial: what compiles, checks and runs a candidate.
        budget: the time.
        seed: of the candidates that are tried where there are too many for all.
        watch: called after each candidate, with how many were tried and about how many there are to try.
    """
    candidates = space.candidates(limits)
    sieve = _Sieve(space, trial)
    sieve.measure(space.default)
    if space.benchmark != space.default:
        sieve.measure(space.benchmark)
    if len(candidates) <= EXHAUSTIVE:
        order, expected = iter(candidates), len(candidates)
    else:
        order, expected = _sampled(candidates, sieve, space, seed), RANDOM
    complete = True
    for candidate in order:
        if budget.spent(_SIEVE_SHARE):
            complete = False
            break
        sieve.measure(candidate)
        watch(len(sieve.tried), max(expected, len(sieve.tried)))
    return _final(sieve, space, limits, budget, complete)


class _Sieve:
    """What was tried so far; the fastest stay ready to run."""

    def __init__(self, space: Space, trial: Trial) -> None:
        self._names, self._trial = tuple(space.parameters), trial
        self._kept = {self.key(space.default), self.key(space.benchmark)}
        self._yardstick: Timed | None = None
        self.tried: dict[Values, Tried] = {}
        self.ready: dict[Values, Timed] = {}

    def key(self, parameters: Parameters) -> Values:
        return tuple(parameters[name] for name in self._names)

    def ratio(self, key: Values) -> float:
        """What a candidate was measured to take; infinite for those that were not."""
        ratio = self.tried[key].ratio
        return np.inf if ratio is None else ratio

    def measure(self, parameters: Parameters) -> None:
        """Try a candidate, once."""
        key = self.key(parameters)
        if key in self.tried:
            return
        try:
            timed = Timed(self._trial.prepare(parameters))
            ratio = self._against_yardstick(timed)
        except Unmeasurable as error:
            self.tried[key] = Tried(parameters, None, f"not measurable: {error}")
        except WrongResult as error:
            self.tried[key] = Tried(parameters, None, f"wrong: {error}")
        except Exception as error:  # noqa: BLE001  # compilers and drivers fail in any way; the reason is kept
            self.tried[key] = Tried(parameters, None, f"failing: {type(error).__name__}: {error}")
        else:
            self.tried[key], self.ready[key] = Tried(parameters, ratio), timed
            fastest = sorted(self.ready, key=self.ratio)[: FINALISTS + len(self._kept)]
            self.ready = {k: t for k, t in self.ready.items() if k in self._kept or k in fastest}

    def _against_yardstick(self, timed: Timed) -> float:
        if self._yardstick is None:
            self._yardstick = timed
            return 1.0

        def enough(times: Array) -> bool:
            ratio = _gain(times[:, 0], times[:, 1])
            return ratio > (HOPELESS if len(times) >= 6 else HOPELESS_AT_ONCE) or settled(times, SIEVE_AGREEMENT)

        times = take_turns((self._yardstick, timed), MOST_SIEVE_ROUNDS, enough)
        return _gain(times[:, 0], times[:, 1])


def _sampled(candidates: list[Parameters], sieve: _Sieve, space: Space, seed: int) -> Iterator[Parameters]:
    """Some at random, then coordinate descent: along one parameter after another, as long as that finds better ones."""
    for number in np.random.default_rng(seed).permutation(len(candidates))[:RANDOM]:
        yield candidates[number]
    known = {sieve.key(candidate): candidate for candidate in candidates}
    best, before = min(sieve.tried, key=sieve.ratio), None
    while best != before:
        before = best
        for name, values in space.parameters.items():
            for value in values:
                near = known.get(sieve.key({**sieve.tried[best].parameters, name: value}))
                if near is not None:
                    yield near
            best = min(sieve.tried, key=sieve.ratio)


def _final(sieve: _Sieve, space: Space, limits: Limits, budget: Budget, complete: bool) -> Outcome:
    """Time the best few beside the default, and the best of them once more, which is then held to what it claims."""
    default, benchmark = sieve.key(space.default), sieve.key(space.benchmark)

    def rounds(*keys: Values) -> dict[Values, Array]:
        contestants = [sieve.ready[key] for key in keys]

        def enough(times: Array) -> bool:
            return len(times) >= FEWEST_ROUNDS and (settled(times, GAIN) or budget.spent())

        times = take_turns(contestants, MOST_ROUNDS, enough)
        return dict(zip(keys, times.T, strict=True))

    able = [key for key in sieve.ready if space.fault(sieve.tried[key].parameters, limits) is None]
    promising = [key for key in able if key != default and sieve.ratio(key) < SLACK * min(map(sieve.ratio, able))]
    finalists = sorted(promising, key=sieve.ratio)[:FINALISTS]
    if not able:
        return Outcome(None, None, None, None, tuple(sieve.tried.values()), complete)
    if default in sieve.ready:
        times = together = rounds(default, *finalists)
        chosen = max(finalists, key=lambda key: _gain(times[key], times[default]), default=default)
        if chosen != default and _beats(times[chosen], times[default]):
            times = rounds(default, chosen)
        if not _beats(times[chosen], times[default]):
            chosen = default
        gain = _gain(times[chosen], times[default])
        benchmark_gain = gain * (
            _gain(together[default], together[benchmark]) if benchmark in together else sieve.ratio(benchmark)
        )
    else:
        times, gain = rounds(*finalists), None
        chosen = min(finalists, key=lambda key: float(times[key].min()))
        benchmark_gain = sieve.ratio(benchmark) / sieve.ratio(chosen)
    return Outcome(
        chosen=sieve.tried[chosen].parameters,
        gain=gain,
        benchmark_gain=1.0 if benchmark == chosen else benchmark_gain if np.isfinite(benchmark_gain) else None,
        seconds=float(times[chosen].min()),
        tried=tuple(sieve.tried.values()),
        complete=complete,
    )


def _gain(times: Array, others: Array) -> float:
    """How many times longer the others took, in the shortest of the rounds."""
    return float(others.min() / times.min())


def _beats(times: Array, others: Array) -> bool:
    return _gain(times, others) > GAIN and settled(np.stack((times, others), axis=1), GAIN)
