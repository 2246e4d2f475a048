"""The seam between the accelerated backends and a device's driver: what OpenCL, CUDA and CUDA's simulation all give.

    runtime = open_runtime(device)
    program = runtime.compile(kernels.source("vectors.cl"), "vectors.cl", {"REAL_BITS": 32, ...})
    launch = runtime.bind(program.kernel("axpy"), grid=(64,), block=(1,), arguments=(x, np.int64(0), ...))
    launch()            # enqueued; arguments were bound once
    runtime.download(x, host)

A runtime is one device, one context and one queue that runs in order. Everything but `download`, `synchronize` and an `upload` to
shared memory returns before the device is done. It may be used from several threads: commands run in the order in which they arrive.
It does not survive a fork: a child process that uses its parent's runtime is told so.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol
from weakref import WeakSet

import numpy as np

from gcnn.backend import Device
from gcnn.backends.accelerated.limits import Limits
from gcnn.maps import Array


class Buffer:
    """Memory on a device. It lives as long as something refers to it: you, or a launch that it is bound to.

    Attributes:
        owner: the runtime that made it.
        raw: what the driver calls it; `None` once its runtime is closed.
        nbytes: its size.
        name: what it is for, for messages.
        host: its bytes, where the host reads and writes the same memory; runtimes use it for transfers without a command.
        used: where it has `host`: what the driver calls the end of the last launch that may use it; `None` where none does.
    """

    __slots__ = ("__weakref__", "host", "name", "nbytes", "owner", "raw", "used")

    def __init__(self, owner: object, raw: Any, nbytes: int, name: str, host: Array | None = None) -> None:
        self.owner, self.raw, self.nbytes, self.name, self.host = owner, raw, nbytes, name, host
        self.used: Any = None

    def __repr__(self) -> str:
        return f"Buffer({self.name!r}, {self.nbytes:,} bytes)"


class MemoryUse(NamedTuple):
    """Device memory of one runtime, in bytes, and the number of its buffers."""

    allocated: int
    peak: int
    buffers: int


class Tally:
    """Counts the buffers of a runtime for as long as each lives."""

    def __init__(self) -> None:
        # Weak references drop out by themselves; a counter changed in `__del__` could be interrupted by another.
        self._live: WeakSet[Buffer] = WeakSet()
        self._peak = 0
        self._lock = threading.RLock()

    def add(self, buffer: Buffer) -> None:
        with self._lock:
            self._live.add(buffer)
            self._peak = max(self._peak, self.allocated)

    @property
    def live(self) -> list[Buffer]:
        """The buffers in use."""
        with self._lock:  # a set that another thread adds to cannot be gone through
            return list(self._live)

    @property
    def allocated(self) -> int:
        """Bytes in use."""
        return sum(buffer.nbytes for buffer in self.live)

    def clear(self) -> None:
        """Count nothing any more."""
        with self._lock:
            self._live.clear()

    def use(self) -> MemoryUse:
        live = self.live
        return MemoryUse(sum(buffer.nbytes for buffer in live), self._peak, len(live))


class Kernel(Protocol):
    """A compiled function.

    Attributes:
        name: its name in the source.
        block_items: work-items of a group, at most.
        shared_bytes: memory shared by a group.
    """

    name: str
    block_items: int
    shared_bytes: int


class Program(Protocol):
    """Compiled source."""

    def kernel(self, name: str) -> Kernel:
        """Raises `DeviceError` where the source has no such kernel."""


class Launch(Protocol):
    """A kernel with its grid and arguments. It keeps its buffers alive."""

    def __call__(self) -> None:
        """Enqueue it once more."""

    def set(self, index: int, value: Buffer | np.generic) -> None:
        """Bind another value to one argument; launches already enqueued keep theirs. For one thread at a time."""


class Event(Protocol):
    """A mark in the queue."""

    def wait(self) -> None:
        """Until everything before the mark is done."""

    def seconds_since(self, earlier: Event) -> float:
        """The device's time between two marks; waits for the later one."""


class Runtime(Protocol):
    """One device, its context and its queue."""

    language: str
    """"opencl" or "cuda": which half of kernels/prelude.h is compiled."""
    device: Device
    limits: Limits
    waits_for_all: bool
    """Whether `wait_for` lasts until all that was enqueued is done. What may run beside the host is then better enqueued after it."""

    def alloc(self, nbytes: int, name: str = "buffer", shared: bool = False) -> Buffer:
        """Uninitialised memory; 0 bytes are allowed. Raises `OutOfDeviceMemory`.

        `shared` asks for memory that the host sees too, where there is such: for what is uploaded or downloaded in every call.
        """

    def lend(self, host: Array) -> Buffer | None:
        """A contiguous array of the host's as memory for launches that read it, or write to it alone; `None` where the device needs a copy.

        It must stay as it is until they are done; what they have written is there after a `download` into the same array.
        """

    def zeros(self, nbytes: int, name: str = "buffer", shared: bool = False) -> Buffer:
        """Memory in which every byte is 0."""

    def upload(self, host: Array, target: Buffer, offset: int = 0, wait: bool = True) -> None:
        """Copy an array to byte `offset` of a buffer. Without `wait` the array must stay as it is until a synchronisation."""

    def download(self, source: Buffer, host: Array, offset: int = 0) -> None:
        """Fill a contiguous array from byte `offset` of a buffer, when all launches that use it are done: of memory that the host shares
        no more is waited for.
        """

    def wait_for(self, buffer: Buffer) -> None:
        """Until all launches that use a buffer are done."""

    def copy(self, source: Buffer, target: Buffer, nbytes: int, source_offset: int = 0, target_offset: int = 0) -> None:
        """Copy bytes on the device; ranges of one buffer must not overlap."""

    def fill(self, target: Buffer, value: np.generic, count: int, offset: int = 0) -> None:
        """Write `count` copies of a scalar from byte `offset` on, a multiple of the scalar's size."""

    def compile(self, source: str, name: str, defines: Mapping[str, object], options: Sequence[str] = ()) -> Program:
        """Compile complete source, or take it from the cache.

        Args:
            source: the text, with nothing left to include.
            name: the file's name, for messages.
            defines: macros to define before the first line.
            options: for the compiler.

        Raises:
            BuildFailed: with the compiler's log.
        """

    def bind(
        self,
        kernel: Kernel,
        grid: tuple[int, ...],
        block: tuple[int, ...] | None,
        arguments: Sequence[Buffer | np.generic],
    ) -> Launch:
        """A launch of `grid` groups of `block` work-items. Raises `LaunchRefused`.

        Without a block the runtime chooses the groups, and `grid` counts work-items: at least so many run, and an even number
        of them on the first axis, which leaves the runtime a choice (Hedberg 2015, section 9). A kernel that is launched so
        leaves alone what lies beyond its sizes, and shares no memory.

        Scalars are NumPy's, so that their size is the one that the kernel declares: np.float32(x), not x.
        """

    def linger(self) -> None:
        """What was enqueued is all for now, and the next is expected soon: a device whose threads would sleep may keep them awake for a
        moment. Nothing waits for that.
        """

    def mark(self) -> Event:
        """A mark after everything enqueued so far."""

    def synchronize(self) -> None:
        """Wait until everything is done."""

    def memory(self) -> MemoryUse:
        """What is allocated."""

    def close(self) -> None:
        """Wait, and free everything. Other calls are then errors."""
