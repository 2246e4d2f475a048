"""What `.ci/oclgrind.py` runs inside the simulator: conformance cases on its device, or one with a fault planted in a kernel.

oclgrind ... python .ci/simulated.py DTYPE VARIANT TILES [FAULT]
"""

from __future__ import annotations

import json
import re
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import numpy as np
from faults import FAULTS, Fault

from gcnn import kernels
from gcnn.backend import Device, Program, find_device
from gcnn.backends.accelerated.backend import MAKERS, TOGETHER
from gcnn.backends.accelerated.limits import Limits
from gcnn.backends.accelerated.plan import NARROW, AcceleratedPlan
from gcnn.backends.accelerated.runtime import Buffer
from gcnn.backends.accelerated.tuning.choosers import Defaults
from gcnn.backends.accelerated.tuning.key import Problem
from gcnn.backends.accelerated.tuning.search import Trial
from gcnn.backends.accelerated.tuning.space import Parameters, Space
from gcnn.backends.opencl import discovery
from gcnn.backends.opencl.backend import OpenCLBackend
from gcnn.backends.opencl.runtime import OpenCLRuntime
from gcnn.conformance.case import Case
from gcnn.conformance.cases import CASES
from gcnn.conformance.checks import Finding, oracle, updates
from gcnn.conformance.checks.core import CHECKS as CORE
from gcnn.conformance.subject import Subject

LANES = 4
"""Samples of a block, and the most work-items of a group: they add up in two halvings."""
SAMPLES = {NARROW: LANES - 1}
"""Of a case, by variant: one block that is not full, narrower than vectors are; two by default, of which the second is not full."""
UNITS = 2
"""Compute units: as many as a case has blocks."""
CONSTANT_BYTES = 256
"""Of memory for constants: some filters fit at once, others in parts."""
WORK = 2500
"""Multiplications and additions of a case's forward pass, at most, over all samples."""
SAME_KERNELS = (
    "*/published*",
    "activation/[!d]*",  # other than dense layers with an activation
    "activation/dense/[ilt]*",
    "losses/*/probabilities",
    "losses/*/saturated/*",
    "losses/images/*",
    "losses/reduction/*",
    "losses/weights/[!c]*",
    "updates/*/changed",
    "updates/*/convolution",
    "updates/clip/*-not-reached",
    "updates/clip/[!nv]*",
    "updates/clip/norm",
    "updates/clip/value",
    "updates/l2/[mr]*",
    "updates/l2/gradient-descent",
    "updates/schedule/*",
)
"""Cases whose kernels others launch, too, with other numbers: to compile them again takes the most time."""
FEW = {
    "float64": ("*/plain", "max-pooling/nan-wins", "losses/cross-entropy/softmax/one_hot", "updates/adam/dense"),
    "largest": ("dense/*", "convolution/*"),
    "smallest": ("dense/*", "convolution/*"),
}
"""The cases of what is run besides float32 and default tiles."""
THREE_BY_THREE = "convolution/plain"
"""A larger case, for the algorithm that needs its taps."""

SHUFFLE = re.compile(r"PICK\w*\(a, b, EIGHT_(EVENS|ODDS)\w*\)")
"""Of kernels/exchange.h, of eight lanes."""

launched: set[tuple[str, str]] = set()
"""File and name of every kernel that has run."""


class Counted:
    """A launch whose kernels are known to have run."""

    def __init__(self, launch: Any, kernels: set[tuple[str, str]]) -> None:
        self.set, self._launch, self._kernels = launch.set, launch, kernels

    def __call__(self) -> None:
        launched.update(self._kernels)
        self._launch()


def stitched(source: str) -> set[tuple[str, str]]:
    """File and name of the kernels that a text was put together from; none of a file of kernels as it is."""
    found, file = set(), ""
    for line, kernel in re.findall(r'#line \d+ "([\w.]+)"|OUTLINED void (\w+?)_\d+\(const int group0', source):
        file = line if line.endswith(".cl") else file
        found |= {(file, kernel)} if kernel else set()
    return found


def one_by_one(shuffle: re.Match[str]) -> str:
    """The even or odd of eight lanes of two vectors."""
    lanes = range(int(shuffle[1] == "ODDS"), 8, 2)
    return f"((REALB)({', '.join(f'({vector}).s{lane}' for vector in 'ab' for lane in lanes)}))"


class SimulatedRuntime(OpenCLRuntime):
    """OpenCL with what the simulator needs.

    It calls memory uninitialised that a command filled, and also where it has memory of a released buffer once more:
    so zeros are uploaded, and no buffer is released. So it calls what a shuffle of eight lanes gives, and not the same lanes one by one.
    """

    itemsize, lanes = 4, LANES

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        # The simulator claims no vectors, and one unit; where told to use some, items compute on these, and units have blocks of their own.
        claimed = {"vector_bytes": self.itemsize * self.lanes, "compute_units": UNITS, "constant_bytes": CONSTANT_BYTES}
        self.limits = replace(self.limits, **claimed)
        self._kept: list[Any] = []
        self._files: dict[int, tuple[str, set[tuple[str, str]]]] = {}

    def alloc(self, nbytes: int, name: str = "buffer", shared: bool = False) -> Buffer:
        buffer = super().alloc(nbytes, name, shared)
        self._kept.append(buffer.raw)
        return buffer

    def fill(self, target: Buffer, value: np.generic, count: int, offset: int = 0) -> None:
        self.upload(np.full(count, value), target, offset)

    def compile(self, source: str, name: str, *arguments: Any) -> Any:
        program = super().compile(SHUFFLE.sub(one_by_one, source), name, *arguments)
        self._files[id(program._raw)] = name, stitched(source)
        return program

    def bind(self, kernel: Any, *arguments: Any) -> Any:
        file, parts = self._files[id(kernel.program)]
        return Counted(super().bind(kernel, *arguments), parts or {(file, kernel.name)})


