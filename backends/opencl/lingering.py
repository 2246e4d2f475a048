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
    """The launch that waits, and its end. Safe for threads: where one begins while another enqueues, it ends at once.

    Its memory is the runtime's own, and counted as nobody's.
    """

    def __init__(self, runtime: OpenCLRuntime) -> None:
        raw, host = shared_memory(runtime._cl, runtime.context, runtime.queue, np.dtype(np.uint32).itemsize)
        ended = Buffer(runtime, raw, host.nbytes, "launches that wait no more", host)
        self._ended = host.view(np.uint32)
        self._ended[0] = self._begun = 0
        program = runtime.compile(kernels.source("lingering.cl"), "lingering.cl", {"REAL_BITS": 32, "POLLS": POLLS})
        # One unit is left to the host.
        grid = (runtime.limits.compute_units - 1,)
        self._launch = runtime.bind(program.kernel("linger"), grid, (1,), (np.int32(0), ended))
        self._lock = threading.RLock()

    def begin(self) -> None:
        """Enqueue it behind everything else."""
        with self._lock:
            # Counted first: what interrupts this may leave a number out, but none that is never ended.
            self._begun = (self._begun + 1) & _LARGEST
            self._launch.set(0, np.uint32(self._begun).view(np.int32))
            self._launch.enqueue()

    def end(self) -> None:
        """Now that more is enqueued, or somebody waits for all."""
        with self._lock:
            self._ended[0] = self._begun
