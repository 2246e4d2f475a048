"""What a plan puts together: neighbouring layers into one, and layers into a chain."""

from __future__ import annotations

from collections.abc import Sequence

from gcnn.backends.accelerated.abreast import abreast
from gcnn.backends.accelerated.fused import stages_of
from gcnn.backends.accelerated.geometry import Geometry
from gcnn.backends.accelerated.place import Kernels, tiles
from gcnn.backends.accelerated.pooled_convolution import pooled
from gcnn.equivalent import flattened, merged, simplified
from gcnn.layers import Convolution, Dense
from gcnn.network import Stage

BUSY = 0.7
"""The share of compute units that a chain should keep busy."""
SHARED = 1 << 17
"""Multiply-adds of vectors from which on units that would be idle should share a layer; with fewer the launches take what is saved
(decision "small works").
"""
WOKEN = 2
"""Times that where a driver wakes its threads for a launch; some run it on the thread that waits."""
WEIGHTS = 1 << 19
"""Bytes of a dense layer's weights that one block can read without wasting what others read too."""


def fused(stages: Sequence[Stage]) -> tuple[Stage, ...]:
    """The stages, simplified, and with a convolution and the pooling after it as one."""
    return merged(map(flattened, simplified(stages)), pooled)


def stays_in_chain(stage: Stage, part: int, kernels: Kernels) -> bool:
    """Whether a layer is one of a chain, in which an item takes a block through all layers; else its own launch deals it to all units.

    It leaves the chain where blocks are too few for the units and it is worth a launch; and where its weights are so many that blocks
    should share what they read of them.
    """
    blocks, units = kernels.lanes.blocks(part), kernels.runtime.limits.compute_units
    every = stages_of(stage.layer, stage.inputs)
    work = sum(_multiply_adds(one, kernels) for one in every) * blocks
    shared = SHARED if kernels.runtime.waits_for_all else WOKEN * SHARED
    if work > shared and blocks < BUSY * tiles(blocks, units) * units:
        return False
    size = (stage.parameters.stop - stage.parameters.start) * kernels.dtype.itemsize
    return not (isinstance(stage.layer, Dense) and size > WEIGHTS and blocks > 1)


def _multiply_adds(stage: Stage, kernels: Kernels) -> int:
    """Of vectors, for one block."""
    layer, several = stage.layer, 1
    if isinstance(layer, Convolution):
        several = abreast(kernels, Geometry.of(layer, stage.inputs))
    return tiles(layer.multiply_adds(stage.inputs), several)
