from __future__ import annotations

import threading
import time
from dataclasses import replace
from functools import partial

import numpy as np
import pytest

import gcnn
from gcnn.backend import Device
from gcnn.backends.accelerated.errors import DeviceError
from gcnn.backends.opencl import lingering
from gcnn.backends.opencl.lingering import Lingering, may_linger
from gcnn.layers import Convolution, Dense, MaxPooling
from gcnn.optimizers import Momentum

POCL = Device("opencl", 0, "a processor", "cpu", ("float32",), {"platform": "Portable Computing Language"})


@pytest.mark.usefixtures("alone")
class TestMayLinger:
    def test_pocl_may_where_a_unit_is_left_to_the_host(self):
        assert may_linger(POCL, 2)
        assert not may_linger(POCL, 1)

    @pytest.mark.parametrize("changed", [{"kind": "gpu"}, {"details": {"platform": "Intel(R) OpenCL"}}])
    def test_others_may_not(self, changed):
        assert not may_linger(replace(POCL, **changed), 2)

    def test_it_can_be_switched_off(self, monkeypatch):
        monkeypatch.setenv("GCNN_LINGER", "0")
        assert not may_linger(POCL, 2)

    def test_processes_that_share_a_machine_do_not(self, monkeypatch):
        monkeypatch.setenv("PYTEST_XDIST_WORKER", "gw0")
        assert not may_linger(POCL, 2)


@pytest.fixture
def patient(monkeypatch, runtime):
    """A runtime that lingers, and for longer than a test may take where nothing ends it."""
    if not runtime._shares or runtime.waits_for_all or runtime.limits.compute_units < 2:
        pytest.skip("not run: the device has no threads that could linger beside the host's")
    monkeypatch.setattr(lingering, "POLLS", 2**31 - 1)
    runtime._lingers = True
    return runtime


def running(runtime) -> bool:
    """Whether something that was enqueued is not done after a while."""
    from pyopencl import command_execution_status as status

    mark = runtime._cl.enqueue_marker(runtime.queue)
    runtime.queue.flush()
    time.sleep(0.05)
    return bool(mark.command_execution_status != status.COMPLETE)


def test_it_lasts_until_it_is_ended_and_no_longer(patient):
    patient.linger()
    assert running(patient)
    patient.end_lingering()
    assert not running(patient)
    patient.linger()
    assert running(patient)
    patient.end_lingering()
    assert not running(patient)


def test_it_lasts_a_moment_at_most(patient, monkeypatch):
    monkeypatch.setattr(lingering, "POLLS", 1000)
    patient.linger()
    assert not running(patient)


def test_one_that_is_ended_before_it_begins_does_not_last(patient):
    for _ in range(3):
        patient.linger()
        patient.end_lingering()
    assert not running(patient)


def test_its_counts_begin_anew(patient):
    long = Lingering(patient)
    long._begun = 2**32 - 2
    long._counts[:] = 2**32 - 2
    for _ in range(4):
        long.begin()
        assert running(patient)
        long.end()
        assert not running(patient)


def test_an_interruption_while_it_is_enqueued_costs_nothing_later(patient, monkeypatch):
    class Interrupted(BaseException):
        pass

    patient.linger()
    patient.end_lingering()
    launch = patient._lingering._launch
    enqueue = launch._enqueue
    for before in (False, True):

        def interrupt(*arguments, before=before):
            if not before:
                enqueue(*arguments)
            raise Interrupted

        monkeypatch.setattr(launch, "_enqueue", interrupt)
        with pytest.raises(Interrupted):
            patient.linger()
        monkeypatch.setattr(launch, "_enqueue", enqueue)
        # One that was enqueued and not counted lasts its moment, and no more.
        patient._lingering._counts[0] += not before
        assert not running(patient)
        for _ in range(2):
            patient.linger()
            assert running(patient)
            patient.end_lingering()
            assert not running(patient)


def test_a_step_does_without_it_where_it_cannot_be_made(patient, monkeypatch):
    def refuse(runtime):
        raise DeviceError("no memory")

    monkeypatch.setattr("gcnn.backends.opencl.runtime.Lingering", refuse)
    patient.linger()
    patient.linger()
    assert not patient._lingers


