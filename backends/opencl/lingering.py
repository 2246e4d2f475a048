"""Threads of PoCL that stay awake for a moment after the last launch, so that the next one finds them so (decision "lingering").

They sleep as soon as nothing is enqueued, and who calls step after step comes back before they are well asleep. OpenMP's threads wait
actively between loops for the same reason; a launch that does nothing but wait makes PoCL's do so.
"""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING, Any

import numpy as np

from gcnn import kernels
from gcnn.backend import Device
from gcnn.backends.opencl.affinity import owns_machine

if TYPE_CHECKING:
    from gcnn.backends.opencl.runtime import OpenCLRuntime

POLLS = 800_000
"""Looks at what the host says, until threads sleep after all: some 200 µs."""
_LARGEST = 2**32 - 1
"""Where counts begin anew."""
_SLEEPS = "Portable Computing Language"


def may_linger(device: Device, units: int) -> bool:
    """Whether a device's threads sleep between launches, there is one beside the host's, and this process may keep it from others."""
    sleeps = device.kind == "cpu" and device.details.get("platform") == _SLEEPS
    return sleeps and units > 1 and os.environ.get("GCNN_LINGER") != "0" and owns_machine(os.environ)


class Lingering:
    """The launch that waits, and its end. Safe for threads: where two enqueue at a time, it ends early.

    Args:
        runtime: which has memory that the host sees at any time.
        units: compute units; one is left to the host.
    """

    def __init__(self, runtime: OpenCLRuntime, units: int) -> None:
        counts = runtime.zeros((units - 1) * np.dtype(np.uint32).itemsize, "launches that wait")
        ended = runtime.zeros(np.dtype(np.uint32).itemsize, "launches that wait no more", shared=True)
        program = runtime.compile(kernels.source("lingering.cl"), "lingering.cl", {"REAL_BITS": 32, "POLLS": POLLS})
        self._launch = runtime.bind(program.kernel("linger"), (units - 1,), (1,), (counts, ended))
        assert ended.host is not None, "memory that the host does not see"
        self._ended: np.ndarray[Any, np.dtype[np.uint32]] = ended.host.view(np.uint32)
        self._begun, self._lock = 0, threading.Lock()

    def begin(self) -> None:
        """Enqueue it behind everything else."""
        with self._lock:
            self._launch()
            self._begun += 1

    def end(self) -> None:
        """Now that more is enqueued, or somebody waits for all."""
        self._ended[0] = self._begun & _LARGEST
