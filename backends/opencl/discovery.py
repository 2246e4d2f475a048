"""Which OpenCL devices are there and compute, and why others do not. pyopencl is imported when first asked, never before."""

from __future__ import annotations

import importlib
import os
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from platformdirs import user_cache_path

from gcnn import kernels
from gcnn.backend import Device, Unavailable
from gcnn.backends.accelerated.cache import BinaryCache
from gcnn.backends.accelerated.errors import BuildFailed, DeviceError
from gcnn.backends.accelerated.limits import Limits
from gcnn.backends.opencl.affinity import set_affinity
from gcnn.backends.opencl.icd import INTEL, Driver, prepare
from gcnn.backends.opencl.runtime import OpenCLRuntime
from gcnn.errors import BackendUnavailable, GcnnError

NAME = "opencl"
_INSTALL = 'pip install "gcnn[opencl-cpu]" for a CPU runtime, or "gcnn[opencl]" and your device\'s driver'
_SPAWN = "start worker processes by spawn (multiprocessing.set_start_method), or use OpenCL in the child only"
_SURVIVES_FORK = {"Intel(R) OpenCL"}
"""Platforms seen to work in a forked child. PoCL's launches never end there: its threads stay behind with the parent."""
_KINDS = ("gpu", "accelerator", "cpu")
_PROBE_ITEMS = 4
_NO_CACHE, _CACHE = "PYOPENCL_NO_CACHE", ("pytools", "pytools")
"""What pyopencl reads when it is imported, and where its cache lies."""

_lock = threading.Lock()
_found: list[_Found] | None = None
_touched_by: int | None = None
"""The process in which drivers were first asked for devices; they may have started threads then."""


@dataclass(frozen=True)
class _Found:
    """A device or the reason against it, with what pyopencl calls it where there is one.

    Attributes:
        spare: of a CPU, the context it was examined in, until a runtime takes it: PoCL loads its library of functions once a context,
            which takes a second. On other devices a context takes up their memory, so none is kept.
    """

    result: Device | Unavailable
    handle: Any = None
    limits: Limits | None = None
    spare: list[Any] = field(default_factory=list, compare=False)


def devices() -> list[Device | Unavailable]:
    """Every device of every platform: usable ones first, GPUs before CPUs, each seen to compute. Never raises."""
    return [_after_fork(found).result for found in _look()]


def open_runtime(device: Device, cache: BinaryCache | None = None) -> OpenCLRuntime:
    """A runtime of its own on a device that `devices` gave.

    Raises:
        BackendUnavailable: there is no such device, or it cannot be used in this process.
    """
    for found in map(_after_fork, _look()):
        if found.result == device and found.limits is not None:
            with _lock:
                context = found.spare.pop() if found.spare and _touched_by == os.getpid() else None
            return OpenCLRuntime(_pyopencl(), found.handle, device, found.limits, cache, context)
        if isinstance(found.result, Unavailable) and found.result.name == device.name:
            raise BackendUnavailable(f"{device.name}: {found.result.reason}; {found.result.remedy}.")
    raise BackendUnavailable(f"OpenCL has no device {device.name!r} with index {device.index}. See: gcnn devices")


def _pyopencl() -> Any:
    """pyopencl; without its cache of generated calls where there is no place for one, since no kernel could be made then."""
    if _NO_CACHE in os.environ or _is_writable(user_cache_path(*_CACHE)):
        return importlib.import_module("pyopencl")
    os.environ[_NO_CACHE] = "1"
    try:
        return importlib.import_module("pyopencl")
    finally:  # what this process starts may have a place
        del os.environ[_NO_CACHE]


def _is_writable(folder: Path) -> bool:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return False
    return os.access(folder, os.W_OK)


def _after_fork(found: _Found) -> _Found:
    """What a forked child can still use."""
    if _touched_by in (None, os.getpid()) or not isinstance(found.result, Device):
        return found
    if found.result.details["platform"] in _SURVIVES_FORK:
        return found
    reason = "this process was forked from one that had used OpenCL, and the driver's threads did not come along"
    return _Found(Unavailable(NAME, found.result.name, reason, _SPAWN))


def _look() -> list[_Found]:
    """Look once in a process. A forked child keeps what its parent saw, since asking again may hang."""
    global _found
    with _lock:
        if _found is None:
            try:
                _found = _search()
            except Exception as error:  # noqa: BLE001  # drivers fail in any way; the reason is kept and reported
                _found = [_missing("OpenCL", f"{type(error).__name__}: {error}", _INSTALL)]
        return _found


def _missing(name: str, reason: str, remedy: str) -> _Found:
    return _Found(Unavailable(NAME, name, reason, remedy))


def _search() -> list[_Found]:
    global _touched_by
    set_affinity()
    try:
        drivers = prepare()
        cl = _pyopencl()
    except ModuleNotFoundError as error:
        return [_missing("OpenCL", f"{error.name} is not installed", _INSTALL)]
    except ImportError as error:  # the ICD loader, which pyopencl is linked to
        return [_missing("OpenCL", f"pyopencl does not load: {error}", "reinstall pyopencl from PyPI")]
    except OSError as error:  # pyopencl makes its cache's folder when it is imported
        remedy = "set XDG_CACHE_HOME to a folder that may be written to, or PYOPENCL_NO_CACHE=1"
        return [_missing("OpenCL", f"pyopencl does not load: {error}", remedy)]
    broken = [_broken_driver(driver) for driver in drivers if driver.fault is not None]
    _touched_by = os.getpid()
    try:
        platforms = cl.get_platforms()
    except cl.Error as error:
        if "PLATFORM_NOT_FOUND" not in str(error):
            raise
        platforms = []
    if not platforms and not broken:
        return [_missing("OpenCL", "no driver is installed", _INSTALL)]
    pairs = [pair for platform in platforms for pair in _devices_of(cl, platform)]
    usable: list[_Found] = []
    refused = [fault for _, fault in pairs if fault is not None]
    for handle in sorted((handle for handle, _ in pairs if handle is not None), key=partial(_order, cl)):
        result = _examine(cl, handle, len(usable))
        (usable if isinstance(result.result, Device) else refused).append(result)
    return usable + refused + broken + _too_late(drivers, {platform.name for platform in platforms})


