"""Where the time of a gradient goes: launch by launch, and work by work inside of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from gcnn.backends.accelerated.fused import stages_of
from gcnn.backends.accelerated.launches import Enqueued, Launches, Origin
from gcnn.backends.accelerated.place import Kernels
from gcnn.backends.accelerated.stitching import Stitched
from gcnn.backends.accelerated.tuning.timing import DeviceClock, Timed, take_turns
from gcnn.backends.accelerated.work import Work
from gcnn.costs import layer_cost
from gcnn.network import Stage

ROUNDS = 9
SUMS, CEILING_ROUNDS = 12, 1 << 14
"""Of the kernel that measures the ceiling: sums for two units of multiplication that take four cycles, and a fifth of a millisecond."""
_GROUP, _GROUPS_PER_UNIT = 256, 8
COSTS = {"forward": "forward", "gradient": "gradient", "backpropagate": "backpropagation"}
"""What `gcnn.costs` calls the FLOPs of a task; others have none that count."""
FREE = {"SPLIT", "STRIP", "STRIPS", "PANELS", "MADE", "ROWS_RUN"}
"""Macros that tuning chooses, besides those called ..._TILE."""


def rows(launches: Launches, stages: Sequence[Stage], samples: int) -> list[dict[str, Any]]:
    """The works of a gradient in order: the launch and the layer they belong to, their kernels and sizes, and FLOPs.

    FLOPs are those of `gcnn.costs`, for so many samples, of whichever algorithm; they stand beside the work of a layer's task that has its
    name, or else the first.
    """
    found: list[dict[str, Any]] = []
    every = list(_works(_order(launches)))
    main: dict[Origin, Work] = {}
    for _, work in every:
        origin = launches.origins.get(work)
        if origin is not None and (origin not in main or work.kernel == origin.task != main[origin].kernel):
            main[origin] = work
    for number, work in every:
        origin = launches.origins.get(work)
        flops = samples * _flops(stages[origin.layer], origin) if origin is not None and main[origin] is work else 0
        found.append(
            {
                "launch": number,
                "layer": None if origin is None else origin.layer,
                "task": None if origin is None else origin.task,
                "kernel": work.label,
                "parameters": {name: n for name, n in work.defines.items() if name.endswith("_TILE") or name in FREE},
                "groups": list(work.groups),
                "flops": flops,
            }
        )
    return found


def timed(launches: Launches, stages: Sequence[Stage], samples: int, kernels: Kernels) -> dict[str, Any]:
    """The same with seconds: of launches as they run, of works each in a launch of its own, and the device's ceiling in FLOPs a second.

    All take turns, and the shortest time counts: what else a machine does makes times longer, never shorter. Compiles every work for
    itself. Writes the gradient, and values of layers.
    """
    order = _order(launches)
    works = [work for _, work in _works(order)]
    operations, ceiling = _ceiling(kernels)
    contestants: list[Callable[[], None]] = [ceiling, *order, *works]
    clocks = [Timed(DeviceClock(kernels.runtime, [launch])) for launch in contestants]
    seconds = take_turns(clocks, ROUNDS, lambda times: False).min(axis=0).tolist()
    highest = operations / seconds[0]
    found = rows(launches, stages, samples)
    for row, alone in zip(found, seconds[1 + len(order) :], strict=True):
        row["seconds"] = alone
        row["of_ceiling"] = row["flops"] / alone / highest
    return {"ceiling": highest, "seconds": seconds[1 : 1 + len(order)], "works": found}


def _order(launches: Launches) -> list[Enqueued]:
    """What a gradient enqueues."""
    return [*launches.preparation(launches.lowest + 1), *launches.of_gradient]


def _works(launches: Sequence[Enqueued]) -> Iterator[tuple[int, Work]]:
    for number, launch in enumerate(launches):
        for work in launch.works if isinstance(launch, Stitched) else [launch]:
            yield number, work


def _flops(stage: Stage, origin: Origin) -> int:
    """Of one sample; of the layers that a fused one stands for together."""
    if origin.task not in COSTS:
        return 0
    costs = [layer_cost(part, origin.layer) for part in stages_of(stage.layer, stage.inputs)]
    return sum(int(getattr(cost, COSTS[origin.task])) for cost in costs)


def _ceiling(kernels: Kernels) -> tuple[int, Callable[[], None]]:
    """FLOPs of a launch that does multiply-adds in registers, and the launch."""
    limits, vector = kernels.runtime.limits, kernels.lanes.vector
    items = 1 if vector > 1 else limits.group(_GROUP)
    groups = limits.compute_units * _GROUPS_PER_UNIT
    sums = kernels.alloc(groups * items, "sums of the ceiling")
    arguments = kernels.real(0.5), sums
    defines = {"ROUNDS": CEILING_ROUNDS, "SUMS": SUMS}
    work = kernels.bind_blocks("ceiling.cl", "multiply_add", (groups,), (items,), arguments, **defines)
    return 2 * groups * items * vector * CEILING_ROUNDS * SUMS, work
