"""A process in which peers run as well as they can and wait quietly: settings are read when a process starts, so it is started again."""

from __future__ import annotations

import os
import sys

SETTINGS = {
    "MALLOC_TRIM_THRESHOLD_": "1000000000",  # else glibc gives memory back between steps, and PyTorch faults it in again
    "MALLOC_MMAP_THRESHOLD_": "1000000000",
    "OPENBLAS_THREAD_TIMEOUT": "4",  # else NumPy's threads spin for a tenth of a second while others compute; it is as fast with it
}


def start_fairly() -> None:
    """Start this script again with the settings that are missing."""
    if missing := {name: value for name, value in SETTINGS.items() if name not in os.environ}:
        os.execve(sys.executable, [sys.executable, *sys.argv], os.environ | missing)  # noqa: S606  # itself
