"""A batch dealt to compute units, each of which goes alone through its samples and their gradient."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from math import prod

import numpy as np

from gcnn.backends.accelerated.parts import is_dealt
from gcnn.backends.accelerated.place import Kernels, tiles
from gcnn.backends.accelerated.runtime import Buffer
from gcnn.backends.accelerated.stitching import RAW_GROUP, Stitched, Text, Tile, axes, repeated
from gcnn.backends.accelerated.vectors import Chunks
from gcnn.backends.accelerated.work import Argument, Bound, Setting, Work


@dataclass(frozen=True)
class Shares:
    """What units have for themselves.

    Attributes:
        units: how many.
        blocks: for how many blocks of samples each has memory.
        samples: of the batch.
        gradient: the whole flat gradient, where the first unit adds up.
        others: the same for each of the other units, one after another.
    """

    units: int
    blocks: int
    samples: Setting
    gradient: Buffer
    others: Buffer

    @classmethod
    def of(cls, kernels: Kernels, batch: int, part: int, gradient: Buffer) -> Shares | None:
        """For a batch of which so many samples are a part; `None` where units better go through them together."""
        if not is_dealt(kernels.runtime, kernels.lanes, batch, part, gradient.nbytes):
            return None
        units = kernels.runtime.limits.compute_units
        others = kernels.alloc(
            (units - 1) * (gradient.nbytes // kernels.dtype.itemsize), "gradients of other compute units"
        )
        samples = Setting(np.int32(part), "samples")
        return cls(units, tiles(kernels.lanes.blocks(part), units), samples, gradient, others)

    def add_up(self, kernels: Kernels) -> list[Work]:
        """The gradients of all units into the first's."""
        if self.units == 1:
            return []
        groups = (Chunks.of(kernels.runtime, kernels.dtype.itemsize).groups,)
        arguments = self.gradient, self.others, np.int64(self.gradient.nbytes // kernels.dtype.itemsize)
        return [kernels.bind_blocks("shares.cl", "add_shares", groups, (1,), arguments, SHARES=self.units - 1)]


def blocks_together(blocks: int, units: int, shares: Shares | None) -> int:
    """How many of so many blocks an item takes through a chain together, which then share the weights that they read: two, where units
    stay as busy.
    """
    if shares is not None:
        return 2 - shares.blocks % 2
    return 2 if 2 * tiles(tiles(blocks, 2), units) <= tiles(blocks, units) else 1


class PerUnit(Stitched):
    """One work-item a unit, which takes its blocks through a chain and adds up their gradient, as many at a time as it has memory for.

    What a unit reads it has left in its own cache, and units wait for one another once a batch. Which blocks are whose depends on the
    number of samples alone, so that equal calls give equal bits.

    Args:
        chain: works that compute block by block, in order.
        sums: works that add up over blocks, which do not depend on one another.
        blocks: for how many both were made; how many there are is decided by what units have.
        together: how many it takes through a work together, a divisor of those that a unit has memory for.
        shares: what units have for themselves.
    """

    def __init__(self, chain: Sequence[Work], sums: Sequence[Work], blocks: int, together: int, shares: Shares) -> None:
        super().__init__([*chain, *sums])
        self._chain, self._sums, self._shares = chain, sums, shares
        self._tile = Tile(together, blocks, "slot + own")

    @cached_property
    def launch(self) -> Bound:
        text, shares, tile = Text(self.works), self._shares, self._tile
        total, gradient, others = (text.parameter(each) for each in (shares.samples, shares.gradient, shares.others))
        body = [
            f"    const int unit = {RAW_GROUP}, slot = unit * {shares.blocks}, count = ({total} + LANES - 1) / LANES;",
            *(f"    const int {name} = (INDEX)count * {of} / {shares.units};" for name, of in _ENDS.items()),
            f"    GLOBAL void* share = unit == 0 ? {gradient} : {_moved(others, 'unit - 1', shares.gradient.nbytes)};",
            f"    for (int at = begin; at == begin || at < end; at += {shares.blocks}) {{",
            f"        const int own = end - at < {shares.blocks} ? end - at : {shares.blocks};",
            f"        {tile.loop('slot')} {{",
            f"            const int first = (at - slot) * LANES, samples = {total} - first, blocks = slot + own;",
            *(f"            {line}" for line in tile.through(text, self._chain, _roles)),
            "        }",
            "        const int samples = own * LANES, blocks = own, add = at > begin;",
            *(f"        {self._of_unit(text, work)}" for work in self._sums),
            "    }",
        ]
        return text.bind("per_unit", body, shares.units)

    def _of_unit(self, text: Text, work: Work) -> str:
        """All groups of a work that adds up, for the unit's blocks, which begin at its slot."""
        instead = {**_roles(work), self._shares.gradient: "share"}
        for number in work.sums or ():
            values = work.arguments[number]
            assert isinstance(values, Buffer)
            slots = self._shares.units * self._shares.blocks
            instead[values] = _moved(text.parameter(values), "slot", values.nbytes // slots)
        return repeated(prod(work.groups), text.call(work, axes("group", work.groups, None), instead))


_ENDS = {"begin": "unit", "end": "(unit + 1)"}


def _roles(work: Work) -> dict[Argument, str]:
    """The variables of the kernel that take the place of settings."""
    return {each: each.role for each in work.arguments if isinstance(each, Setting) and each.role}


def _moved(pointer: str, count: str, nbytes: int) -> str:
    return f"(GLOBAL void*)((GLOBAL char*){pointer} + (INDEX)({count}) * {nbytes})"
