"""Memory that host and device both see: the same contract as other buffers, without a command for a transfer."""

from __future__ import annotations

import gc

import numpy as np
import pytest

from gcnn.backend import Device
from gcnn.backends.accelerated import per_unit
from gcnn.backends.accelerated.parts import is_dealt
from gcnn.backends.opencl.transfers import can_share
from gcnn.layers import Dense
from gcnn.network import Network
from gcnn.optimizers import Adam
from gcnn.step import training_step

SLOW_COPY = """
KERNEL void slow_copy(GLOBAL const REAL* x, GLOBAL REAL* y, int rounds)
{
    const int i = GLOBAL_ID(0);
    REAL wait = 1;
    for (int round = 0; round < rounds; ++round) wait = sin(wait);
    y[i] = x[i] + (wait > 2 ? wait : 0);
}
"""
ITEMS = 64
ROUNDS = np.int32(1 << 17)
"""Some ten milliseconds, before which the kernel reads nothing."""


@pytest.fixture
def sharing(runtime):
    if not runtime._shares:
        pytest.skip("not run: the device has no fine-grained memory of the host")
    return runtime


@pytest.fixture
def slow(sharing, compile_text):
    """Binds the kernel that copies x to y after a while."""
    kernel = compile_text(sharing, SLOW_COPY).kernel("slow_copy")
    return lambda x, y: sharing.bind(kernel, (1,), (ITEMS,), (x, y, ROUNDS))


@pytest.mark.row("P11")
def test_transfers_and_fills_at_an_offset_leave_the_rest_alone(sharing, download):
    buffer = sharing.zeros(40, "x", shared=True)
    assert buffer.host is not None
    sharing.upload(np.array([[1, 2], [3, 4]], "float32"), buffer, offset=8)
    sharing.fill(buffer, np.float32(7), 2, offset=28)
    assert download(sharing, buffer).tolist() == [0, 0, 1, 2, 3, 4, 0, 7, 7, 0]
    part = np.empty((2, 1), "float32")
    sharing.download(buffer, part, offset=12)
    assert part.tolist() == [[2], [3]]


@pytest.mark.parametrize("pair", [(False, True), (True, False), (True, True)], ids=str)
def test_copies_to_and_from_shared_memory(sharing, download, pair):
    source, target = (sharing.zeros(40, "x", shared=shared) for shared in pair)
    sharing.upload(np.arange(10, dtype="float32"), source)
    sharing.copy(source, target, 12, source_offset=8, target_offset=4)
    assert download(sharing, target).tolist() == [0, 2, 3, 4, 0, 0, 0, 0, 0, 0]


def test_an_upload_waits_for_the_kernel_that_reads_what_was_there(sharing, slow, download):
    x, y = sharing.alloc(4 * ITEMS, "x", shared=True), sharing.alloc(4 * ITEMS, "y")
    sharing.upload(np.ones(ITEMS, "float32"), x)
    slow(x, y)()
    sharing.upload(np.zeros(ITEMS, "float32"), x)
    assert np.all(download(sharing, y) == 1)


def test_a_download_waits_for_the_kernel_that_writes(sharing, slow, upload, download):
    y = sharing.zeros(4 * ITEMS, "y", shared=True)
    slow(upload(sharing, np.ones(ITEMS, "float32")), y)()
    assert np.all(download(sharing, y) == 1)


@pytest.mark.parametrize("shared", [False, True], ids=["to the device", "to shared memory"])
def test_a_copy_waits_for_the_kernels_that_use_what_it_reads_and_writes(sharing, slow, upload, download, shared):
    y, z = sharing.zeros(4 * ITEMS, "y", shared=True), sharing.zeros(4 * ITEMS, "z", shared=shared)
    slow(upload(sharing, np.ones(ITEMS, "float32")), y)()
    sharing.copy(y, z, z.nbytes)
    slow(upload(sharing, np.full(ITEMS, 2, "float32")), y)()
    sharing.copy(z, y, z.nbytes)
    assert np.all(download(sharing, z) == 1)
    assert np.all(download(sharing, y) == 1)


def test_a_launch_that_runs_keeps_what_nobody_else_holds(sharing, slow, download):
    x, y = sharing.alloc(4 * ITEMS, "x", shared=True), sharing.alloc(4 * ITEMS, "y")
    sharing.upload(np.ones(ITEMS, "float32"), x)
    slow(x, y)()
    del x
    gc.collect()
    others = [sharing.zeros(4 * ITEMS, "other") for _ in range(50)]
    assert np.all(download(sharing, y) == 1)
    assert len(others) == 50


def test_a_closed_runtime_leaves_no_view(sharing):
    buffer = sharing.alloc(8, "x", shared=True)
    sharing.close()
    assert buffer.host is None
    assert buffer.raw is None


