"""Threads of PoCL that stay awake for a moment after the last launch, so that the next one finds them so (decision "lingering").

They sleep as soon as nothing is enqueued, and who calls step after step comes back before they are well asleep. OpenMP's threads wait
actively between loops for the same reason; a launch that does nothing but wait makes PoCL's do so.
"""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING

import numpy as np

from gcnn import kernels
from gcnn.backend import Device
from gcnn.backends.accelerated.runtime import Buffer
from gcnn.backends.opencl.affinity import owns_machine
from gcnn.backends.opencl.transfers import shared_memory

if TYPE_CHECKING:
    from gcnn.backends.opencl.runtime import OpenCLRuntime

POLLS = 800_000
"""Looks at what the host says, until threads sleep after all: 200 µs where one takes a cycle of 4 GHz."""
_LARGEST = 2**32 - 1
"""Where counts begin anew."""
_SLEEPS = "Portable Computing Language"


def may_linger(device: Device, units: int) -> bool:
    """Whether a device's threads sleep between launches, there is one beside the host's, and this process may keep it from others."""
    sleeps = device.kind == "cpu" and device.details.get("platform") == _SLEEPS
    return sleeps and units > 1 and os.environ.get("GCNN_LINGER") != "0" and owns_machine(os.environ)


class Lingering:
    """The launch that waits, and its end. Safe for threads: what begins while another enqueues may last its moment.

    Its memory is the runtime's own, and counted as nobody's.
    """

    def __init__(self, runtime: OpenCLRuntime) -> None:
        # One unit is left to the host.
        units = runtime.limits.compute_units - 1
        raw, host = shared_memory(
            runtime._cl, runtime.context, runtime.queue, (1 + units) * np.dtype(np.uint32).itemsize
        )
        self._counts = host.view(np.uint32)
        self._counts[:] = 0
        program = runtime.compile(kernels.source("lingering.cl"), "lingering.cl", {"REAL_BITS": 32, "POLLS": POLLS})
        counts = Buffer(runtime, raw, host.nbytes, "launches that wait", host)
        self._launch = runtime.bind(program.kernel("linger"), (units,), (1,), (counts,))
        self._begun, self._lock = 0, threading.RLock()

    def begin(self) -> None:
        """Enqueue it behind everything else."""
        with self._lock:
            # An interruption between the launch and its count here: the device is ahead, and would wait for ever more.
            ahead = (int(self._counts[1]) - self._begun) & _LARGEST
            missed = ahead if ahead <= _LARGEST // 2 else 0
            self._launch()
            self._begun = (self._begun + missed + 1) & _LARGEST

    def end(self) -> None:
        """Now that more is enqueued, or somebody waits for all."""
        with self._lock:
            self._counts[0] = self._begun
