"""How values lie in a device's memory: in blocks of samples, [block][point][lane], so that lanes are samples.

A point is a place in the flat order of a layer's maps. Neighbouring lanes are neighbouring samples: one vector, or one row
of threads, computes the same point of all samples of a block, and no shape leaves a remainder. Where a block is one sample its
maps are planes, [sample][map][x], and the threads of a group may share one image.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from gcnn.backends.accelerated.runtime import Runtime
from gcnn.maps import Array

THREADS = 32
"""Samples of a block where each is a thread: those that a GPU runs in step, on most of them."""
NARROWEST = 4
"""Lanes of the narrowest vectors that suit a batch, and that are tried."""
VECTORS, SCALARS, PLANES = "vectors", "scalars", "planes"
STYLES = (VECTORS, SCALARS, PLANES)


@dataclass(frozen=True)
class Lanes:
    """The blocks of a plan.

    Attributes:
        count: samples of a block (LANES in kernels).
        vector: lanes that one work-item computes (V): `count`, or 1.
    """

    count: int
    vector: int

    @classmethod
    def of(cls, runtime: Runtime, itemsize: int, style: str | None = None, batch: int | None = None) -> Lanes:
        """The blocks that suit a device: vectors where an item computes on vectors, else one thread a sample.

        Args:
            runtime: of the device.
            itemsize: bytes of a number.
            style: "vectors", "scalars" or "planes" to choose against the rule.
            batch: where given, vectors are no wider than so many samples need, down to `NARROWEST`.
        """
        if style == PLANES:
            return cls(1, 1)
        width = runtime.limits.lanes(itemsize)
        if (style or (VECTORS if width > 1 else SCALARS)) == VECTORS and width > 1:
            while batch is not None and width > NARROWEST and batch <= width // 2:
                width //= 2
            return cls(width, width)
        return cls(runtime.limits.group(THREADS), 1)

    @property
    def style(self) -> str:
        """What the blocks are called."""
        if self.count == 1:
            return PLANES
        return SCALARS if self.vector == 1 else VECTORS

    @property
    def threads(self) -> int:
        """Work-items of a group on its first axis."""
        return self.count // self.vector

    def blocks(self, samples: int) -> int:
        """Blocks that hold so many samples."""
        return -(-samples // self.count)

    def pack(self, x: Array, out: Array) -> None:
        """Values (samples, ...) into out (blocks, points, lanes); lanes without a sample become 0."""
        samples, points = len(x), out.shape[1]
        rows, whole = x.reshape(samples, points), samples // self.count
        out[:whole] = rows[: whole * self.count].reshape(whole, self.count, points).transpose(0, 2, 1)
        if whole < len(out):
            out[whole] = 0
            out[whole, :, : samples - whole * self.count] = rows[whole * self.count :].T

    def unpack(self, packed: Array, out: Array) -> None:
        """The inverse of `pack`, for the first samples: into out (samples, ...)."""
        rows = packed.transpose(0, 2, 1).reshape(-1, packed.shape[1])
        out.reshape(len(out), -1)[...] = rows[: len(out)]

    def empty(self, samples: int, points: int, dtype: np.dtype[Any]) -> Array:
        """Host memory for the packed values of so many samples."""
        return np.empty((self.blocks(samples), points, self.count), dtype)
