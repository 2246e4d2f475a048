"""A forked child opens a runtime of its own, or is told why it cannot; it never hangs."""

from __future__ import annotations

import pytest

CHILD = """
import os, signal, sys
import numpy as np
from gcnn.backend import Device
from gcnn.backends.accelerated.vectors import DeviceVectors
from gcnn.backends.opencl import discovery

platform, when = sys.argv[1:]

def device():
    found = discovery.devices()
    for entry in found:
        if isinstance(entry, Device) and entry.details["platform"] == platform:
            return entry
    raise RuntimeError(str(found))

def use(runtime):
    vectors = DeviceVectors(runtime, "float32")
    x = vectors.upload(np.ones(1000))
    return vectors.dot(x, x)

if when == "after":
    runtime = discovery.open_runtime(device())
    assert use(runtime) == 1000
child = os.fork()
if child == 0:
    signal.alarm(30)  # a hang is a failure, not a wait
    status = 1
    try:
        if when == "after":
            try:
                runtime.alloc(4)
            except Exception as error:
                print("parent's:", error)
            runtime.close()
        try:
            own = discovery.open_runtime(runtime.device if when == "after" else device())
            print("own:", use(own))
        except Exception as error:
            print("own:", type(error).__name__, error)
        status = 0
    finally:
        sys.stdout.flush()
        os._exit(status)
_, status = os.waitpid(child, 0)
print("status", status)
if when == "after":
    assert use(runtime) == 1000
"""


@pytest.fixture
def fork(run_python, device):
    def forked(when: str) -> str:
        done = run_python(CHILD, device.details["platform"], when)
        assert done.returncode == 0, done.stderr
        assert done.stdout.endswith("status 0\n"), done.stdout + done.stderr
        return done.stdout

    return forked


def test_a_child_that_is_first_to_use_opencl_works(fork):
    assert "own: 1000.0" in fork("before")


def test_a_child_may_not_use_its_parents_runtime_and_the_parent_goes_on(fork):
    said = fork("after")
    assert "parent's: " in said
    assert "from which this one was forked" in said


def test_a_child_opens_its_own_runtime_where_the_driver_survives_a_fork_and_is_told_where_not(fork, device):
    said = fork("after")
    if device.details["platform"] == "Intel(R) OpenCL":
        assert "own: 1000.0" in said
    else:
        assert "own: BackendUnavailable" in said
        assert "the driver's threads did not come along" in said
        assert "spawn" in said
