"""A kernel with its sizes, grid and arguments: what a layer asks for, before it is compiled alone or together with others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from gcnn import kernels
from gcnn.backends.accelerated.runtime import Buffer, Kernel, Launch, Runtime


class Setting:
    """An argument that may change between calls, for all works that hold it.

    Attributes:
        value: what the next calls get.
        role: "samples" or "blocks", how many a work computes; "first", the first of them in the batch; "add", whether it adds to what is
            there. Where a kernel deals a batch itself (`per_unit.PerUnit`), a variable of this name takes the argument's place.
    """

    def __init__(self, value: np.generic | Buffer | None, role: str = "") -> None:
        self._value, self.role = value, role

    @property
    def value(self) -> np.generic | Buffer:
        """What the next calls get."""
        assert self._value is not None, "a setting that nobody has set"
        return self._value

    def change(self, value: np.generic | Buffer | None) -> None:
        """Take another value; one that is equal costs nothing."""
        if value != self._value:
            self._value = value


Argument = Buffer | np.generic | Setting


class Bound:
    """A kernel bound to its arguments, of which settings are set again where they have changed."""

    def __init__(
        self,
        runtime: Runtime,
        kernel: Kernel,
        groups: tuple[int, ...],
        block: tuple[int, ...] | None,
        arguments: Sequence[Argument],
    ) -> None:
        values = [argument.value if isinstance(argument, Setting) else argument for argument in arguments]
        self._launch: Launch = runtime.bind(kernel, groups, block, values)
        self._settings = [(n, argument) for n, argument in enumerate(arguments) if isinstance(argument, Setting)]
        self._set = [setting.value for _, setting in self._settings]

    def __call__(self) -> None:
        """Enqueue it once more."""
        for number, (index, setting) in enumerate(self._settings):
            if self._set[number] is not setting.value:
                self._launch.set(index, setting.value)
                self._set[number] = setting.value
        self._launch()


@dataclass(frozen=True, eq=False)
class Work:
    """One launch, compiled and bound when it is first called. It keeps its buffers alive.

    Attributes:
        runtime: where.
        file, kernel: which kernel of which file of kernels/.
        common: macros of every kernel of a plan: the dtype, the lanes.
        defines: macros of this one.
        groups: how many on each axis; work-items where `block` is `None`.
        block: work-items of a group on each axis; `None` leaves them to the runtime.
        arguments: buffers, scalars as NumPy's, and settings.
        chained: whether it may be put in a chain with those before and after it.
        sums: of works for a gradient: the arguments that hold values of blocks, where it adds up over blocks and may be given some of
            them, from any on; none where it computes block by block; `None` where neither is so.
        gives: of works for a gradient: whether it gives whole slopes (kernels/slopes.h), once for each parameter, and may move parameters
            instead (`updates.DeviceUpdate.into`).
        alone: whether it is a launch of its own even beside works that it does not depend on: PoCL deals groups to threads many at a
            time, so that few long ones among many short ones would all be one thread's.
    """

    runtime: Runtime
    file: str
    kernel: str
    common: Mapping[str, object]
    defines: Mapping[str, object]
    groups: tuple[int, ...]
    block: tuple[int, ...] | None
    arguments: Sequence[Argument]
    chained: bool = False
    sums: tuple[int, ...] | None = None
    gives: bool = False
    alone: bool = False

    @cached_property
    def launch(self) -> Bound:
        """The kernel compiled for itself, and bound."""
        program = self.runtime.compile(kernels.source(self.file), self.file, {**self.common, **self.defines})
        return Bound(self.runtime, program.kernel(self.kernel), self.groups, self.block, self.arguments)

    def __call__(self) -> None:
        """Enqueue it once more."""
        self.launch()

    @property
    def blocks_tile(self) -> int:
        """Blocks that a group computes together."""
        return int(str(self.defines.get("BLOCKS_TILE", 1)))

    def groups_of_block(self, blocks: int) -> tuple[int, ...]:
        """The groups of one of so many blocks, or tiles of them, which must be the last axis, or what varies slowest on the only one."""
        assert self.groups[-1] % blocks == 0, f"{self.label}: blocks are not the slowest of its groups"
        return (*self.groups[:-1], self.groups[-1] // blocks)

    @property
    def label(self) -> str:
        """What a report calls it."""
        return f"{self.file.removesuffix('.cl')}.{self.kernel}"

    @property
    def function(self) -> tuple[Any, ...]:
        """What is compiled: equal for works that differ in grid and arguments only."""
        return self.file, self.kernel, *sorted((name, str(value)) for name, value in self.defines.items())