def test_its_memory_is_nobodys(patient):
    patient.linger()
    assert patient.memory().buffers == 0
    patient.end_lingering()


def test_threads_that_enqueue_at_a_time_leave_none_behind(patient):
    def often():
        for _ in range(300):
            patient.linger()
            patient.end_lingering()

    threads = [threading.Thread(target=often) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not running(patient)


def test_whatever_is_enqueued_or_waited_for_ends_it(patient, compile_text):
    text = "KERNEL void nothing(GLOBAL int* x) { x[0] = 1; }"
    buffer, seen = patient.zeros(4096), patient.zeros(4, shared=True)
    nothing = patient.bind(compile_text(patient, text).kernel("nothing"), (1,), (1,), (seen,))
    host = np.empty(4096, np.uint8)
    ends = {
        "launch": nothing,
        "download": lambda: patient.download(buffer, host),
        "upload": lambda: patient.upload(host, buffer),
        "upload, not waited for": lambda: patient.upload(host, buffer, wait=False),
        "copy": lambda: patient.copy(buffer, buffer, 4, 0, 8),
        "fill": lambda: patient.fill(buffer, np.uint8(0), 5),
        "mark": patient.mark,
        "wait": lambda: patient.wait_for(buffer),
        "synchronize": patient.synchronize,
    }
    for name, end in ends.items():
        patient.linger()
        end()
        assert patient._lingering._counts[0] == patient._lingering._begun, name
        assert not running(patient), name


def test_what_is_shared_is_read_while_it_lasts(patient, compile_text):
    text = "KERNEL void one(GLOBAL int* x) { x[0] = 1; }"
    seen, host = patient.zeros(4, shared=True), np.zeros(1, np.int32)
    patient.bind(compile_text(patient, text).kernel("one"), (1,), (1,), (seen,))()
    patient.linger()
    patient.download(seen, host)
    assert host[0] == 1
    assert running(patient)
    patient.end_lingering()


def test_a_runtime_that_is_closed_lingers_no_longer(patient):
    patient.linger()
    patient.close()
    patient.end_lingering()
    assert patient._lingering is None


def test_memory_that_is_lent_does_not_end_it(patient):
    patient.linger()
    lent = patient.lend(np.zeros(1 << 20, np.uint8))
    assert lent is not None
    assert running(patient)
    patient.end_lingering()


@pytest.mark.usefixtures("patient")
def test_a_process_that_ends_or_forks_waits_for_no_more_than_a_moment(run_python, device):
    script = """
        import os, sys
        from gcnn.backends.opencl import discovery
        device = discovery.devices()[int(sys.argv[1])]
        runtime = discovery.open_runtime(device)
        runtime._lingers = True
        runtime.linger()
        if os.fork() == 0:
            os._exit(0)
        os.wait()
        runtime.linger()
        print(runtime._lingering._begun)
    """
    done = run_python(script, str(device.index))
    assert done.stdout == "2\n", done.stderr


LAYERS = [Convolution(4, 3, activation="relu"), MaxPooling(2), Dense(3, activation="softmax")]
NETWORK = gcnn.Network(LAYERS, (1, 12, 12), "cross_entropy")


def test_steps_of_a_plan_linger_with_equal_results(patient, monkeypatch, device):
    from gcnn.backends.opencl.backend import BACKEND

    monkeypatch.setattr(BACKEND, "runtime", lambda device: patient)
    draw = np.random.default_rng(0)
    x, t = draw.random((64, 1, 12, 12), "float32"), draw.integers(0, 3, 64)
    counts, thetas = {}, []
    for lingers in (True, False):
        patient._lingers, patient._lingering = lingers, None
        model = NETWORK.bind("opencl", device.index, "float32", 64)
        step = gcnn.training_step(model, Momentum(0.1))
        calls = [partial(step, x, t)] * 3 + [
            partial(model.forward, x),
            partial(model.loss, x, t),
            partial(model.forward, x[:1]),
        ]
        counts[lingers] = []
        for call in calls:
            call()
            counts[lingers].append(patient._lingering._begun if patient._lingering else 0)
        thetas.append(model.theta)
    # Not after the last, in which units share each work.
    assert counts == {True: [1, 2, 3, 4, 5, 5], False: [0] * 6}
    np.testing.assert_array_equal(*thetas)
