"""What a training step takes besides its kernels: Python, transfers, the driver's launches; in the turns of one process.

    python benchmarks/overhead.py --models lenet simard --batch 64

Kernels are timed by the driver's own events in blocks of their own. A step goes on beside the host, so that kernels run while Python does:
what is left is the time in which no kernel ran.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from typing import Any

import pyopencl

import gcnn
from gcnn.backend import Device, get_backend
from gcnn.bench.works import samples
from gcnn.models import MODELS
from gcnn.optimizers import Momentum

STEPS = 20
"""Of a block."""
WAITS = "linger"
"""The kernel that computes nothing, but keeps threads awake (kernels/lingering.cl)."""


class Recorder:
    """Keeps the events of kernels that are enqueued while it is switched on."""

    def __init__(self) -> None:
        self.on, self._events = False, list[Any]()
        self._enqueue: Callable[..., Any] = pyopencl.enqueue_nd_range_kernel
        pyopencl.enqueue_nd_range_kernel = self

    def __call__(self, *arguments: Any) -> Any:
        event = self._enqueue(*arguments)
        if self.on and arguments[1].function_name != WAITS:
            self._events.append(event)
        return event

    def seconds(self) -> float:
        """Of all kernels since the last time."""
        events, self._events = self._events, []
        return sum(event.profile.end - event.profile.start for event in events) * 1e-9


def measured(name: str, device: Device, batch: int, blocks: int, recorder: Recorder) -> tuple[float, float]:
    """Seconds of a step, and of its kernels; medians."""
    network = MODELS[name]()
    model = network.bind("opencl", device.index, "float32", batch)
    step, (x, t) = gcnn.training_step(model, Momentum(0.001)), samples(network, batch, "float32")
    steps, kernels = [], []
    for block in range(2 * (blocks + 1)):
        recorder.on = block % 2 == 1
        start = time.perf_counter()
        for _ in range(STEPS):
            step(x, t)
        model.plan.synchronize()
        seconds = time.perf_counter() - start
        (kernels if recorder.on else steps).append((recorder.seconds() if recorder.on else seconds) / STEPS)
    return statistics.median(steps[1:]), statistics.median(kernels[1:])


def main() -> None:
    """Measure what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", choices=MODELS, default=["lenet"])
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--blocks", type=int, default=40)
    given = parser.parse_args()
    recorder = Recorder()
    for name in given.models:
        for device in get_backend("opencl").devices():
            if isinstance(device, Device):
                step, kernels = measured(name, device, given.batch, given.blocks, recorder)
                print(
                    f"{name}, {given.batch} samples, {device.details['platform']}: a step {step * 1e6:.0f} µs, "
                    f"its kernels {kernels * 1e6:.0f}; {1 - kernels / step:.1%} without a kernel",
                    flush=True,
                )


if __name__ == "__main__":
    main()
