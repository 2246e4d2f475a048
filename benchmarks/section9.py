"""The measurements of Hedberg's section 9 on every OpenCL device here: medians, quartiles and the fastest, printed and as CSV.

    python benchmarks/section9.py                       all experiments on all devices, a few minutes
    python benchmarks/section9.py --experiments tile launches --device 0 --rounds 31 --out section9.csv

    product      vectors of a million numbers multiplied: work of an item, local size, vector width, hint, unrolling
    perceptron   a dense layer of one sample: work of an item
    convolution  work of an item and local size; taps unrolled or not; filters in global or constant memory
    tile         local memory or none, by size of the filter
    launches     a layer of 4 maps in one launch or one for each connection, by size of the image: fully connected to 8 maps, one to one
    transfers    bytes to the device and back, copied or through mapped buffers

Kernels of the layer are checked against the oracle before they are timed. Variants of one size take turns, so that what else the
machine does slows all of them alike: compare within a size, not across.
"""

from __future__ import annotations

import argparse
import csv
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np

import gcnn
from gcnn import kernels
from gcnn.backend import Device, Program
from gcnn.backends.accelerated.backend import MAKERS
from gcnn.backends.accelerated.convolution_tiled import RUNTIMES
from gcnn.backends.accelerated.plan import AcceleratedPlan
from gcnn.backends.accelerated.runtime import Buffer
from gcnn.backends.accelerated.tuning.choosers import Collector, Task
from gcnn.backends.accelerated.tuning.timing import DeviceClock, Timed, take_turns
from gcnn.backends.opencl.backend import BACKEND
from gcnn.backends.opencl.runtime import OpenCLRuntime
from gcnn.backends.opencl.transfers import NEVER
from gcnn.layers import Convolution

Run = Callable[[int], float]
"""Seconds of so many runs."""
Sizes = Iterator[tuple[int, Mapping[str, Run]]]
"""Sizes, each with its variants by name."""

WORK = (1, 4, 16, 64, 256, 1000, 4096)
LOCAL = (1, 2, 8, 64, 256)
FILTERS = (1, 2, 3, 5, 9, 15, 21)
IMAGES = (16, 32, 64, 128)
BYTES = (256, 4096, 65536, 1 << 20, 1 << 24)
UNTILED = {
    "TILED": 0,
    "TILE_Y": 1,
    "TILE_X": RUNTIMES,
    "WORK": 1,
    "UNROLL": 0,
    "CONSTANT_FILTERS": 0,
    "KERNELS": 0,
    "HINT": 1,
}


