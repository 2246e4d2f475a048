"""How many samples of a batch are computed at a time: so many that a cache holds what layers leave, or that weights are read seldom."""

from __future__ import annotations

from collections.abc import Sequence

from gcnn.backends.accelerated.fused import stages_of
from gcnn.backends.accelerated.lanes import Lanes
from gcnn.backends.accelerated.limits import Limits
from gcnn.backends.accelerated.runtime import Runtime
from gcnn.network import Stage

CACHE = 1 << 20
"""Bytes of values for each compute unit of a CPU: of its second cache, which it has for itself, half or all (decision "parts")."""
FEWEST = 64
"""Samples of a part, however large they are: less is not worth the launches."""
PASSES = 2
"""Times that the values of a part may take the memory of the parameters, which each part reads, and whose gradient it reads and writes."""
GRADIENT = 1 << 19
"""Bytes of a gradient that a compute unit may have for itself: it adds to it, part by part, in the same cache."""


def samples_of_part(limits: Limits, lanes: Lanes, stages: Sequence[Stage], itemsize: int, batch: int) -> int:
    """The whole batch where it fits, and on GPUs, which hide the way to memory; else blocks for all compute units alike."""
    if limits.vector_bytes == 0:
        return batch
    every = [part for stage in stages for part in stages_of(stage.layer, stage.inputs)]
    sample = 2 * itemsize * sum(stage.inputs.points + stage.outputs.points for stage in every)
    together = lanes.count * limits.compute_units
    parameters = itemsize * sum(stage.parameters.stop - stage.parameters.start for stage in stages)
    most = max(CACHE * limits.compute_units // sample, PASSES * parameters // sample, FEWEST)
    return min(batch, max(most // together, 1) * together)


def is_dealt(runtime: Runtime, lanes: Lanes, batch: int, part: int, gradient: int) -> bool:
    """Whether each compute unit should go through its samples alone, with a gradient of so many bytes (`per_unit.PerUnit`): where there is
    a block for every unit, and the gradient is small.

    Not where the batch is one part and an end is seen late: a launch of their own then leaves its losses earlier, so that the host goes on
    beside the gradient. Elsewhere that gains less than a launch takes.
    """
    one = part >= batch and runtime.waits_for_all
    return not one and lanes.blocks(batch) >= runtime.limits.compute_units and gradient <= GRADIENT