def _broken_driver(driver: Driver) -> _Found:
    remedy = _INSTALL if driver.name == INTEL else f"reinstall the driver, or remove {driver.name}"
    return _missing(driver.name, f"its library does not load: {driver.fault}", remedy)


def _too_late(drivers: list[Driver], platforms: set[str]) -> list[_Found]:
    """Intel's runtime where it loads and yet is not among the platforms: the ICD loader reads its folder only once."""
    intel = [driver for driver in drivers if driver.name == INTEL and driver.fault is None]
    if not intel or any("Intel" in platform for platform in platforms):
        return []
    reason = "its library loads, but pyopencl was used in this process before gcnn looked for drivers"
    remedy = f"let gcnn look first (gcnn.get_backend), or start with OCL_ICD_VENDORS={os.environ['OCL_ICD_VENDORS']}"
    return [_missing(INTEL, reason, remedy)]


def _devices_of(cl: Any, platform: Any) -> list[tuple[Any, _Found | None]]:
    try:
        return [(handle, None) for handle in platform.get_devices()]
    except cl.Error as error:
        return [(None, _missing(platform.name, f"it gives no devices: {error}", "check its driver's installation"))]


def _kind(cl: Any, handle: Any) -> str:
    if handle.type & cl.device_type.GPU:
        return "gpu"
    return "cpu" if handle.type & cl.device_type.CPU else "accelerator"


def _order(cl: Any, handle: Any) -> tuple[int, str, str]:
    """GPUs first. Among CPU runtimes the alphabet puts Intel's before PoCL, as speed does."""
    return _KINDS.index(_kind(cl, handle)), handle.platform.name, handle.name


def _examine(cl: Any, handle: Any, index: int) -> _Found:
    """One device: what it claims, and whether the probe agrees."""
    name = f"{handle.name.strip()} ({handle.platform.name.strip()})"
    try:
        if not handle.available:
            return _missing(name, "its driver calls it unavailable", "check its driver's installation")
        if not handle.compiler_available:
            return _missing(name, "its driver has no compiler", "install the driver's compiler package")
        limits = _limits(cl, handle)
        dtypes = ("float32", "float64") if limits.float64 else ("float32",)
        details = {
            "platform": handle.platform.name.strip(),
            "platform version": handle.platform.version.strip(),
            "vendor": handle.vendor.strip(),
            "driver": handle.driver_version.strip(),
            "version": handle.version.strip(),
            "pyopencl": cl.VERSION_TEXT,
        }
        device = Device(NAME, index, name, _kind(cl, handle), dtypes, details)
        runtime = OpenCLRuntime(cl, handle, device, limits)
        try:
            _probe(runtime, dtypes)
        finally:
            runtime.close()
    except BuildFailed as error:
        return _missing(name, str(error), "use another device; its driver's compiler does not fit this machine")
    except (GcnnError, cl.Error) as error:
        return _missing(name, str(error), "use another device, or another release of its driver")
    return _Found(device, handle, limits, [runtime.context] if device.kind == "cpu" else [])


def _probe(runtime: OpenCLRuntime, dtypes: Sequence[str]) -> None:
    """Run kernels/probe.cl in all dtypes. Raises `DeviceError` where a result is not the known one."""
    reals = [np.dtype(name) for name in (dtypes[0], dtypes[-1])]
    defines = {"REAL_BITS": 8 * reals[0].itemsize, "WIDE_BITS": 8 * reals[1].itemsize, "BLOCK": _PROBE_ITEMS}
    program = runtime.compile(kernels.source("probe.cl"), "probe.cl", defines)
    buffers, results = [], []
    for real in reals:
        x = np.arange(1, _PROBE_ITEMS + 1, dtype=real)
        source, target = runtime.alloc(x.nbytes, "probe x"), runtime.zeros(x.nbytes, "probe y")
        runtime.upload(x, source)
        buffers += [source, target]
        results.append((target, 2 * x[::-1] + np.arange(_PROBE_ITEMS, dtype=real)))
    runtime.bind(program.kernel("probe"), (1,), (_PROBE_ITEMS,), buffers)()
    for target, expected in results:
        y = np.empty_like(expected)
        runtime.download(target, y)
        if not np.array_equal(y, expected):
            raise DeviceError(
                f"it computes wrongly in {y.dtype}: a tiny kernel gave {y.tolist()}, expected {expected.tolist()}"
            )


def _limits(cl: Any, handle: Any) -> Limits:
    block = tuple(int(items) for items in handle.max_work_item_sizes)
    return Limits(
        memory_bytes=int(handle.global_mem_size),
        allocation_bytes=int(handle.max_mem_alloc_size),
        shared_bytes=int(handle.local_mem_size),
        block_items=int(handle.max_work_group_size),
        block=block,
        grid=(2**31 - 1,) * len(block),
        compute_units=int(handle.max_compute_units),
        vector_bytes=4 * int(handle.native_vector_width_float) if _kind(cl, handle) == "cpu" else 0,
        float64="cl_khr_fp64" in handle.extensions.split(),
        constant_bytes=int(handle.max_constant_buffer_size),
    )
