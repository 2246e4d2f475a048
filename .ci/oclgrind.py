"""Kernels under Oclgrind: no races, nothing read or written outside of memory, nothing used that was never written.

    python .ci/oclgrind.py

Small conformance cases run on the device that Oclgrind simulates (.ci/simulated.py). Its exit status says nothing of what it
found, so its logs are read: those of the cases must be empty, and those of faults that are planted in kernels (.ci/faults.py)
must name them. Every kernel that plans run must have run. Exit status 1 where anything of that is not so.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from faults import FAULTS
from simulated import LANES

from gcnn.backends.accelerated.plan import NARROW
from gcnn.backends.opencl.backend import OpenCLBackend

VARIANTS = OpenCLBackend.capabilities.variants
RUNS = [
    (dtype, variant, tiles)
    for dtype, tiles in (
        ("float32", "default"),
        ("float32", "largest"),
        ("float32", "smallest"),
        ("float64", "default"),
    )
    for variant in VARIANTS
    # Narrow blocks differ from fused plans in the kernels that know of broad vectors, which the largest tiles take.
    if variant != NARROW or (dtype, tiles) == ("float32", "largest")
]
OPTIONS = (
    *("--data-races", "--uniform-writes", "--uninitialized", "--max-wgsize", str(LANES)),
    # The search for uninitialised values dies at instructions of optimised code.
    *("--build-options", "-cl-opt-disable"),
)
KERNEL = re.compile(r"^(?!\s*/?\*).*\bKERNEL void (\w+)\(", re.MULTILINE)
ASIDE = {"benchmark.cl", "ceiling.cl", "lingering.cl"}
"""No plan computes with these: what others are compared with, and what waits for the host."""
ROOT = Path(__file__).parents[1]


class Outcome(NamedTuple):
    """What came of a run: whether it is as it should be, a line and all of it, and what it says of itself."""

    ok: bool
    line: str
    output: str
    told: dict[str, object]


def simulate(form: tuple[str, ...], said: str = "") -> Outcome:
    """One run in a process of its own, whose log must say `said`, or be empty.

    What others have compiled, without these options, must not be taken for its own: so its cache is its own.
    """
    start = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "log"
        command = ["oclgrind", *OPTIONS, "--log", str(log), sys.executable, str(ROOT / ".ci" / "simulated.py"), *form]
        environment = os.environ | {"GCNN_CACHE": folder, "OCL_ICD_VENDORS": folder}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)  # noqa: S603
        found = log.read_text() if log.is_file() else "no log"
    told = json.loads(done.stdout.strip().rpartition("\n")[2]) if done.returncode == 0 else {}
    ok = bool(told) and (said in found if said else not found.strip())
    cases = f"{told.get('cases')} cases" if not said else f"says {said!r}"
    line = f"{'ok' if ok else 'FAILED':6} {time.monotonic() - start:4.0f} s  {' '.join(form)}: {cases}"
    return Outcome(ok, line, f"{found[:10000]}\n{done.stdout}\n{done.stderr}", told)


def every(forms: Iterable[tuple[tuple[str, ...], str]]) -> list[Outcome]:
    """All runs, as many at once as there are processors; a line each as they end, and everything of what is not in order."""
    outcomes = []
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for outcome in pool.map(lambda form: simulate(*form), forms):
            outcomes.append(outcome)
            print(outcome.line, flush=True)
            if not outcome.ok:
                print(outcome.output, flush=True)
    return outcomes


def main() -> int:
    """Runs everything; the last line is a summary."""
    clean = every((form, "") for form in RUNS)
    planted = every((("float32", fault.variant, "default", name), fault.said) for name, fault in FAULTS.items())
    files = [file for file in ROOT.glob("kernels/*.cl") if file.name not in ASIDE]
    there = {f"{file.name}/{name}" for file in files for name in KERNEL.findall(file.read_text())}
    missed = there.difference(*(outcome.told.get("kernels", ()) for outcome in clean))
    print(*(f"never ran: {kernel}" for kernel in sorted(missed)), sep="\n")
    cases = sum(outcome.told.get("cases", 0) for outcome in clean)
    print(
        f"{sum(outcome.ok for outcome in planted)} of {len(planted)} planted faults seen; "
        f"{len(there) - len(missed)} of {len(there)} kernels ran; "
        f"{sum(outcome.ok for outcome in clean)} of {len(clean)} runs, of {cases} cases, without a finding"
    )
    return int(bool(missed) or not all(outcome.ok for outcome in clean + planted))


if __name__ == "__main__":
    sys.exit(main())
