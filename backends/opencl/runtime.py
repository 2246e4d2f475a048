"""The runtime on pyopencl: one context and one queue, in order, that keeps times."""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from gcnn.backend import Device
from gcnn.backends.accelerated.arguments import Parameter, check_argument, check_arguments, parameters
from gcnn.backends.accelerated.cache import BinaryCache
from gcnn.backends.accelerated.errors import DeviceError, LaunchRefused
from gcnn.backends.accelerated.limits import Limits, check_allocation, check_launch
from gcnn.backends.accelerated.runtime import Buffer, Event, Kernel, MemoryUse, Tally
from gcnn.backends.opencl.build import build
from gcnn.backends.opencl.faults import explain
from gcnn.backends.opencl.lingering import Lingering, may_linger
from gcnn.backends.opencl.settling import settles
from gcnn.backends.opencl.transfers import (
    bytes_of,
    can_share,
    lending,
    mapped_from,
    read_mapped,
    return_lent,
    same_memory,
    shared_memory,
    waits_for_all,
    write_mapped,
)
from gcnn.maps import Array

MOST_PROGRAMS = 256
"""Compiled programs that are kept for plans to come, those used last; launches keep their own. Some drivers take a megabyte each."""


class OpenCLRuntime:
    """See `gcnn.backends.accelerated.runtime.Runtime`.

    Args:
        cl: the module pyopencl.
        handle: pyopencl's device.
        device: the same device as gcnn describes it.
        limits: what it allows.
        cache: where compiled kernels are kept; by default in the user's cache.
        context: pyopencl's, of the device alone; by default a new one.

    Attributes:
        mapped_from: bytes from which transfers that wait go through a mapped buffer; `transfers.NEVER` copies all.
    """

    language = "opencl"

    def __init__(
        self,
        cl: Any,
        handle: Any,
        device: Device,
        limits: Limits,
        cache: BinaryCache | None = None,
        context: Any = None,
    ) -> None:
        self.device, self.limits = device, limits
        self._cl, self._handle, self._cache = cl, handle, cache or BinaryCache()
        self.mapped_from, self._shares = mapped_from(device), can_share(cl, handle, device)
        self._lending, self.waits_for_all = lending(cl, handle, device), waits_for_all(device)
        self._process = os.getpid()
        self._closed = False
        self._tally = Tally()
        self._programs: OrderedDict[str, OpenCLProgram] = OrderedDict()
        self._uploads: list[Any] = []
        self._lingers = self._shares and may_linger(device, limits.compute_units)
        self._lingering: Lingering | None = None
        self._lock = threading.RLock()
        try:
            self.context = context or cl.Context([handle])
            self.queue = cl.CommandQueue(self.context, handle, properties=cl.command_queue_properties.PROFILING_ENABLE)
        except cl.Error as error:
            raise explain(error, device.name, "opening the device") from error
        settles(self)

    def check(self) -> None:
        """Raises `DeviceError` after `close`, and in a child process, where drivers may hang."""
        if self._process != os.getpid():
            raise DeviceError(
                f"{self.device.name} was opened by process {self._process}, from which this one was forked: a driver's context "
                "does not survive that. Open the device again in the child, or start it by spawn."
            )
        if self._closed:
            raise DeviceError(f"the runtime on {self.device.name} is closed.")

    def alloc(self, nbytes: int, name: str = "buffer", shared: bool = False) -> Buffer:
        self.check()
        check_allocation(self.device.name, self.limits, name, nbytes, self._tally.allocated)
        size, host = max(1, nbytes), None  # OpenCL has no empty buffers
        try:
            if shared and self._shares:
                raw, host = shared_memory(self._cl, self.context, self.queue, size)
            else:
                raw = self._cl.Buffer(self.context, self._cl.mem_flags.READ_WRITE, size)
        except self._cl.Error as error:
            raise explain(error, self.device.name, "allocating", name, nbytes) from error
        buffer = Buffer(self, raw, nbytes, name, host)
        self._tally.add(buffer)
        return buffer

    def lend(self, host: Array) -> Buffer | None:
        self.check()
        # pyopencl takes none that is read-only, and kernels none whose values begin in between.
        if self._lending is None or not (host.flags.writeable and host.flags.aligned):
            return None
        try:
            raw = self._lending(self._cl, self.context, host)
        except self._cl.Error as error:
            raise explain(error, self.device.name, "lending") from error
        return Buffer(self, raw, host.nbytes, "an array of the host", bytes_of(host))

    def zeros(self, nbytes: int, name: str = "buffer", shared: bool = False) -> Buffer:
        buffer = self.alloc(nbytes, name, shared)
        self.fill(buffer, np.uint8(0), nbytes)
        return buffer

    def upload(self, host: Array, target: Buffer, offset: int = 0, wait: bool = True) -> None:
        self._check_range(target, offset, host.nbytes)
        host = np.ascontiguousarray(host)
        if host.nbytes == 0:
            return
        if target.host is not None:
            self.wait_for(target)
            target.host[offset : offset + host.nbytes] = bytes_of(host)
            return
        if wait:
            self._before_blocking()
        if wait and host.nbytes >= self.mapped_from:
            self._guarded(write_mapped, self._cl, self.queue, host, target.raw, offset)
            return
        done = self._transfer(target.raw, host, dst_offset=offset, is_blocking=wait)
        if not wait:
            # pyopencl's event keeps the array, and waits where it is dropped early.
            self._uploads.append(done)

    def download(self, source: Buffer, host: Array, offset: int = 0) -> None:
        self._check_range(source, offset, host.nbytes)
        if not host.flags.c_contiguous or not host.flags.writeable:
            raise DeviceError("a download needs a contiguous array that may be written to.")
        if host.nbytes == 0:
            self.synchronize()
            return
        if source.host is not None:
            self.wait_for(source)
            if same_memory(source.host, host):
                self._guarded(return_lent, self._cl, self.queue, source.raw, host)
            else:
                bytes_of(host)[...] = source.host[offset : offset + host.nbytes]
            return
        self._before_blocking()
        # Taken first: what another thread uploads meanwhile is kept for the next time.
        uploads, self._uploads = self._uploads, []
        if host.nbytes >= self.mapped_from:
            self._guarded(read_mapped, self._cl, self.queue, source.raw, host, offset)
        else:
            self._transfer(host, source.raw, src_offset=offset, is_blocking=True)
        uploads.clear()

    def copy(self, source: Buffer, target: Buffer, nbytes: int, source_offset: int = 0, target_offset: int = 0) -> None:
        self._check_range(source, source_offset, nbytes)
        self._check_range(target, target_offset, nbytes)
        if source.host is not None:
            self.wait_for(source)
            self.upload(source.host[source_offset : source_offset + nbytes], target, target_offset)
        elif target.host is not None:
            self.download(source, target.host[target_offset : target_offset + nbytes], source_offset)
        elif nbytes:
            self._transfer(
                target.raw, source.raw, byte_count=nbytes, src_offset=source_offset, dst_offset=target_offset
            )

    def _transfer(self, target: Any, source: Any, **options: Any) -> Any:
        return self._guarded(self._cl.enqueue_copy, self.queue, target, source, **options)

    def _before_blocking(self) -> None:
        """In a forked child Intel's runtime has no threads: what is enqueued runs where somebody waits for all of it, and there alone."""
        if self.waits_for_all:
            self.synchronize()

    def linger(self) -> None:
        self.check()
        if not self._lingers:
            return
        try:
            with self._lock:
                lingering = self._lingering = self._lingering or Lingering(self)
            lingering.begin()
        except DeviceError:
            # Nobody asked for it, and nothing but time depends on it.
            self._lingers, self._lingering = False, None

    def end_lingering(self) -> None:
        """There is more to do, or somebody waits for all."""
        lingering = self._lingering
        if lingering is not None:
            lingering.end()

    def _guarded(self, transfer: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
        self.end_lingering()
        try:
            return transfer(*arguments, **options)
        except self._cl.Error as error:
            raise explain(error, self.device.name, "copying") from error

    def fill(self, target: Buffer, value: np.generic, count: int, offset: int = 0) -> None:
        self._check_range(target, offset, count * value.nbytes)
        if count == 0:
            return
        if target.host is not None:
            self.upload(np.full(count, value), target, offset)
            return
        self.end_lingering()
        try:
            self._cl.enqueue_fill_buffer(self.queue, target.raw, value, offset, count * value.nbytes)
        except self._cl.Error as error:
            raise explain(error, self.device.name, "filling", target.name, target.nbytes) from error

    def _check_range(self, buffer: Buffer, offset: int, nbytes: int) -> None:
        self.check()
        self.check_owner(buffer)
        if offset < 0 or nbytes < 0 or offset + nbytes > buffer.nbytes:
            raise DeviceError(
                f"{buffer!r} on {self.device.name}: bytes {offset:,} to {offset + nbytes:,} are not inside it."
            )

    def check_owner(self, buffer: Buffer) -> None:
        """Raises `DeviceError` for a buffer of another runtime, whose memory this one cannot see."""
        if buffer.owner is not self:
            raise DeviceError(f"{buffer!r} belongs to another runtime than this one on {self.device.name}.")

    def compile(
        self, source: str, name: str, defines: Mapping[str, object], options: Sequence[str] = ()
    ) -> OpenCLProgram:
        self.check()
        text = "".join(f"#define {macro} {value}\n" for macro, value in sorted(defines.items())) + source
        key = "\0".join([text, *options])
        with self._lock:
            if key not in self._programs:
                built = build(self._cl, self.context, self._handle, self.device.name, self._cache, text, name, options)
                self._programs[key] = OpenCLProgram(self, built, name, source, defines)
                while len(self._programs) > MOST_PROGRAMS:
                    self._programs.popitem(last=False)
            self._programs.move_to_end(key)
            return self._programs[key]

    def bind(
        self,
        kernel: Kernel,
        grid: tuple[int, ...],
        block: tuple[int, ...] | None,
        arguments: Sequence[Buffer | np.generic],
    ) -> OpenCLLaunch:
        self.check()
        if not isinstance(kernel, OpenCLKernel) or kernel.owner is not self:
            raise LaunchRefused(f"kernel {kernel.name!r} was compiled by another runtime.")
        check_launch(self.device.name, self.limits, kernel.name, grid, block, kernel.block_items, kernel.shared_bytes)
        return OpenCLLaunch(self, kernel, grid, block, arguments)

    def mark(self) -> OpenCLEvent:
        self.check()
        self.end_lingering()
        return OpenCLEvent(self._cl.enqueue_marker(self.queue))

    def wait_for(self, buffer: Buffer) -> None:
        used, buffer.used = buffer.used, None  # taken first: another thread may launch what uses it again
        if buffer.host is not None and (used is None or self._is_done(used)):
            return
        if buffer.host is None or self.waits_for_all:
            self.synchronize()
            return
        self.check()
        try:
            self.queue.flush()
            used.wait()
        except self._cl.Error as error:
            raise explain(error, self.device.name, "waiting") from error

    def _is_done(self, used: Any) -> bool:
        """Whether an earlier wait saw the end already; asked where another one would wait for more."""
        complete = self._cl.command_execution_status.COMPLETE
        return self.waits_for_all and bool(used.command_execution_status == complete)

    def synchronize(self) -> None:
        self.check()
        self.end_lingering()
        uploads, self._uploads = self._uploads, []
        try:
            self.queue.finish()
        except self._cl.Error as error:
            raise explain(error, self.device.name, "waiting") from error
        uploads.clear()

    def memory(self) -> MemoryUse:
        return self._tally.use()

    def close(self) -> None:
        if self._closed or self._process != os.getpid():
            return
        self.synchronize()
        self._closed, self._lingering = True, None
        self._programs.clear()
        for buffer in self._tally.live:
            buffer.raw.release()
            buffer.raw = buffer.host = buffer.used = None
        self._tally.clear()


class OpenCLProgram:
    """A built program of a runtime."""

    def __init__(self, owner: OpenCLRuntime, raw: Any, name: str, source: str, defines: Mapping[str, object]) -> None:
        self._owner, self._raw, self._name = owner, raw, name
        self._source, self._defines = source, dict(defines)
        self._kernels: dict[str, OpenCLKernel] = {}

    def kernel(self, name: str) -> OpenCLKernel:
        if name not in self._kernels:
            self._kernels[name] = self._make(name)
        return self._kernels[name]

    def _make(self, name: str) -> OpenCLKernel:
        names = self._raw.kernel_names.split(";")
        if name not in names:
            raise DeviceError(f"{self._name} has no kernel {name!r}; it has {', '.join(sorted(names))}.")
        return OpenCLKernel(self._owner, self._raw, name, parameters(self._source, name, self._defines))


_naming = threading.Lock()


def _make_kernel(cl: Any, program: Any, name: str) -> Any:
    """A kernel object. pyopencl generates a call for it, whose name two threads may find free at once, and warns of that."""
    with _naming:
        return cl.Kernel(program, name)


class OpenCLKernel:
    """A kernel of a built program, what it takes and what it needs."""

    def __init__(self, owner: OpenCLRuntime, program: Any, name: str, takes: tuple[Parameter, ...] | None) -> None:
        self.owner, self.program, self.name = owner, program, name
        cl, handle = owner._cl, owner._handle
        raw = _make_kernel(cl, program, name)
        info = cl.kernel_work_group_info
        self.block_items = int(raw.get_work_group_info(info.WORK_GROUP_SIZE, handle))
        self.shared_bytes = int(raw.get_work_group_info(info.LOCAL_MEM_SIZE, handle))
        self.argument_count = int(raw.num_args)
        # A macro may add parameters that the text does not show.
        self.parameters = takes if takes is not None and len(takes) == self.argument_count else None


class OpenCLLaunch:
    """A kernel object of its own, since in OpenCL arguments belong to it; enqueueing is then one call."""

    __slots__ = (
        "_arguments",
        "_block",
        "_enqueue",
        "_grid",
        "_kernel",
        "_owner",
        "_parameters",
        "_queue",
        "_set_bytes",
        "_shared",
        "name",
    )

    def __init__(
        self,
        owner: OpenCLRuntime,
        kernel: OpenCLKernel,
        grid: tuple[int, ...],
        block: tuple[int, ...] | None,
        arguments: Sequence[Buffer | np.generic],
    ) -> None:
        check_arguments(kernel.name, kernel.parameters, kernel.argument_count, arguments)
        self._owner, self._queue, self.name = owner, owner.queue, kernel.name
        self._parameters = kernel.parameters
        self._kernel = _make_kernel(owner._cl, kernel.program, kernel.name)
        self._enqueue = owner._cl.enqueue_nd_range_kernel
        self._grid, self._block = sizes(grid, block)
        # `set_arg` finds out that a scalar is not a buffer by 30 µs of caught exceptions; pyopencl's own calls use this.
        self._set_bytes = getattr(self._kernel, "_set_arg_buf", self._kernel.set_arg)
        self._arguments: list[Buffer | np.generic] = list(arguments)
        self._shared: list[Buffer] = []
        for index, value in enumerate(arguments):
            self.set(index, value)

    def set(self, index: int, value: Buffer | np.generic) -> None:
        check_argument(self.name, self._parameters, index, value)
        try:
            if isinstance(value, Buffer):
                self._owner.check_owner(value)
                self._kernel.set_arg(index, value.raw)
            else:
                self._set_bytes(index, value.tobytes())
        except self._owner._cl.Error as error:
            doing = f"kernel {self.name!r}, argument {index} = {value!r}"
            raise explain(error, self._owner.device.name, doing) from error
        # pyopencl does not keep what is bound, and PoCL aborts the process where it is gone.
        self._arguments[index] = value
        if isinstance(value, Buffer):
            self._shared = [each for each in self._arguments if isinstance(each, Buffer) and each.host is not None]

    def __call__(self) -> None:
        owner = self._owner
        if owner._closed or owner._process != os.getpid():
            owner.check()
        try:
            done = self._enqueue(self._queue, self._kernel, self._grid, self._block)
        except owner._cl.Error as error:
            raise explain(error, owner.device.name, f"launching kernel {self.name!r}") from error
        for buffer in self._shared:
            buffer.used = done
        owner.end_lingering()


def sizes(grid: tuple[int, ...], block: tuple[int, ...] | None) -> tuple[tuple[int, ...], tuple[int, ...] | None]:
    """OpenCL's global and local size of a launch. No block: the driver chooses, from an even number of work-items."""
    if block is None:
        return (grid[0] + grid[0] % 2, *grid[1:]), None
    return tuple(groups * items for groups, items in zip(grid, block, strict=True)), tuple(block)


class OpenCLEvent:
    """A marker, whose end is when all before it was done."""

    def __init__(self, raw: Any) -> None:
        self.raw = raw

    def wait(self) -> None:
        self.raw.wait()

    def seconds_since(self, earlier: Event) -> float:
        if not isinstance(earlier, OpenCLEvent):
            raise DeviceError("events of two kinds of runtimes have no common clock.")
        self.raw.wait()
        return float(self.raw.profile.end - earlier.raw.profile.end) * 1e-9
