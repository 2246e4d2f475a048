"""The algebra of flat vectors on a device, over any runtime (kernels/vectors.cl)."""

from __future__ import annotations

import math
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from gcnn import kernels
from gcnn.backends.accelerated.limits import check_float64
from gcnn.backends.accelerated.runtime import Buffer, Kernel, Launch, Program, Runtime
from gcnn.errors import DataError
from gcnn.maps import Array

_GPU_BLOCK = 256
_GROUPS_PER_UNIT = 4
"""Enough groups for a unit that waits for memory to have others to go on with."""
_MOST_GROUPS = 1024


@dataclass(frozen=True, eq=False)
class DeviceVector:
    """A contiguous part of a buffer, in elements.

    Attributes:
        buffer: the memory; shared by all views of it.
        start: its first element.
        shape: of the array that `download` gives.
    """

    buffer: Buffer
    start: int
    shape: tuple[int, ...]

    @property
    def size(self) -> int:
        """Number of elements."""
        return math.prod(self.shape)


@dataclass(frozen=True)
class Chunks:
    """How flat vectors are dealt (kernels/chunks.h).

    Attributes:
        groups: that share a vector.
        block: work-items of a group.
        lanes: elements that an item computes at a time.
    """

    groups: int
    block: int
    lanes: int

    @classmethod
    def of(cls, runtime: Runtime, itemsize: int, block: int | None = None) -> Chunks:
        """For a device; by default an item a group on CPUs, whose items compute on vectors."""
        lanes = runtime.limits.lanes(itemsize) if runtime.language == "opencl" else 1
        one = runtime.device.kind == "cpu"
        groups = min(_MOST_GROUPS, _GROUPS_PER_UNIT * runtime.limits.compute_units)
        return cls(groups, block or (1 if one else runtime.limits.group(_GPU_BLOCK)), lanes)


class DeviceVectors:
    """`gcnn.backend.VectorAlgebra` on a runtime, in one dtype.

    Sums are kept in float64 where the device has it, else in the dtype, and always added in the same order. Safe for threads.
    The vectors of the last call of each kind stay alive, since its launch is kept.

    Args:
        runtime: where the vectors live.
        dtype: "float32" or "float64".
        block: work-items of a group, a power of two; by default 1 on CPUs, whose items compute on vectors.

    Raises:
        DeviceError: float64 on a device that lacks it.
    """

    def __init__(self, runtime: Runtime, dtype: str, block: int | None = None) -> None:
        check_float64(runtime.device.name, runtime.limits, dtype)
        self.runtime, self.dtype = runtime, np.dtype(dtype)
        self._wide = np.dtype("float64" if runtime.limits.float64 else dtype)
        chunks = Chunks.of(runtime, self.dtype.itemsize, block)
        self._block, self._groups = chunks.block, chunks.groups
        self._defines = {
            "REAL_BITS": 8 * self.dtype.itemsize,
            "WIDE_BITS": 8 * self._wide.itemsize,
            "V": chunks.lanes,
            "BLOCK": self._block,
        }
        self._launches: dict[str, Launch] = {}
        self._lock = threading.Lock()
        self._partial = runtime.alloc(self._groups * self._wide.itemsize, "partial sums")
        self._result = runtime.alloc(self._wide.itemsize, "result of a reduction", shared=True)

    @cached_property
    def _program(self) -> Program:
        """Compiled when first needed: most plans never do, and PoCL takes a second."""
        return self.runtime.compile(kernels.source("vectors.cl"), "vectors.cl", self._defines)

    def upload(self, host: Array) -> DeviceVector:
        host = np.asarray(host, dtype=self.dtype, order="C")
        vector = self._empty(host.shape)
        self.runtime.upload(host, vector.buffer)
        return vector

    def download(self, x: DeviceVector) -> Array:
        host = np.empty(x.shape, self.dtype)
        self.runtime.download(x.buffer, host, x.start * self.dtype.itemsize)
        return host

    def zeros(self, n: int) -> DeviceVector:
        return DeviceVector(self.runtime.zeros(n * self.dtype.itemsize, "vector"), 0, (n,))

    def _empty(self, shape: tuple[int, ...]) -> DeviceVector:
        return DeviceVector(self.runtime.alloc(math.prod(shape) * self.dtype.itemsize, "vector"), 0, shape)

    def view(self, x: DeviceVector, part: slice) -> DeviceVector:
        start, stop, step = part.indices(x.size)
        if step != 1:
            raise DataError(f"a view of a device vector is contiguous, got {part}; use a step of 1.")
        return DeviceVector(x.buffer, x.start + start, (max(0, stop - start),))

    def copy(self, source: DeviceVector, target: DeviceVector) -> None:
        size, itemsize = int(_common_size(source, target)), self.dtype.itemsize
        if (source.buffer, source.start) != (target.buffer, target.start):
            starts = source.start * itemsize, target.start * itemsize
            self.runtime.copy(source.buffer, target.buffer, size * itemsize, *starts)

    def axpy(self, a: float, x: DeviceVector, y: DeviceVector) -> None:
        self._launch("axpy", self.dtype.type(a), *_at(x), *_at(y), _common_size(x, y))

    def scale(self, a: float, x: DeviceVector) -> None:
        self._launch("scale", self.dtype.type(a), *_at(x), np.int64(x.size))

    def dot(self, x: DeviceVector, y: DeviceVector) -> float:
        return self._reduce("dot", *_at(x), *_at(y), _common_size(x, y))

    def norm(self, x: DeviceVector) -> float:
        return math.sqrt(self.dot(x, x))

    def amax(self, x: DeviceVector) -> float:
        return self._reduce("amax", *_at(x), np.int64(x.size))

    def _launch(self, name: str, *arguments: Buffer | np.generic) -> None:
        with self._lock:
            self._enqueue(name, self._groups, arguments)

    def _reduce(self, name: str, *arguments: Buffer | np.generic) -> float:
        """Both stages; waits for the result."""
        result = np.empty(1, self._wide)
        with self._lock:
            self._enqueue(f"partial_{name}", self._groups, (*arguments, self._partial))
            self._enqueue(f"finish_{name}", 1, (self._partial, np.int32(self._groups), self._result))
            self.runtime.download(self._result, result)
        return float(result[0])

    def _enqueue(self, name: str, groups: int, arguments: Sequence[Buffer | np.generic]) -> None:
        launch = self._launches.get(name)
        if launch is None:
            kernel: Kernel = self._program.kernel(name)
            launch = self._launches[name] = self.runtime.bind(kernel, (groups,), (self._block,), arguments)
        else:
            for index, value in enumerate(arguments):
                launch.set(index, value)
        launch()


def _at(x: DeviceVector) -> tuple[Buffer, np.int64]:
    return x.buffer, np.int64(x.start)


def _common_size(x: DeviceVector, y: DeviceVector) -> np.int64:
    if x.size != y.size:
        raise DataError(f"vectors of {x.size} and {y.size} elements do not fit; both must be equally long.")
    return np.int64(x.size)
