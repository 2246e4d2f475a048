"""How arrays come to a device and leave it: copied as they are, and laid out in blocks there (kernels/layout.cl)."""

from __future__ import annotations

import numpy as np

from gcnn.backends.accelerated.place import Kernels, tiles
from gcnn.backends.accelerated.runtime import Buffer
from gcnn.backends.accelerated.work import Setting, Work
from gcnn.errors import DataError
from gcnn.maps import Array

POINTS = 64
"""Points that one work-item lays out."""


class Gate:
    """Samples of `points` values as the host has them, one after another, for all parts of a batch.

    Args:
        kernels: what compiles.
        batch: the most samples.
        points: values of a sample.
        values: (blocks, points, lanes), where kernels have those of a part.
        first: the first sample of the part.
    """

    def __init__(self, kernels: Kernels, batch: int, points: int, values: Buffer, first: Setting) -> None:
        self._kernels, self._points, self._values, self._first = kernels, points, values, first
        self._rows = kernels.alloc(batch * points, "samples of the host", shared=True)

    def _bind(self, kernel: str, samples: int, source: Buffer, target: Buffer) -> Work:
        groups = tiles(self._points, POINTS), self._kernels.lanes.blocks(samples)
        arguments = source, self._first, Setting(np.int32(samples), "samples"), target
        return self._kernels.bind("layout.cl", kernel, groups, arguments, POINTS=self._points, TILE=POINTS)


class Inlet(Gate):
    """Where samples come in."""

    def upload(self, values: Array, samples: int) -> None:
        """Copy all samples to the device; `pack` puts those of a part where they belong.

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
        """Lay out the so many samples of a part in blocks; lanes without a sample become 0."""
        return self._bind("pack", samples, self._rows, self._values)


class Outlet(Gate):
    """Where samples leave."""

    def unpack(self, samples: int) -> Work:
        """Bring the so many samples of a part in order."""
        return self._bind("unpack", samples, self._values, self._rows)

    def download(self, shape: tuple[int, ...], samples: int, out: Array | None) -> Array:
        """The first samples, each of this shape, into `out` or a new array.

        Raises:
            DataError: `out` has another shape.
        """
        if out is not None and out.shape != (samples, *shape):
            raise DataError(f"out must have the shape {(samples, *shape)}, got {out.shape}.")
        plain = out is not None and out.flags.c_contiguous and out.dtype == self._kernels.dtype
        result = out if out is not None and plain else np.empty((samples, *shape), self._kernels.dtype)
        self._kernels.runtime.download(self._rows, result)
        if out is None or plain:
            return result
        out[...] = result
        return out
