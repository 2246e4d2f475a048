"""How arrays come to a device and leave it: copied as they are, and laid out in blocks there (kernels/layout.cl)."""

from __future__ import annotations

from functools import cached_property

import numpy as np

from gcnn.backends.accelerated.place import Kernels, tiles
from gcnn.backends.accelerated.runtime import Buffer
from gcnn.backends.accelerated.work import Argument, Setting, Work
from gcnn.errors import DataError
from gcnn.maps import Array

POINTS = 64
"""Points that one work-item lays out."""


LENT = 1 << 20
"""Bytes of an array that is worth lending: to pass a shorter one takes as long as to copy it."""


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
        self._batch, self._rows = batch, Setting(None)
        self._lent: Buffer | None = None

    @cached_property
    def _own(self) -> Buffer:
        """The device's memory for samples that are copied."""
        return self._kernels.alloc(self._batch * self._points, "samples of the host", shared=True)

    def _take(self, host: Array) -> Buffer:
        """The host's array where it can be lent, else memory of the device's own."""
        self._lent = self._kernels.runtime.lend(host) if host.nbytes >= LENT else None
        rows = self._lent or self._own
        self._rows.change(rows)
        return rows

    def let_go(self) -> None:
        """Hold the host's array no longer than the device needs it."""
        if self._lent is not None:
            self._kernels.runtime.wait_for(self._lent)
            self._lent.raw = self._lent.host = None
            self._lent = None
            self._rows.change(None)

    def stand_alone(self) -> None:
        """Let launches run once more without a call's array."""
        self._rows.change(self._own)

    def _bind(self, kernel: str, samples: int, source: Argument, target: Argument) -> Work:
        groups = tiles(self._points, POINTS), self._kernels.lanes.blocks(samples)
        arguments = source, self._first, Setting(np.int32(samples), "samples"), target
        return self._kernels.bind("layout.cl", kernel, groups, arguments, POINTS=self._points, TILE=POINTS)


class Inlet(Gate):
    """Where samples come in."""

    def upload(self, values: Array, samples: int) -> None:
        """Give all samples to the device; `pack` puts those of a part where they belong.

        Raises:
            DataError: another number of samples, or of values.
        """
        values = np.ascontiguousarray(values, dtype=self._kernels.dtype)
        if len(values) != samples or values.size != samples * self._points:
            raise DataError(
                f"expected {samples} samples of {self._points} values, got an array of shape {values.shape}."
            )
        rows = self._take(values)
        if rows is not self._lent:
            self._kernels.runtime.upload(values, rows)

    def pack(self, samples: int) -> Work:
        """Lay out the so many samples of a part in blocks; lanes without a sample become 0."""
        return self._bind("pack", samples, self._rows, self._values)


class Outlet(Gate):
    """Where samples leave."""

    def begin(self, shape: tuple[int, ...], samples: int, out: Array | None) -> None:
        """Before anything is enqueued: samples, each of this shape, will leave into `out` or a new array.

        Raises:
            DataError: `out` has another shape.
        """
        if out is not None and out.shape != (samples, *shape):
            raise DataError(f"out must have the shape {(samples, *shape)}, got {out.shape}.")
        plain = out is not None and out.flags.c_contiguous and out.dtype == self._kernels.dtype
        self._result = out if out is not None and plain else np.empty((samples, *shape), self._kernels.dtype)
        self._out = self._result if out is None else out
        self._target = self._take(self._result)

    def unpack(self, samples: int) -> Work:
        """Bring the so many samples of a part in order."""
        return self._bind("unpack", samples, self._values, self._rows)

    def finish(self) -> Array:
        """The samples, when all is done."""
        out, result = self._out, self._result
        self._kernels.runtime.download(self._target, result)
        del self._out, self._result, self._target
        if out is not result:
            out[...] = result
        return out
