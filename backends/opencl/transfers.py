"""How bytes get to a device and back: by copies that the driver makes, or where the device is the host, by mapping a buffer, or through
memory that both see at any time (OpenCL's fine-grained shared virtual memory).

What every call uploads and downloads is shared where it can be. Measured, interleaved, medians in µs of 200 kB to the device, a kernel, and
16 bytes back:

            copy    map    shared    the kernel alone
    Intel     71     59        34                  24
    PoCL     148    194       106                  67

For the rest, Hedberg's section 9 advises to map on the host. Measured, interleaved, on a processor of two cores, medians of upload and
download in µs:

    bytes       256    4 KiB   64 KiB   1 MiB    16 MiB
    Intel copy   14       31       39     160     13000
    Intel map    24       25       26     110      7500
    PoCL copy    20       23       40     200      3700
    PoCL map     48       63       69     250      3800

So Intel's runtime maps from 4 KiB on, and PoCL copies.

Arrays of a megabyte and more are not copied at all where the device is the host: it reads and writes them where they are.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from gcnn.backend import Device
from gcnn.maps import Array

NEVER = sys.maxsize
"""As a number of bytes from which buffers are mapped: no transfer is so long."""
ALIGNMENT = 64
"""Bytes, of the longest vectors."""
_COPIES = "Portable Computing Language"
_ON_WAITING_THREADS = "Intel(R) OpenCL"
_BUFFER, _SYSTEM = 1 << 1, 1 << 2
"""CL_DEVICE_SVM_FINE_GRAIN_BUFFER, memory that both allocate together, and _SYSTEM: kernels take any pointer of the host's."""


def mapped_from(device: Device) -> int:
    """Bytes from which a transfer is faster through a mapped buffer."""
    is_host = device.kind == "cpu"
    return 4096 if is_host and device.details.get("platform") != _COPIES else NEVER


def can_share(cl: Any, handle: Any, device: Device) -> bool:
    """Whether the device is the host and takes its fine-grained memory."""
    return device.kind == "cpu" and bool(_shared_kinds(cl, handle) & _BUFFER)


def waits_for_all(device: Device) -> bool:
    """Whether an event's end is seen only when what was enqueued after it is done too. Intel's runtime for CPUs goes through its queue on
    the thread that waits.
    """
    return device.kind == "cpu" and device.details.get("platform") == _ON_WAITING_THREADS


def _shared_kinds(cl: Any, handle: Any) -> int:
    """CL_DEVICE_SVM_CAPABILITIES: which memory of the host's the device takes."""
    try:
        return int(handle.svm_capabilities)
    except (cl.Error, AttributeError):  # OpenCL before 2.0, and a pyopencl made for it
        return 0


def shared_memory(cl: Any, context: Any, queue: Any, nbytes: int) -> tuple[Any, Array]:
    """Memory of the device and the host, as kernels take it and as bytes. It is freed when what was enqueued before is done."""
    flags = cl.svm_mem_flags.READ_WRITE | cl.svm_mem_flags.SVM_FINE_GRAIN_BUFFER
    host = cl.svm_empty(context, flags, nbytes, np.uint8, alignment=ALIGNMENT, queue=queue)
    return host.base, host


def lending(cl: Any, handle: Any, device: Device) -> Callable[[Any, Any, Array], Any] | None:
    """What makes a host's array memory of the device, where the device is the host and needs no copy of its own."""
    if device.kind != "cpu":
        return None
    if _shared_kinds(cl, handle) & _SYSTEM:
        return lambda cl, context, host: cl.SVM(host)
    return _buffer_over if device.details.get("platform") == _COPIES else None


def _buffer_over(cl: Any, context: Any, host: Array) -> Any:
    return cl.Buffer(context, cl.mem_flags.READ_WRITE | cl.mem_flags.USE_HOST_PTR, hostbuf=host)


def return_lent(cl: Any, queue: Any, raw: Any, host: Array) -> None:
    """Let the host see what was written to its array, when that is done: OpenCL asks for a mapping of what is a buffer."""
    if isinstance(raw, cl.Buffer):
        mapped, _ = cl.enqueue_map_buffer(queue, raw, cl.map_flags.READ, 0, host.shape, host.dtype, is_blocking=True)
        mapped.base.release(queue)


def same_memory(one: Array, other: Array) -> bool:
    """Whether two contiguous arrays are the same bytes."""
    # The first two tell the common cases apart in a tenth of the time of the third.
    return one.nbytes == other.nbytes and np.may_share_memory(one, other) and one.ctypes.data == other.ctypes.data


def bytes_of(array: Array) -> Array:
    """The bytes of a contiguous array."""
    return array.reshape(-1).view(np.uint8)


def write_mapped(cl: Any, queue: Any, host: Array, target: Any, offset: int) -> None:
    """An array into a buffer, from byte `offset` on; returns when it is there."""
    mapped, _ = cl.enqueue_map_buffer(
        queue, target, cl.map_flags.WRITE_INVALIDATE_REGION, offset, host.shape, host.dtype, is_blocking=True
    )
    mapped[...] = host
    mapped.base.release(queue)


def read_mapped(cl: Any, queue: Any, source: Any, host: Array, offset: int) -> None:
    """Fill an array from byte `offset` of a buffer."""
    mapped, _ = cl.enqueue_map_buffer(
        queue, source, cl.map_flags.READ, offset, host.shape, host.dtype, is_blocking=True
    )
    host[...] = mapped
    mapped.base.release(queue)