class Extreme:
    """Of every kernel the largest tiles that are allowed, which the sizes of small cases do not fill, or the smallest."""

    def __init__(self, which: Callable[..., Parameters], limits: Limits) -> None:
        self._which, self._limits = which, limits

    def choose(self, space: Space, problem: Problem, layer: str, trial: Callable[[], Trial]) -> Parameters:
        # The last parameter first: it is which algorithm, where there is a choice.
        return self._which(space.candidates(self._limits), key=lambda parameters: tuple(parameters.values())[::-1])


class SimulatedBackend(OpenCLBackend):
    """Plans with default tiles, or extreme ones."""

    def __init__(self, tiles: str) -> None:
        super().__init__()
        self._tiles = tiles

    def plan(
        self, program: Program, device: Device, dtype: str, batch: int, variant: str | None = None
    ) -> AcceleratedPlan:
        runtime = self.runtime(device)
        extremes = {"largest": max, "smallest": min}
        chooser = Extreme(extremes[self._tiles], runtime.limits) if self._tiles in extremes else Defaults()
        return AcceleratedPlan(self.name, runtime, device, MAKERS | TOGETHER, program, dtype, batch, variant, chooser)


def chosen(dtype: str, variant: str, tiles: str) -> list[str]:
    """The cases that are claimed and small, with something of their own to compile."""
    few = FEW.get(dtype, ("*",)) if tiles == "default" else FEW[tiles]
    return ["core/vectors"] * (tiles == "default") + [
        case.id
        for case in (resized(case, variant) for case in CASES)
        if any(fnmatchcase(case.id, pattern) for pattern in few)
        and not any(fnmatchcase(case.id, pattern) for pattern in SAME_KERNELS)
        and not OpenCLBackend.capabilities.missing(case.program(), dtype)
        and (work(case) <= WORK or case.id == THREE_BY_THREE)
    ]


def resized(case: Case, variant: str | None) -> Case:
    """For so many samples as a variant is tried on, where it may have any number."""
    return case if case.given or case.batch == 1 else replace(case, batch=SAMPLES.get(variant or "", LANES + 1))


def work(case: Case) -> int:
    """Of a forward pass of all samples: multiplications with additions, and values."""
    stages = case.program().stages
    return case.batch * sum(stage.layer.multiply_adds(stage.inputs) + stage.outputs.points for stage in stages)


def findings(subject: Subject, name: str) -> Iterator[Finding]:
    """What launches all kernels of a case, for full and ragged batches; what is computed is compared, too."""
    if name in CORE:
        yield from CORE[name](subject)
        return
    case = resized(next(case for case in CASES if case.id == name), subject.variant)
    program = case.program()
    arrays = case.arrays(program, subject.dtype)
    if case.optimizer:
        yield from updates.trajectory(subject, replace(case, steps=2), program, arrays)
        return
    yield from oracle.forward_and_vjp(subject, case, program, arrays)
    if case.loss:
        yield from oracle.loss_and_gradient(subject, case, program, arrays)
    if case.draw != "nan":
        yield from oracle.sample_gradients(subject, case, program, arrays)


def plant(fault: Fault) -> None:
    """Put a fault into all kernels that have the right text."""
    source = kernels.source
    if not any(fault.right in source(file.name) for file in Path(str(kernels.__file__)).parent.glob("*.cl")):
        raise SystemExit(f"no kernel has this text any more: {fault.right}")
    kernels.source = lambda name: source(name).replace(fault.right, fault.wrong)


def main(dtype: str, variant: str, tiles: str, fault: str | None = None) -> int:
    """Prints a line a case, and the kernels that ran; 1 where something else than the oracle's values was computed."""
    SimulatedRuntime.itemsize = np.dtype(dtype).itemsize
    SimulatedRuntime.lanes = 2 * LANES if variant == NARROW else LANES
    discovery.OpenCLRuntime = SimulatedRuntime  # type: ignore[misc]
    if fault is not None:
        plant(FAULTS[fault])
    backend = SimulatedBackend(tiles)
    subject = Subject(backend, find_device(backend, "Oclgrind*"), dtype, variant)
    names, wrong = chosen(dtype, variant, tiles) if fault is None else [FAULTS[fault].case], 0
    for name in names:
        start = time.perf_counter()
        missed = [finding for finding in findings(subject, name) if not finding.passed]
        print(f"{time.perf_counter() - start:6.1f} s  {name}", *missed, sep="\n  WRONG: ", flush=True)
        wrong += bool(missed)
    print(json.dumps({"cases": len(names), "wrong": wrong, "kernels": sorted(map("/".join, launched))}))
    return int(wrong > 0 and fault is None)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
