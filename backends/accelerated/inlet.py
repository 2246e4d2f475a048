"""How arrays come to a device: copied as they are, then laid out in blocks there (kernels/layout.cl)."""

from __future__ import annotations

import numpy as np

from gcnn.backends.accelerated.place import Kernels, tiles
from gcnn.backends.accelerated.runtime import Buffer
from gcnn.backends.accelerated.work import Work
from gcnn.errors import DataError
from gcnn.maps import Array

POINTS = 64
"""Points that one work-item lays out."""


class Inlet:
    """Where samples of `points` values come in.

    Args:
        kernels: what compiles.
        batch: the most samples.
        points: values of a sample.
        target: (blocks, points, lanes), where kernels read them.
    """

    def __init__(self, kernels: Kernels, batch: int, points: int, target: Buffer) -> None:
        self._kernels, self._points, self._target = kernels, points, target
        self._rows = kernels.alloc(batch * points, "samples of the host")

    def upload(self, values: Array, samples: int) -> None:
        """Copy samples to the device; `pack` puts them where they belong.

        Raises:
            DataError: another number of samples, or of values.
        """
        values = np.ascontiguousarray(values, dtype=self._kernels.dtype)
        if len(values) != samples or values.size != samples * self._points:
            raise DataError(
                f"expected {samples} samples of {self._points} values, got an array of shape {values.shape}."
            )
        self._kernels.runtime.upload(values, self._rows)

    def pack(self, samples: int) -> Work:
        """Lay out so many samples in blocks; lanes without a sample become 0."""
        groups = tiles(self._points, POINTS), self._kernels.lanes.blocks(samples)
        arguments = self._rows, np.int32(samples), self._target
        return self._kernels.bind("layout.cl", "pack", groups, arguments, POINTS=self._points, TILE=POINTS)
