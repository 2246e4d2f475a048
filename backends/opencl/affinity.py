"""Whether PoCL may pin its threads to cores.

Unpinned, PoCL's threads sometimes share one core for a whole process, and short launches take twice as long (measured).
But it pins thread i to core i, so processes that share a machine would all sit on the same cores. So it is asked to pin
only in a process that has the machine to itself; GCNN_AFFINITY=0 or a POCL_AFFINITY of your own switches this off.
"""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Mapping
from pathlib import Path

_SET_BY = "GCNN_AFFINITY_SET_BY"
"""Holds the process that asked for pinning: what it starts inherits the request, but not the machine."""

QUOTA = Path("/sys/fs/cgroup/cpu.max")
"""Of a container in Linux's control groups, version 2: microseconds of processors, or "max", in a period of so many."""

_WORKERS = (
    "OMPI_COMM_WORLD_SIZE",  # Open MPI
    "PMI_SIZE",  # MPICH, Intel MPI
    "PMI_RANK",
    "PMIX_RANK",  # Open MPI 5, Slurm
    "MPI_LOCALNRANKS",  # Intel MPI, MVAPICH
    "SLURM_STEP_ID",  # srun
    "PYTEST_XDIST_WORKER",
)


def owns_machine(environment: Mapping[str, str]) -> bool:
    """Whether this process may take all cores: no worker of a launcher, a test run or a pool, not confined to some, nor rationed."""
    if any(name in environment for name in _WORKERS):
        return False
    if environment.get(_SET_BY, str(os.getpid())) != str(os.getpid()):
        return False
    # Workers of multiprocessing, concurrent.futures and joblib.
    if multiprocessing.parent_process() is not None:
        return False
    if hasattr(os, "sched_getaffinity") and len(os.sched_getaffinity(0)) != os.cpu_count():
        return False
    return not _is_rationed()


def _is_rationed() -> bool:
    """Whether the control group, a container's, gets less time than all cores have."""
    try:
        quota, period = QUOTA.read_text().split()
        return quota != "max" and int(quota) < (os.cpu_count() or 1) * int(period)
    except (OSError, ValueError):  # none, or of another kind than is known
        return False


def set_affinity() -> None:
    """Ask PoCL to pin its threads, where that is right. It looks when its platform is first touched."""
    if os.environ.get(_SET_BY, str(os.getpid())) != str(os.getpid()):
        # Inherited from a process that pins already; a user's own setting has no such mark.
        os.environ.pop("POCL_AFFINITY", None)
    if os.environ.get("GCNN_AFFINITY") == "0" or "POCL_AFFINITY" in os.environ or not owns_machine(os.environ):
        return
    os.environ["POCL_AFFINITY"] = "1"
    os.environ[_SET_BY] = str(os.getpid())
