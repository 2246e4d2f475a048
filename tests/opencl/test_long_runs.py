"""Plans that run long, close while the device works, and serve threads and children; nothing grows, hangs or is freed early."""

from __future__ import annotations

import gc
import os
import threading
import weakref

import numpy as np
import pytest

import gcnn
from gcnn.backend import Device, Program
from gcnn.backends.opencl.backend import BACKEND
from gcnn.errors import GcnnError
from gcnn.layers import Convolution, Dense, MaxPooling, RadialBasis
from gcnn.optimizers import Adam

STEPS = int(os.environ.get("GCNN_TEST_STEPS", "1000"))
"""Steps of the long run: 10,000 in .ci/full."""
NETWORK = gcnn.Network(
    [Convolution(2, 3, activation="tanh"), MaxPooling(2), Dense(3, activation="softmax")], (1, 6, 6), "cross_entropy"
)


def _plan(device, network=NETWORK, batch=8, dtype="float32"):
    program = Program.of(network, Adam(0.01, l2=0.01, clip_norm=1.0).rule())
    plan = BACKEND.plan(program, device, dtype, batch)
    theta = network.initial_parameters().astype(dtype)
    plan.vectors.copy(plan.vectors.upload(theta), plan.theta)
    return plan


def _data(samples=8, seed=0, inputs=(1, 6, 6), outputs=3):
    rng = np.random.default_rng(seed)
    return rng.random((samples, *inputs), "float32"), np.eye(outputs, dtype="float32")[
        rng.integers(0, outputs, samples)
    ]


def _trained(plan, seed, steps=150):
    x, t = _data(seed=seed)
    for _ in range(steps):
        plan.step(x, t)
    return plan.vectors.download(plan.theta)


def _resident() -> int:
    """Bytes of this process in memory."""
    with open("/proc/self/statm") as file:  # noqa: PTH123  # a file of the kernel's
        return int(file.read().split()[1]) * os.sysconf("SC_PAGESIZE")


def _at_once(*works):
    """What functions return that run in threads of their own, or the first error."""
    results, errors = [None] * len(works), []

    def run(number):
        try:
            results[number] = works[number]()
        except Exception as error:  # noqa: BLE001  # any; the test fails with it
            errors.append(error)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(len(works))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]
    return results


@pytest.mark.skipif(not os.path.exists("/proc/self/statm"), reason="resident memory is read where Linux tells it")  # noqa: PTH110
def test_thousands_of_steps_take_no_more_memory_than_the_first_hundreds(device):
    """All that a training does in an epoch: full and ragged batches, the loss alone, predictions, θ down and up."""
    plan, (x, t) = _plan(device), _data()
    theta = plan.vectors.download(plan.theta)

    def run(steps):
        for step in range(steps):
            samples = 8 - (step % 10 == 9)
            plan.step(x[:samples], t[:samples])
            if step % 100 == 99:
                plan.loss(x, t)
                plan.forward(x)
                plan.vectors.copy(plan.vectors.upload(plan.vectors.download(plan.theta)), plan.theta)

    run(300)  # drivers and allocators reach their working size
    gc.collect()
    runtime = BACKEND.runtime(device)
    memory, resident = runtime.memory(), _resident()
    run(STEPS)
    gc.collect()
    assert runtime.memory() == memory
    # What a step would lose: an event or an array of a few hundred bytes. Allocators round up by less than a megabyte.
    assert _resident() - resident < 1_000_000 + 100 * STEPS
    assert not np.array_equal(plan.vectors.download(plan.theta), theta)
    plan.close()


def test_plans_that_are_made_and_closed_leave_nothing_on_the_device(device):
    _trained(_plan(device), 0, 1)
    gc.collect()
    before = BACKEND.runtime(device).memory()
    for _ in range(20):
        plan = _plan(device)
        _trained(plan, 0, 1)
        plan.close()
    assert BACKEND.runtime(device).memory() == before


def test_a_plan_closed_while_its_launches_run_ends_them_unharmed(device, compile_text):
    """The memory of queued launches must outlive the plan; what takes its place on the device gets none of their writes."""
    runtime = BACKEND.runtime(device)
    text = """
    KERNEL void busy(GLOBAL REAL* x, int rounds)
    {
        REAL wait = x[GLOBAL_ID(0)];
        for (int round = 0; round < rounds; ++round) wait = sin(wait);
        x[GLOBAL_ID(0)] = wait;
    }
    """
    busy = runtime.bind(
        compile_text(runtime, text).kernel("busy"), (256,), (16,), (runtime.zeros(1 << 14), np.int32(2000))
    )
    expected, (x, t) = _trained(_plan(device), 1), _data()
    for _ in range(5):
        plan = _plan(device)
        busy()  # what follows waits in the queue
        plan._upload(x, t)
        plan._enqueue(plan._for(len(x)).of_gradient)
        values = weakref.ref(plan._bound.values[-1])
        plan.close()
        del plan
        gc.collect()
        assert values() is None  # no one but the queue holds them
        np.testing.assert_array_equal(_trained(_plan(device), 1), expected)


