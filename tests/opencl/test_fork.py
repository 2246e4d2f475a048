"""A forked child opens a runtime of its own, or is told why it cannot; it never hangs."""

from __future__ import annotations

import os

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


AFTER_STEPS = """
import os, signal, sys
import numpy as np
import gcnn
from gcnn.layers import Dense

def train():
    model = gcnn.Network([Dense(40, activation="tanh"), Dense(10)], 30, "mse").bind("opencl", sys.argv[1], batch=64)
    step = gcnn.training_step(model, gcnn.optimizers.Adam(0.01))
    return lambda: step(np.ones((64, 30), "float32"), np.ones((64, 10), "float32"))

step = train()
for turn in range(25):
    last = step()
    child = os.fork()
    if child == 0:
        signal.alarm(30)
        status = 1
        try:
            status = int(train()() < last)
        finally:
            os._exit(status)
    assert os.waitpid(child, 0)[1] == 0
print("25 children")
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


def test_children_that_are_forked_right_after_a_step_do_not_wait_for_threads_that_stay_behind(run_python, device):
    if device.details["platform"] != "Intel(R) OpenCL":
        pytest.skip("not run: the driver does not survive a fork")
    done = run_python(AFTER_STEPS, str(device.index))
    assert (done.returncode, done.stdout) == (0, "25 children\n"), done.stderr


def test_a_process_forks_when_its_kernels_are_done(runtime, compile_text):
    text = "KERNEL void long_one(GLOBAL REAL* x) { for (int n = 0; n < 1 << 22; ++n) x[0] = sin(x[0]); }"
    from pyopencl import command_execution_status

    x = runtime.zeros(4, "x")
    runtime.bind(compile_text(runtime, text).kernel("long_one"), (1,), (1,), (x,))()
    end = runtime.mark()
    runtime.queue.flush()
    child = os.fork()
    if child == 0:
        os._exit(0)
    assert end.raw.command_execution_status == command_execution_status.COMPLETE
    assert os.waitpid(child, 0)[1] == 0
