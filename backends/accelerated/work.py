"""A kernel with its sizes, grid and arguments: what a layer asks for, before it is compiled alone or together with others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from gcnn import kernels
from gcnn.backends.accelerated.runtime import Buffer, Launch, Runtime


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
        arguments: buffers, and scalars as NumPy's.
    """

    runtime: Runtime
    file: str
    kernel: str
    common: Mapping[str, object]
    defines: Mapping[str, object]
    groups: tuple[int, ...]
    block: tuple[int, ...] | None
    arguments: Sequence[Buffer | np.generic]

    @cached_property
    def launch(self) -> Launch:
        """The kernel compiled for itself, and bound."""
        program = self.runtime.compile(kernels.source(self.file), self.file, {**self.common, **self.defines})
        return self.runtime.bind(program.kernel(self.kernel), self.groups, self.block, self.arguments)

    def __call__(self) -> None:
        """Enqueue it once more."""
        self.launch()

    def set(self, index: int, value: Buffer | np.generic) -> None:
        """See `Launch.set`."""
        self.launch.set(index, value)

    @property
    def label(self) -> str:
        """What a report calls it."""
        return f"{self.file.removesuffix('.cl')}.{self.kernel}"

    @property
    def function(self) -> tuple[Any, ...]:
        """What is compiled: equal for works that differ in grid and arguments only."""
        return self.file, self.kernel, *sorted((name, str(value)) for name, value in self.defines.items())