def test_a_plan_closed_by_one_thread_while_others_use_it_answers_them_or_says_that_it_is_closed(device):
    x, _ = _data()
    for _ in range(5):
        plan = _plan(device)
        expected = plan.forward(x)
        begun = threading.Barrier(3)

        def use(plan=plan, begun=begun, expected=expected):
            begun.wait()
            try:
                while True:
                    np.testing.assert_array_equal(plan.forward(x), expected)
            except GcnnError as error:
                return str(error)

        def close(plan=plan, begun=begun):
            begun.wait()
            plan.forward(x)
            plan.close()
            return "closed"

        assert all("closed" in said for said in _at_once(use, use, close))


def test_two_threads_train_on_one_device_as_if_each_was_alone(device):
    alone = [_trained(_plan(device), seed) for seed in range(2)]
    together = _at_once(*(lambda seed=seed: _trained(_plan(device), seed) for seed in range(2)))
    np.testing.assert_array_equal(together, alone)


def test_two_threads_train_on_two_devices_as_if_each_was_alone():
    devices = [device for device in BACKEND.devices() if isinstance(device, Device)]
    if len(devices) < 2:
        pytest.skip(f"not run: two usable devices are needed, there are {len(devices)}.")
    alone = [_trained(_plan(device), 3) for device in devices]
    together = _at_once(*(lambda device=device: _trained(_plan(device), 3) for device in devices))
    for one, other in zip(together, alone, strict=True):
        np.testing.assert_array_equal(one, other)


def test_two_threads_that_step_one_plan_lose_no_step(device):
    """Both give the same batch, so that whichever comes first the steps are the same."""
    expected = _trained(_plan(device), 5, 60)
    plan = _plan(device)
    _at_once(*(lambda: _trained(plan, 5, 30) for _ in range(2)))
    assert plan.count == 60
    np.testing.assert_array_equal(plan.vectors.download(plan.theta), expected)


CHILD = """
import os, signal, sys
import numpy as np
import gcnn
from gcnn.backends.opencl.backend import BACKEND
from gcnn.errors import GcnnError

pattern = sys.argv[1]
network = gcnn.Network([gcnn.layers.Dense(2, activation="tanh")], 3, "mse")

def trained():
    with_plan = network.bind("opencl", pattern)
    gcnn.train(with_plan, (np.eye(3, dtype="float32"), np.ones((3, 2), "float32")), epochs=2)
    return with_plan

parent = trained()
print(parent.theta.tolist(), flush=True)
child = os.fork()
if child == 0:
    signal.alarm(40)  # a hang is a failure, not a wait
    try:
        try:
            parent.forward(np.eye(3))
        except GcnnError as error:
            print("parent's:", error)
        try:
            print(trained().theta.tolist())
        except GcnnError as error:
            print("own:", *str(error).split())
    finally:
        sys.stdout.flush()
        os._exit(0)
_, status = os.waitpid(child, 0)
print("status", status)
print(trained().theta.tolist())
"""


def test_a_forked_child_trains_on_a_plan_of_its_own_or_is_told_why_not_and_its_parent_goes_on(device, run_python):
    done = run_python(CHILD, f"*{device.details['platform']}*", GCNN_TUNE="off")
    assert done.returncode == 0, done.stderr
    first, parents, own, status, last = done.stdout.splitlines()
    assert "from which this one was forked" in parents
    assert "this process was forked from one that had used OpenCL" in own if own.startswith("own:") else own == first
    assert (status, last) == ("status 0", first)


def test_sample_gradients_in_flight_keep_their_memory_though_each_call_allocates_its_own(device):
    """Rows are allocated anew by every call: a driver that reused the memory of the last would mix them up."""
    network = gcnn.Network([RadialBasis(3), Dense(2)], 4, "mse")
    plan = _plan(device, network)
    x, v = np.random.default_rng(0).random((8, 4), "float32"), np.ones((8, 2), "float32")
    expected = [plan.sample_gradients(x * factor, v) for factor in range(4)]
    found = _at_once(*(lambda f=f: [plan.sample_gradients(x * f, v) for _ in range(20)][-1] for f in range(4)))
    np.testing.assert_array_equal(found, expected)
