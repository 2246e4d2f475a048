"""The runtimes that the contract is tested on. Where a device is absent its tests say so; they never pass without it."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

import gcnn
from gcnn import kernels
from gcnn.backend import Device, Plan, Program, UpdateRule
from gcnn.backends.accelerated.backend import MAKERS, TOGETHER
from gcnn.backends.accelerated.plan import FUSED, AcceleratedPlan
from gcnn.backends.accelerated.runtime import Buffer, Runtime
from gcnn.backends.numpy import BACKEND as ORACLE
from gcnn.backends.opencl import affinity, discovery
from gcnn.backends.opencl.backend import BACKEND
from gcnn.layers import Layer

PLATFORMS = {"intel": "Intel(R) OpenCL", "pocl": "Portable Computing Language"}


@pytest.fixture(scope="session", params=sorted(PLATFORMS))
def device(request) -> Device:
    found = discovery.devices()
    for entry in found:
        if isinstance(entry, Device) and entry.details["platform"] == PLATFORMS[request.param]:
            return entry
    reasons = "; ".join(f"{entry.name}: {entry.reason}" for entry in found if not isinstance(entry, Device))
    pytest.skip(f"not run: no usable device of {PLATFORMS[request.param]}. {reasons}")


@pytest.fixture
def alone(monkeypatch, tmp_path) -> None:
    """A process that has the machine to itself, and has set nothing."""
    for name in (*affinity._WORKERS, affinity._SET_BY, "POCL_AFFINITY", "GCNN_AFFINITY", "GCNN_LINGER"):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    monkeypatch.setattr(os, "cpu_count", lambda: len(os.sched_getaffinity(0)))
    monkeypatch.setattr(affinity, "QUOTA", tmp_path / "none")


@pytest.fixture
def open_runtime(device) -> Iterator[Callable[[], Runtime]]:
    """Opens runtimes on the device; they are closed afterwards. Other backends give the contract theirs here."""
    opened = []

    def opener() -> Runtime:
        opened.append(discovery.open_runtime(device))
        return opened[-1]

    yield opener
    for runtime in opened:
        runtime.close()


@pytest.fixture
def runtime(open_runtime) -> Runtime:
    return open_runtime()


@pytest.fixture
def compile_text() -> Callable[..., object]:
    """Compiles a kernel written in a test, in the dialect of the prelude."""

    def compiled(runtime: Runtime, text: str, **defines: object):
        source = kernels.source("prelude.h") + '#line 1 "test.cl"\n' + textwrap.dedent(text)
        return runtime.compile(source, "test.cl", {"REAL_BITS": 32} | defines)

    return compiled


@pytest.fixture
def upload() -> Callable[[Runtime, np.ndarray], Buffer]:
    def uploaded(runtime: Runtime, host: np.ndarray) -> Buffer:
        buffer = runtime.alloc(host.nbytes, "test")
        runtime.upload(host, buffer)
        return buffer

    return uploaded


@pytest.fixture
def download() -> Callable[..., np.ndarray]:
    def downloaded(runtime: Runtime, buffer: Buffer, dtype: str = "float32") -> np.ndarray:
        host = np.empty(buffer.nbytes // np.dtype(dtype).itemsize, dtype)
        runtime.download(buffer, host)
        return host

    return downloaded


@pytest.fixture(params=BACKEND.capabilities.variants)
def variant(request) -> str:
    return request.param


@pytest.fixture
def plans(device, variant) -> Iterator[Callable[..., tuple[Plan, Plan]]]:
    """Plans two of the same network: one on the device, in the variant, and one of the oracle, with equal parameters."""
    made: list[Plan] = []

    def planned(
        layers: list[Layer],
        inputs: object,
        dtype: str = "float64",
        batch: int = 40,
        loss: str | gcnn.losses.Loss = "mse",
        update: UpdateRule | None = None,
        theta: np.ndarray | None = None,
    ) -> tuple[Plan, Plan]:
        program = Program.of(gcnn.Network(layers, inputs, loss), update)
        if theta is None:
            theta = 0.5 * np.random.default_rng(0).standard_normal(program.parameter_count)
        pair = (
            BACKEND.plan(program, device, dtype, batch, variant),
            ORACLE.plan(program, ORACLE.devices()[0], dtype, batch),
        )
        made.extend(pair)
        for plan in pair:
            plan.vectors.copy(plan.vectors.upload(np.asarray(theta, dtype)), plan.theta)
        return pair

    yield planned
    for plan in made:
        plan.close()


@pytest.fixture
def run_python() -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs a script in a fresh process, which ends after a minute whatever it does."""

    def run(script: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        root = Path(__file__).parents[2]
        # Warnings are errors here too; the user's settings stay, but not what this process set for itself.
        own = {"OCL_ICD_VENDORS", "POCL_AFFINITY", "GCNN_AFFINITY_SET_BY"}
        kept = {name: value for name, value in os.environ.items() if name not in own}
        kept |= {"PYTHONPATH": str(root)} | environment
        command = [sys.executable, "-W", "error", "-c", textwrap.dedent(script), *arguments]
        return subprocess.run(command, env=kept, capture_output=True, text=True, timeout=60, check=False)

    return run


@pytest.fixture
def made(device):
    """A fused plan of layers, by default for two blocks that are not full, with a chooser."""
    plans = []

    def planned(layers, inputs, chooser, dtype="float64", part=None, batch=13, variant=FUSED):
        program = Program.of(gcnn.Network(layers, inputs, "mse"))
        runtime = BACKEND.runtime(device)
        plan = AcceleratedPlan(
            "opencl", runtime, device, {**MAKERS, **TOGETHER}, program, dtype, batch, variant, chooser, part=part
        )  # fmt: skip
        theta = 0.5 * np.random.default_rng(1).standard_normal(program.parameter_count)
        plan.vectors.copy(plan.vectors.upload(theta.astype(dtype)), plan.theta)
        plans.append(plan)
        return plan, theta

    yield planned
    for plan in plans:
        plan.close()
