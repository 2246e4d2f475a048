"""Tuning all kernels of a plan, one after another, with a common budget."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from time import perf_counter

from gcnn.backends.accelerated.runtime import Runtime
from gcnn.backends.accelerated.tuning.choosers import Task
from gcnn.backends.accelerated.tuning.key import Key, device_name
from gcnn.backends.accelerated.tuning.ladder import keep
from gcnn.backends.accelerated.tuning.search import Budget, search
from gcnn.backends.accelerated.tuning.store import Store
from gcnn.tuning import Progress, Tuned


def tune(
    runtime: Runtime,
    tasks: Sequence[Task],
    dtype: str,
    seconds: float,
    watch: Callable[[Progress], None],
    stop: Callable[[], bool],
) -> Iterator[Tuned]:
    """See `gcnn.tuning.Tunes`; time that one kernel leaves over goes to those after it."""
    store = Store(runtime.language, device_name(runtime))
    distinct: dict[Key, Task] = {}
    for task in tasks:
        distinct.setdefault(Key.of(task.problem, runtime, dtype), task)
    end = perf_counter() + seconds
    for number, (key, task) in enumerate(distinct.items()):
        if stop():
            return

        def progress(tried: int, candidates: int, kernel: str = key.kernel, number: int = number) -> None:
            watch(Progress(kernel, number, len(distinct), tried, candidates))

        progress(0, len(task.space.candidates(runtime.limits)))
        budget = Budget((end - perf_counter()) / (len(distinct) - number), stop)
        outcome = search(task.space, runtime.limits, task.trial(), budget, watch=progress)
        # A search that was stopped has nothing to say for the default.
        if not stop() or outcome.chosen != task.space.default:
            keep(store, key, task.space, outcome)
        yield Tuned(
            layer=task.layer,
            kernel=key.kernel,
            default=task.space.default,
            benchmark=task.space.benchmark,
            chosen=outcome.chosen,
            gain=outcome.gain,
            benchmark_gain=outcome.benchmark_gain,
            seconds=outcome.seconds,
            tried=len(outcome.tried),
            refused=tuple((tried.parameters, tried.reason) for tried in outcome.refused),
            complete=outcome.complete,
        )
