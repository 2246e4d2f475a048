"""Tuning a plan with a budget: its kernels, one after another, in every layout that may pay, and then the layout itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from time import perf_counter

from gcnn.backends.accelerated.lanes import Lanes
from gcnn.backends.accelerated.runtime import Runtime
from gcnn.backends.accelerated.tuning.choosers import Task
from gcnn.backends.accelerated.tuning.key import PLAN, Key, device_name
from gcnn.backends.accelerated.tuning.ladder import keep
from gcnn.backends.accelerated.tuning.search import Budget, Trial, search
from gcnn.backends.accelerated.tuning.space import Parameters
from gcnn.backends.accelerated.tuning.store import Store
from gcnn.backends.accelerated.tuning.timing import Timed, take_turns
from gcnn.tuning import Progress, Tuned

USUAL_SHARE, OTHERS_SHARE = 0.6, 0.9
"""Of the time, until when the kernels of the usual layout are tuned, and those of others; the rest is for whole plans."""
PROMISING = 1.3
"""A layout that takes so many times longer with untuned kernels is not tuned."""
_ROUNDS = 5


def tune(
    runtime: Runtime,
    tasks: Callable[[Lanes | None], list[Task]],
    dtype: str,
    seconds: float,
    watch: Callable[[Progress], None],
    stop: Callable[[], bool],
) -> Iterator[Tuned]:
    """See `gcnn.tuning.Tunes`; time that one kernel leaves over goes to those after it.

    Args:
        runtime: where.
        tasks: what there is to tune in a plan of a layout; without one, the layout itself before the kernels of the usual one.
        dtype: of the plan.
        seconds: for all of it, about.
        watch: called while it searches.
        stop: asked again and again whether to end.
    """
    start = perf_counter()
    layout, *usual = tasks(None)
    session = _Session(runtime, dtype, watch, stop)
    candidates = layout.space.candidates(runtime.limits)
    alone = len(candidates) == 1
    yield from session.tune(usual, start + (1.0 if alone else USUAL_SHARE) * seconds)
    if alone or stop():
        return
    others: list[Task] = []
    for parameters in _promising(layout, candidates, stop):
        words = f"blocks of {parameters['LANES']}, {parameters['V']} an item"
        others += [replace(task, layer=f"{task.layer}, {words}") for task in tasks(Lanes(**_named(parameters)))]
    yield from session.tune(others, start + OTHERS_SHARE * seconds)
    yield from session.tune([layout], start + seconds)


class _Session:
    def __init__(
        self, runtime: Runtime, dtype: str, watch: Callable[[Progress], None], stop: Callable[[], bool]
    ) -> None:
        self._runtime, self._dtype, self._watch, self._stop = runtime, dtype, watch, stop
        self._store = Store(runtime.language, device_name(runtime))

    def tune(self, tasks: Sequence[Task], end: float) -> Iterator[Tuned]:
        """Each once, as far as there is time; what is found is kept before the next."""
        distinct: dict[Key, Task] = {}
        for task in tasks:
            distinct.setdefault(Key.of(task.problem, self._runtime, self._dtype), task)
        for number, (key, task) in enumerate(distinct.items()):
            if self._stop() or perf_counter() >= end:
                return
            name = "plan" if task.problem.file == PLAN else key.kernel

            def progress(tried: int, candidates: int, kernel: str = name, number: int = number) -> None:
                self._watch(Progress(kernel, number, len(distinct), tried, candidates))

            progress(0, len(task.space.candidates(self._runtime.limits)))
            budget = Budget((end - perf_counter()) / (len(distinct) - number), self._stop)
            outcome = search(task.space, self._runtime.limits, task.trial(), budget, watch=progress)
            # A search that was stopped has nothing to say for the default.
            worth = outcome.chosen is not None and (not self._stop() or outcome.chosen != task.space.default)
            if worth:
                keep(self._store, key, task.space, outcome)
            yield Tuned(
                layer=task.layer,
                kernel=name,
                default=task.space.default,
                benchmark=task.space.benchmark,
                chosen=outcome.chosen,
                gain=outcome.gain,
                benchmark_gain=outcome.benchmark_gain,
                seconds=outcome.seconds,
                tried=len(outcome.tried),
                refused=tuple((tried.parameters, tried.reason) for tried in outcome.refused),
                complete=outcome.complete,
                kept=str(self._store.path) if worth else None,
            )


def _promising(layout: Task, candidates: Sequence[Parameters], stop: Callable[[], bool]) -> list[Parameters]:
    """Layouts other than the usual one that are wrong in nothing and not far slower."""
    trial, usual = layout.trial(), layout.space.default
    yardstick = _timed(trial, usual)
    found = []
    for parameters in candidates:
        if stop() or parameters == usual or yardstick is None:
            continue
        timed = _timed(trial, parameters)
        if timed is not None:
            times = take_turns((yardstick, timed), _ROUNDS, lambda times: False).min(axis=0)
            if times[1] < PROMISING * times[0]:
                found.append(parameters)
    return found


def _timed(trial: Trial, parameters: Parameters) -> Timed | None:
    try:
        return Timed(trial.prepare(parameters))
    except Exception:  # noqa: BLE001  # the search over layouts meets it again, and keeps the reason
        return None


def _named(parameters: Parameters) -> dict[str, int]:
    return {"count": parameters["LANES"], "vector": parameters["V"]}
