"""What goes wrong on a device, and what to do about it. Messages name the device, what was asked for, and what it has."""

from __future__ import annotations

from collections.abc import Sequence

from gcnn.errors import GcnnError

_LOG_LINES = 30


class DeviceError(GcnnError, RuntimeError):
    """A device refused or failed."""


class OutOfDeviceMemory(DeviceError, MemoryError):
    """A buffer does not fit.

    Attributes:
        asked: bytes that were asked for.
        name: what the buffer was for.
    """

    def __init__(self, device: str, name: str, asked: int, reason: str) -> None:
        self.asked, self.name = asked, name
        super().__init__(
            f"{device}: no memory for {name!r} ({asked:,} bytes): {reason}. Use a smaller batch, or a device with more memory."
        )


class BuildFailed(DeviceError):
    """Kernel source does not compile.

    Attributes:
        source_name: the kernel file.
        options: the compiler's options.
        log: all that the compiler said.
    """

    def __init__(self, device: str, source_name: str, options: Sequence[str], log: str) -> None:
        self.source_name, self.options, self.log = source_name, tuple(options), log.strip()
        lines = self.log.splitlines() or ["(the compiler said nothing)"]
        more = [f"({len(lines) - _LOG_LINES} more lines)"] if len(lines) > _LOG_LINES else []
        shown = "\n  ".join(lines[:_LOG_LINES] + more)
        super().__init__(
            f"{device}: {source_name} does not compile (options: {' '.join(options) or 'none'}). The compiler said:\n  {shown}"
        )


class LaunchRefused(DeviceError, ValueError):
    """A launch has the wrong arguments, or a shape that the device does not allow."""