def test_devices_without_it_get_memory_of_their_own(runtime, monkeypatch):
    monkeypatch.setattr(runtime, "_shares", False)
    assert runtime.alloc(8, "x", shared=True).host is None
    gpu = Device("opencl", 0, "x", "gpu", ("float32",), {})
    assert not can_share(runtime._cl, runtime._handle, gpu)


@pytest.mark.row("P11")
def test_a_step_makes_no_transfer_by_command(device, monkeypatch):
    model = Network([Dense(3)], (4,), "mse").bind("opencl", device=device.index, batch=5)
    if not model.plan._runtime._shares:
        pytest.skip("not run: the device has no fine-grained memory of the host")
    x, t = np.ones((5, 4), "float32"), np.ones((5, 3), "float32")
    step = training_step(model, Adam(0.01, l2=0.1))
    first = step(x, t)

    def refuse(*arguments, **options):
        raise AssertionError("a transfer by command")

    monkeypatch.setattr(model.plan._runtime, "_guarded", refuse)
    assert step(x, t) < first


def test_a_download_waits_for_no_launch_that_does_not_use_it(sharing, slow, upload):
    if sharing.waits_for_all:
        pytest.skip("not run: the driver waits for all that was enqueued")
    from pyopencl import command_execution_status as status

    x, y, z = upload(sharing, np.ones(ITEMS, "float32")), *(sharing.zeros(4 * ITEMS, "y", shared=True) for _ in "yz")
    slow(x, y)()
    late = slow(x, z)
    late()
    running = z.used
    host = np.empty(ITEMS, "float32")
    sharing.download(y, host)
    assert np.all(host == 1)
    assert running.command_execution_status != status.COMPLETE
    sharing.download(z, host)
    assert running.command_execution_status == status.COMPLETE


def test_what_an_earlier_wait_has_seen_done_is_not_waited_for(sharing, slow, upload):
    if not sharing.waits_for_all:
        pytest.skip("not run: the driver waits for no more than it is asked to")
    from pyopencl import command_execution_status as status

    x, y, z = upload(sharing, np.ones(ITEMS, "float32")), *(sharing.zeros(4 * ITEMS, "y", shared=True) for _ in "yz")
    slow(x, y)()
    sharing.synchronize()
    slow(x, z)()
    running = z.used
    sharing.upload(np.zeros(ITEMS, "float32"), y)
    assert running.command_execution_status != status.COMPLETE
    sharing.upload(np.zeros(ITEMS, "float32"), z)
    assert running.command_execution_status == status.COMPLETE


@pytest.mark.parametrize("hidden", [3, 5000], ids=["chained", "apart"])
def test_a_step_answers_before_what_nobody_waits_for(device, monkeypatch, hidden):
    """The same bits whether what follows the losses is enqueued before or after they are waited for, of plans that are dealt alike."""
    x, t = np.random.default_rng(0).random((2, 40, 30)).astype("float32")
    monkeypatch.setattr(per_unit, "is_dealt", lambda *of: is_dealt(*of[:3], 0, of[4]))
    found = []
    for late in (False, True):
        model = Network([Dense(hidden, activation="tanh"), Dense(30)], (30,), "mse").bind(
            "opencl", device=device.index, batch=40
        )
        step = training_step(model, Adam(0.01, l2=0.1, clip_norm=0.5))
        monkeypatch.setattr(model.plan._runtime, "waits_for_all", late)
        losses = [step(x[:n], t[:n]) for n in (40, 7, 40, 1, 40)]
        found.append((losses, model.theta))
        launches = model.plan._for(40)
        first, rest = launches.to_losses
        assert [*first, *rest, *launches.add_up] == list(launches.of_gradient)
        assert "losses.evaluate" in first[-1].label
        assert not any("losses.evaluate" in launch.label for launch in rest)
    assert found[0][0] == found[1][0]
    assert np.array_equal(found[0][1], found[1][1])


def test_what_follows_the_losses_is_enqueued_before_they_are_added_up(device, monkeypatch):
    model = Network([Dense(3, activation="tanh"), Dense(30)], (30,), "mse").bind(
        "opencl", device=device.index, batch=40
    )
    step, plan = training_step(model, Adam(0.01)), model.plan
    x, t = np.random.default_rng(0).random((2, 40, 30)).astype("float32")
    step(x, t)
    order = []
    for name in ("_enqueue", "_losses", "_mean"):
        method = getattr(type(plan), name)
        monkeypatch.setattr(
            type(plan), name, lambda *given, name=name, method=method: (order.append(name), method(*given))[1]
        )
    step(x, t)
    late = plan._runtime.waits_for_all
    assert order[-3:] == [*(["_losses", "_enqueue"] if late else ["_enqueue", "_losses"]), "_mean"]