def benchmark_kernel(runtime: OpenCLRuntime, kernel: str, count: int, inputs: int, local: int, **free: int) -> Run:
    """A kernel of kernels/benchmark.cl; local 0 leaves the groups to the driver."""
    free = {"V": 1, "WORK": 1, "UNROLL": 0, "HINT": 1} | free
    program = runtime.compile(kernels.source("benchmark.cl"), "benchmark.cl", {"REAL_BITS": 32} | free)
    sizes = (count * inputs + count, inputs, count) if kernel == "perceptron" else (count,) * 3
    buffers = [runtime.zeros(4 * size, kernel) for size in sizes]
    items = -(-count // (free["WORK"] * free["V"]))
    grid = (-(-items // local),) if local else (items,)
    scalars = [np.int32(count), np.int32(inputs)][: 2 if kernel == "perceptron" else 1]
    launch = runtime.bind(program.kernel(kernel), grid, (local,) if local else None, [*buffers, *scalars])
    return DeviceClock(runtime, [launch])


def product(runtime: OpenCLRuntime, device: Device) -> Sizes:
    """Vectors multiplied, by what an item and a group take."""

    def run(local: int = 0, **free: int) -> Run:
        return benchmark_kernel(runtime, "product", 1 << 20, 0, local, **free)

    variants = {f"work {work}": run(WORK=work) for work in WORK}
    variants |= {f"local size {local}": run(local) for local in LOCAL}
    variants |= {f"local size {local}, work 1000": run(local, WORK=1000) for local in LOCAL}
    variants |= {f"vectors of {width}, work 64": run(V=width, LANES=width, WORK=64) for width in (1, 4, 8, 16)}
    variants |= {
        "hint 16": run(HINT=16),
        "hint 16, work 64": run(HINT=16, WORK=64),
        "unrolled, work 64": run(UNROLL=1, WORK=64),
    }
    yield 1 << 20, variants


def perceptron(runtime: OpenCLRuntime, device: Device) -> Sizes:
    """4096 units, by how many an item takes; the size is the number of inputs."""
    for inputs in (100, 1000):
        yield (
            inputs,
            {f"work {work}": benchmark_kernel(runtime, "perceptron", 4096, inputs, 0, WORK=work) for work in WORK},
        )


def forward(
    runtime: OpenCLRuntime, device: Device, layer: Convolution, inputs: tuple[int, ...], batch: int = 1
) -> Task:
    """The forward kernel of a convolution on planes."""
    collector, program = Collector(), Program.of(gcnn.Network([layer], inputs, "mse"))
    AcceleratedPlan("opencl", runtime, device, MAKERS, program, "float32", batch, variant="planes", chooser=collector)
    return next(task for task in collector.tasks if task.problem.kernel == "forward")


def convolution(runtime: OpenCLRuntime, device: Device) -> Sizes:
    """4 maps to 8 with 5 x 5 taps, by everything that is free; the size is that of an image."""
    for size in (16, 64):
        task = forward(runtime, device, Convolution(8, 5), (4, size, size))
        variants = {f"work {work}": UNTILED | {"WORK": work} for work in WORK}
        variants |= {f"local size {local}": UNTILED | {"TILE_X": local} for local in LOCAL}
        variants |= {
            "unrolled": UNTILED | {"UNROLL": 1},
            "hint 16": UNTILED | {"HINT": 16},
            "constant filters": UNTILED | {"CONSTANT_FILTERS": 1},
            "benchmark": dict(task.space.benchmark),
            "default": dict(task.space.default),
        }
        yield size, {name: task.trial().prepare(free) for name, free in variants.items()}


def tile(runtime: OpenCLRuntime, device: Device) -> Sizes:
    """One map of 128 x 128 outputs; the size is that of the filter."""
    for taps in FILTERS:
        task = forward(runtime, device, Convolution(1, taps), (1, 128 + taps - 1, 128 + taps - 1))
        rows, columns = task.space.default["TILE_Y"], task.space.default["TILE_X"]
        tiled = UNTILED | {"TILED": 1, "TILE_Y": rows, "TILE_X": columns}
        variants = {
            "local memory, tile of Algorithm 4": tiled,
            "local memory, 16 x 16": tiled | {"TILE_Y": 16, "TILE_X": 16},
            "none, groups of 256": UNTILED | {"TILE_X": 256},
            "none, groups of the driver's": UNTILED,
        }
        yield taps, {name: task.trial().prepare(free) for name, free in variants.items()}


def launches(runtime: OpenCLRuntime, device: Device) -> Sizes:
    """One launch or many that add up, without a tile; the size is that of an image."""
    one_to_one = np.eye(4, dtype=int).tolist()
    for size in IMAGES:
        runs: dict[str, Run] = {}
        for name, layer in (("full", Convolution(8, 5)), ("single", Convolution(4, 5, table=one_to_one))):
            task = forward(runtime, device, layer, (4, size, size))
            for how, together in (("one launch", 0), ("a launch for each connection", 1)):
                runs[f"{name}, {how}"] = task.trial().prepare(UNTILED | {"KERNELS": together})
        yield size, runs


def transfers(runtime: OpenCLRuntime, device: Device) -> Sizes:
    """Both ways to move so many bytes, in both directions."""
    for size in BYTES:
        host, buffer = np.zeros(size, "uint8"), runtime.alloc(size, "transfers")

        def timed(mapped_from: int, upload: bool, host: np.ndarray = host, buffer: Buffer = buffer) -> Run:
            def run(runs: int) -> float:
                policy, runtime.mapped_from = runtime.mapped_from, mapped_from
                begin = time.perf_counter()
                for _ in range(runs):
                    runtime.upload(host, buffer) if upload else runtime.download(buffer, host)
                runtime.synchronize()
                runtime.mapped_from = policy
                return time.perf_counter() - begin

            return run

        yield (
            size,
            {
                f"{way}, {how}": timed(mapped_from, way == "upload")
                for way in ("upload", "download")
                for how, mapped_from in (("copied", NEVER), ("mapped", 0))
            },
        )


EXPERIMENTS = {
    function.__name__: function for function in (product, perceptron, convolution, tile, launches, transfers)
}
COLUMNS = ("device", "experiment", "size", "variant", "median", "lower quartile", "upper quartile", "fastest")


def measure(device: Device, name: str, rounds: int) -> Iterator[tuple[Any, ...]]:
    """Rows of the table, in seconds of one run."""
    runtime = cast(OpenCLRuntime, BACKEND.runtime(device))
    for size, variants in EXPERIMENTS[name](runtime, device):
        times = take_turns([Timed(run) for run in variants.values()], rounds, lambda so_far: False)
        for variant, seconds in zip(variants, np.quantile(times, (0.5, 0.25, 0.75, 0), axis=0).T, strict=True):
            yield device.name, name, size, variant, *seconds


def main(arguments: Sequence[str]) -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--experiments", nargs="+", choices=EXPERIMENTS, default=list(EXPERIMENTS))
    parser.add_argument("--device", type=int, help="index of one device; all without")
    parser.add_argument("--rounds", type=int, default=11, help="measurements of each variant")
    parser.add_argument("--out", type=Path, help="a CSV file to write")
    asked = parser.parse_args(arguments)
    devices = [one for one in BACKEND.devices() if isinstance(one, Device) and asked.device in (None, one.index)]
    rows = []
    for device in devices:
        for name in asked.experiments:
            for row in measure(device, name, asked.rounds):
                rows.append(row)
                median, lower, upper, fastest = (1e6 * float(seconds) for seconds in row[4:])
                print(
                    f"{device.name[:24]:24}  {name:11}  {row[2]:>8}  {row[3]:36}  "
                    f"{median:10.1f} us  ({lower:.1f} to {upper:.1f}; {fastest:.1f})",
                    flush=True,
                )
    if asked.out:
        with asked.out.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(COLUMNS)
            writer.writerows([*row[:4], *(f"{seconds:.9f}" for seconds in row[4:])] for row in rows)
    if not devices:
        sys.exit("not run: there is no such OpenCL device. See: gcnn devices")


if __name__ == "__main__":
    main(sys.argv[1:])
