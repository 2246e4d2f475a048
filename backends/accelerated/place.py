"""What a layer is bound to: the memory around it, and the kernels compiled for its sizes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import prod
from typing import Any, NamedTuple

import numpy as np

from gcnn.backends.accelerated.lanes import VECTORS, Lanes
from gcnn.backends.accelerated.runtime import Buffer, Runtime
from gcnn.backends.accelerated.tuning.choosers import Chooser, Defaults
from gcnn.backends.accelerated.work import Argument, Setting, Work
from gcnn.maps import Array
from gcnn.network import Stage


@dataclass(frozen=True)
class Kernels:
    """Kernels for one dtype and one way to lay samples into blocks.

    Attributes:
        runtime: where they run.
        dtype: of the values.
        wide: of the sums: float64 where the device has it.
        lanes: the blocks.
        chooser: what chooses the parameters that are tuned.
        chained: blocks that an item takes together through one kernel after another, since groups stay in theirs; 0 where a kernel is a
            launch of its own.
        strict: whether kernels may only add the equations' own products (`gcnn.backend.Program.precision`).
    """

    runtime: Runtime
    dtype: np.dtype[Any]
    lanes: Lanes
    chooser: Chooser = Defaults()  # noqa: RUF009  # it has no state
    chained: int = 0
    strict: bool = False

    @property
    def defines(self) -> dict[str, object]:
        """Macros of every kernel."""
        return {
            "REAL_BITS": 8 * self.dtype.itemsize,
            "WIDE_BITS": 8 * self.wide.itemsize,
            "V": self.lanes.vector,
            "LANES": self.lanes.count,
            "BROAD": self.broad,
        }

    @property
    def broad(self) -> int:
        """Numbers of a broad vector, the device's widest, also where blocks are narrower; 1 where items compute a lane."""
        return self.runtime.limits.lanes(self.dtype.itemsize) if self.lanes.style == VECTORS else 1

    @property
    def wide(self) -> np.dtype[Any]:
        return np.dtype("float64" if self.runtime.limits.float64 else self.dtype)

    def bind(
        self, file: str, kernel: str, groups: Sequence[int], arguments: Sequence[Argument], **defines: object
    ) -> Work:
        """A launch of a kernel of kernels/FILE, compiled with these defines, over so many groups of one block's threads."""
        block = (self.lanes.threads, *[1] * (len(groups) - 1))
        return self.bind_blocks(file, kernel, groups, block, arguments, **defines)

    def bind_blocks(
        self,
        file: str,
        kernel: str,
        groups: Sequence[int],
        block: tuple[int, ...] | None,
        arguments: Sequence[Argument],
        **defines: object,
    ) -> Work:
        """The same over groups of any shape; without one over at least so many work-items, in groups that the runtime chooses."""
        return Work(
            self.runtime, file, kernel, self.defines, defines, tuple(groups), block, arguments, self.chained > 0
        )

    def alloc(self, count: int, name: str, shared: bool = False) -> Buffer:
        """Memory for so many values, 0 at first; shared with the host where the device can."""
        return self.runtime.zeros(max(count, 1) * self.dtype.itemsize, name, shared)

    def constant(self, host: Array, name: str) -> Buffer:
        """An array that stays as it is, in the device's memory."""
        host = np.ascontiguousarray(host)
        buffer = self.runtime.alloc(max(host.nbytes, 1), name)
        self.runtime.upload(host, buffer)
        return buffer

    def real(self, value: float) -> np.generic:
        """A number as kernels take it; infinite where it is beyond the dtype."""
        with np.errstate(over="ignore"):
            return self.dtype.type(value)


class Below(NamedTuple):
    """The layer below, for one that multiplies ∂r/∂y_in with its φ' while it has it in registers.

    Attributes:
        activation: the name of φ, which is elementwise.
        z, y: its values.
    """

    activation: str
    z: Buffer
    y: Buffer


@dataclass(frozen=True)
class Place:
    """A layer's place in a plan; all values are [block][point][lane].

    Attributes:
        kernels: what compiles.
        stage: the layer, its maps and its slice of θ.
        batch: the most samples that are computed at a time.
        y_in, y: what it reads and makes.
        z: the combinator's value, before φ; the same memory as y where nobody reads it afterwards.
        dy: ∂r/∂y, which becomes δ in place.
        dy_in: ∂r/∂y_in.
        theta, gradient: the whole flat vectors.
        add: 1 while gradients are added to what is there, of the parts of a batch before.
        below: the layer below, where its φ' may be put into the way back of this one.
    """

    kernels: Kernels
    stage: Stage
    batch: int
    y_in: Buffer
    z: Buffer
    y: Buffer
    dy: Buffer
    dy_in: Buffer
    theta: Buffer
    gradient: Buffer
    add: Setting = field(default_factory=lambda: Setting(np.int32(0), "add"))
    below: Below | None = None

    @property
    def theta0(self) -> np.int64:
        """Where the layer's parameters begin."""
        return np.int64(self.stage.parameters.start)

    @property
    def inputs(self) -> int:
        """Points of a sample that the layer reads."""
        return self.stage.inputs.points

    @property
    def outputs(self) -> int:
        """Points of a sample that the layer makes."""
        return self.stage.outputs.points

    def blocks(self, samples: int | None = None) -> int:
        """Blocks of so many samples; of a full batch by default."""
        return self.kernels.lanes.blocks(self.batch if samples is None else samples)

    def counts(self, samples: int) -> tuple[Setting, Setting]:
        """So many samples, and their blocks, as arguments of kernels."""
        return Setting(np.int32(samples), "samples"), Setting(np.int32(self.blocks(samples)), "blocks")

    def values(self, *shape: int, name: str) -> Buffer:
        """Memory for values of the layer's own: (blocks, *shape, lanes)."""
        return self.kernels.alloc(
            self.blocks() * prod(shape) * self.kernels.lanes.count, f"{name} of {self.stage.layer}"
        )


def tiles(count: int, tile: int) -> int:
    """Groups of `tile` that cover `count`."""
    return -(-count // tile)
