"""How much memory there is, asked before a file makes us take it."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from gcnn.errors import DataError
from gcnn.maps import Array

MEMINFO = Path("/proc/meminfo")
CGROUP = Path("/sys/fs/cgroup")
"""Where a container (Linux control groups, version 2) finds its own limit."""


def available_memory() -> int | None:
    """Bytes that this process may still take without swapping; None where the system does not say (only Linux does)."""
    try:
        fields = dict(line.split(":", 1) for line in MEMINFO.read_text("ascii").splitlines())
        system = int(fields["MemAvailable"].split()[0]) * 1024
    except (OSError, KeyError, ValueError, IndexError):
        return None
    try:
        limit, used = (int((CGROUP / name).read_text("ascii")) for name in ("memory.max", "memory.current"))
    except (OSError, ValueError):  # no such limit, or "max"
        return system
    return min(system, max(0, limit - used))


def allocate(size: int, what: str, remedy: str) -> Array:
    """(size,) bytes, not yet written.

    Raises:
        DataError: more than there are; the message begins with `what` and ends with `remedy`.
    """
    available = available_memory()
    try:
        if available is None or size <= available:
            return np.empty(size, np.uint8)
    except MemoryError:  # a limit of this process
        available = None
    free = "which could not be had" if available is None else f"but {available / 1e6:,.0f} MB are free"
    raise DataError(f"{what} takes {size / 1e6:,.0f} MB of memory, {free}. {remedy}")
