"""What pyopencl's errors mean."""

from __future__ import annotations

import re
from contextlib import suppress
from pathlib import Path
from typing import Any

from gcnn.backends.accelerated.errors import DeviceError, LaunchRefused, OutOfDeviceMemory

_MEMORY = {"MEM_OBJECT_ALLOCATION_FAILURE", "OUT_OF_RESOURCES", "OUT_OF_HOST_MEMORY", "INVALID_BUFFER_SIZE"}
_LAUNCH = {
    "INVALID_ARG_INDEX",
    "INVALID_ARG_SIZE",
    "INVALID_ARG_VALUE",
    "INVALID_GLOBAL_WORK_SIZE",
    "INVALID_KERNEL_ARGS",
    "INVALID_WORK_DIMENSION",
    "INVALID_WORK_GROUP_SIZE",
    "INVALID_WORK_ITEM_SIZE",
}
_SAVED = re.compile(r"\n\(source saved as (.+?)\)")
_NOISE = re.compile(r"\n\(options: .*\)$", re.MULTILINE)


def status(error: Exception) -> str:
    """The name of the driver's status code; empty where the error is not the driver's."""
    text = re.match(r"\w+ failed: (\w+)", str(error))
    return text[1] if text else ""


def explain(error: Exception, device: str, doing: str, name: str = "", nbytes: int = 0) -> DeviceError:
    """The error of gcnn that says what a driver's error means.

    Args:
        error: what pyopencl raised.
        device: the device's name.
        doing: what was asked for.
        name: the buffer that it was for, if one.
        nbytes: its size.
    """
    code = status(error)
    if code in _MEMORY:
        return OutOfDeviceMemory(device, name or doing, nbytes, f"the driver says {code} while {doing}")
    if code in _LAUNCH:
        return LaunchRefused(f"{device}: {doing}: {code}.")
    return DeviceError(f"{device}: {doing} failed: {code or f'{type(error).__name__}: {error}'}.")


def build_log(error: Exception) -> str:
    """The compiler's words in a build error, without the copy of the source that pyopencl leaves in the temporary folder."""
    text = str(error)
    for saved in _SAVED.findall(text):
        with suppress(OSError):
            Path(saved).unlink()
    text = _NOISE.sub("", _SAVED.sub("", text))
    _, build, log = text.partition("Build on ")
    return log.partition(":\n")[2] if build else text


def is_build_failure(cl: Any, error: Exception) -> bool:
    """Whether the compiler refused the source, as opposed to anything else that went wrong."""
    return isinstance(error, cl.Error) and ("BUILD_PROGRAM_FAILURE" in str(error) or "COMPILE_PROGRAM" in str(error))
