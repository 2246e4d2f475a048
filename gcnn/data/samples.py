"""Labelled samples, in memory or read when they are asked for, so that a set may be larger than memory."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from math import prod
from typing import Any

import numpy as np

from gcnn.arrays import check_numbers
from gcnn.data.splitting import held_back_rows
from gcnn.errors import DataError
from gcnn.maps import Array

Batch = tuple[Array, Array]
"""Inputs (n, *shape) and their targets: (n,) integer labels, or (n, outputs) numbers."""
CHUNK, CHUNK_VALUES = 1024, 1 << 22
"""Samples, and values of their inputs, that are read at once at most where all of them are gone through."""


class Samples(ABC):
    """Samples by number: `len(samples)` of them, and `samples[rows]` reads some, in the order asked for.

    Subclasses give `__len__`, `shape` and `read`.

    Attributes:
        shape: of one sample's input, such as (1, 28, 28), or (features,).
    """

    shape: tuple[int, ...]

    @abstractmethod
    def __len__(self) -> int: ...

    @abstractmethod
    def read(self, rows: Array) -> Batch:
        """Inputs (n, *shape) and targets of the samples numbered in `rows`, each from 0 to len - 1.

        Raises:
            DataError, FormatError: what was found where a sample should be. OSError: a file went away.
        """

    def __getitem__(self, rows: Any) -> Batch:
        """A batch: of a slice, of an array of numbers (negative ones count from the end), or of a mask."""
        return self.read(np.arange(len(self))[rows].reshape(-1))

    def part(self, rows: Array) -> Samples:
        """Only the samples numbered in `rows`, in that order."""
        return _Part(self, np.arange(len(self))[rows])

    def split(self, fraction: float, seed: int) -> tuple[Samples, Samples]:
        """What remains, and a random fraction held back; see `gcnn.data.split`, which takes the same samples.

        Raises:
            DataError: one of the parts would be empty.
        """
        rest, part = held_back_rows(len(self), fraction, seed)
        return self.part(rest), self.part(part)

    def mapped(self, function: Callable[[Array], Array]) -> Samples:
        """The same samples with `function` applied to every batch of inputs (n, *shape), sample by sample alike."""
        return _Mapped(self, function)

    def chunks(self, size: int | None = None) -> Iterator[Batch]:
        """All samples in order, `size` at a time; None keeps to `CHUNK` and `CHUNK_VALUES`, but takes one at least."""
        size = size or max(1, min(CHUNK, CHUNK_VALUES // max(1, prod(self.shape))))
        return (self[start : start + size] for start in range(0, len(self), size))

    def arrays(self) -> Batch:
        """All samples at once, in memory."""
        inputs, targets = zip(*self.chunks(), strict=True)
        return np.concatenate(inputs), np.concatenate(targets)

    def fingerprint(self) -> str:
        """A digest of how many samples there are and of up to 64 of them, evenly spread: the same data or not."""
        rows = np.unique(np.linspace(0, len(self) - 1, 64).astype(np.intp))
        digest = hashlib.sha256(repr((len(self), self.shape)).encode())
        for values in self.read(rows):
            digest.update(repr((values.dtype.str, values.shape)).encode() + np.ascontiguousarray(values).tobytes())
        return digest.hexdigest()[:16]

    def __repr__(self) -> str:
        return f"{type(self).__name__}({len(self)} samples of {' x '.join(map(str, self.shape))})"


class ArraySamples(Samples):
    """Samples in arrays, which may be maps of files (`numpy.memmap`).

    Args:
        x: (samples, *shape) inputs.
        t: (samples,) integer labels or (samples, ...) numbers.

    Raises:
        DataError: not arrays of numbers, lengths that differ, or no samples.
    """

    def __init__(self, x: Array, t: Array) -> None:
        self.x, self.t = check_numbers(x, "x"), check_numbers(t, "t")
        if self.x.ndim == 0 or self.t.ndim == 0 or len(self.x) != len(self.t):
            raise DataError(f"x has shape {self.x.shape} and t {self.t.shape}; both need one entry a sample.")
        if len(self.x) == 0:
            raise DataError("there are no samples; give at least one.")
        self.shape = self.x.shape[1:]

    def __len__(self) -> int:
        return len(self.x)

    def read(self, rows: Array) -> Batch:
        return self.x[rows], self.t[rows]


def joined(first: Samples, second: Samples) -> Samples:
    """The samples of both, one after the other; raises `DataError` where their shapes differ."""
    if first.shape != second.shape:
        raise DataError(f"samples of shape {first.shape} and of shape {second.shape} cannot be joined.")
    return _Joined(first, second)


class _Joined(Samples):
    def __init__(self, first: Samples, second: Samples) -> None:
        self._first, self._second, self.shape = first, second, first.shape

    def __len__(self) -> int:
        return len(self._first) + len(self._second)

    def read(self, rows: Array) -> Batch:
        begin = len(self._first)
        early, late = np.flatnonzero(rows < begin), np.flatnonzero(rows >= begin)
        if not len(late):
            return self._first.read(rows)
        if not len(early):
            return self._second.read(rows - begin)
        batches = self._first.read(rows[early]), self._second.read(rows[late] - begin)
        x, t = (np.concatenate(arrays) for arrays in zip(*batches, strict=True))
        order = np.argsort(np.concatenate([early, late]))
        return x[order], t[order]


class _Part(Samples):
    def __init__(self, whole: Samples, rows: Array) -> None:
        self._whole, self._rows, self.shape = whole, rows, whole.shape

    def __len__(self) -> int:
        return len(self._rows)

    def read(self, rows: Array) -> Batch:
        return self._whole.read(self._rows[rows])


class _Mapped(Samples):
    def __init__(self, samples: Samples, function: Callable[[Array], Array]) -> None:
        self._samples, self._function = samples, function
        self.shape = function(samples[:1][0]).shape[1:]

    def __len__(self) -> int:
        return len(self._samples)

    def read(self, rows: Array) -> Batch:
        x, t = self._samples.read(rows)
        return self._function(x), t
