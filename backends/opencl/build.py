"""Compiling OpenCL C, with a cache of compiled programs for drivers that keep none, such as Intel's."""

from __future__ import annotations

import importlib
import platform
import re
import threading
import warnings
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

from gcnn.backends.accelerated.cache import BinaryCache, key
from gcnn.backends.accelerated.errors import BuildFailed
from gcnn.backends.opencl.faults import build_log, explain, is_build_failure

_lock = threading.Lock()


def build(
    cl: Any,
    context: Any,
    device: Any,
    device_name: str,
    kept: BinaryCache,
    source: str,
    name: str,
    options: Sequence[str],
) -> Any:
    """The built program, from the cache where it is there and the driver still takes it.

    Raises:
        BuildFailed: the source does not compile.
        DeviceError: the driver failed otherwise.
    """
    entry = key(
        ["opencl", source, *options, device.name, device.vendor, device.driver_version, device.version]
        + [device.platform.name, device.platform.version, _processor()]
    )
    binary = kept.get(entry)
    if binary is not None:
        try:
            return _quietly(cl, lambda: cl.Program(context, [device], [binary]).build())
        except cl.Error:
            pass  # of another release of the driver, whatever its version says: compile again
    characterize = importlib.import_module("pyopencl.characterize")
    try:
        # Without pyopencl's own cache: ours is enough, and in 2026.1 to 2026.1.2 its faults fail builds.
        program = _quietly(cl, lambda: cl.Program(context, source).build(list(options), cache_dir=False))
    except cl.Error as error:
        log = build_log(error)
        if is_build_failure(cl, error):
            raise BuildFailed(device_name, name, options, log) from error
        raise explain(error, device_name, f"compiling {name}") from error
    # PoCL and NVIDIA's driver keep what they compile; to take it out of PoCL compiles all of it once more (measured).
    if not characterize.has_src_build_cache(device):
        kept.put(entry, program.binaries[0])
    return program


def _quietly(cl: Any, make: Any) -> Any:
    """Intel's compiler reports success in its log, which pyopencl turns into a warning."""
    with _lock, warnings.catch_warnings():
        warnings.simplefilter("ignore", cl.CompilerWarning)
        return make()


@cache
def _processor() -> str:
    """What the processor can do: CPU drivers compile for it, and virtual machines call different ones by one name."""
    try:
        flags = re.search(r"^(?:flags|Features)\s*:(.*)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    except OSError:
        return platform.processor()
    return flags[1].strip() if flags else platform.processor()
