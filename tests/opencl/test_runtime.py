"""The contract of `gcnn.backends.accelerated.runtime.Runtime`, on every runtime that conftest.py opens."""

from __future__ import annotations

import gc
import threading
import time
import weakref

import numpy as np
import pytest

from gcnn.backends.accelerated.errors import DeviceError

ADD = """
KERNEL void add(GLOBAL REAL* x, REAL a, int n)
{
    const int i = GLOBAL_ID(0);
    if (i < n) x[i] += a;
}
"""
SLOW_COPY = """
KERNEL void slow_copy(GLOBAL const REAL* x, GLOBAL REAL* y, int rounds)
{
    const int i = GLOBAL_ID(0);
    REAL wait = x[i];
    for (int round = 0; round < rounds; ++round) wait = sin(wait);
    y[i] = x[i] + (wait > 2 ? wait : 0);
}
"""


@pytest.mark.parametrize("n", [0, 1, 4097])
def test_what_is_uploaded_comes_back_bit_for_bit(runtime, upload, download, n):
    host = np.random.default_rng(0).normal(size=n).astype("float32")
    np.testing.assert_array_equal(download(runtime, upload(runtime, host)), host)


def test_transfers_at_an_offset_leave_the_rest_alone(runtime, download):
    buffer = runtime.zeros(10 * 4)
    runtime.upload(np.array([1, 2, 3], "float32"), buffer, offset=8)
    assert download(runtime, buffer).tolist() == [0, 0, 1, 2, 3, 0, 0, 0, 0, 0]
    part = np.empty(2, "float32")
    runtime.download(buffer, part, offset=12)
    assert part.tolist() == [2, 3]
    runtime.copy(buffer, buffer, 8, source_offset=8, target_offset=28)
    assert download(runtime, buffer).tolist() == [0, 0, 1, 2, 3, 0, 0, 1, 2, 0]


@pytest.mark.parametrize("dtype", ["uint8", "float32", "float64"])
def test_fill_writes_the_scalar_from_the_offset_on_and_nothing_else(runtime, download, dtype):
    size = np.dtype(dtype).itemsize
    buffer = runtime.zeros(7 * size)
    runtime.fill(buffer, np.dtype(dtype).type(3), 4, offset=2 * size)
    assert download(runtime, buffer, dtype).tolist() == [0, 0, 3, 3, 3, 3, 0]


def test_an_array_that_is_not_contiguous_is_uploaded_in_its_own_order(runtime, upload, download):
    host = np.arange(12, dtype="float32").reshape(3, 4).T
    assert download(runtime, upload(runtime, host)).tolist() == host.ravel().tolist()


def test_bytes_outside_a_buffer_are_refused_by_name(runtime):
    buffer = runtime.alloc(8, "weights")
    with pytest.raises(DeviceError, match=r"'weights'.*bytes 4 to 12 are not inside"):
        runtime.upload(np.zeros(2, "float32"), buffer, offset=4)
    with pytest.raises(DeviceError, match="not inside"):
        runtime.fill(buffer, np.float32(0), 3)
    with pytest.raises(DeviceError, match="not inside"):
        runtime.download(buffer, np.zeros(3, "float32"))


def test_a_bound_launch_runs_as_often_as_it_is_called(runtime, compile_text, upload, download):
    x = upload(runtime, np.zeros(100, "float32"))
    kernel = compile_text(runtime, ADD).kernel("add")
    launch = runtime.bind(kernel, (7,), (16,), (x, np.float32(2), np.int32(99)))
    for _ in range(5):
        launch()
    assert download(runtime, x).tolist() == [10.0] * 99 + [0.0]


def test_an_argument_set_anew_counts_for_later_launches_only(runtime, compile_text, upload, download):
    x, y = upload(runtime, np.zeros(4, "float32")), upload(runtime, np.zeros(4, "float32"))
    launch = runtime.bind(compile_text(runtime, ADD).kernel("add"), (1,), (4,), (x, np.float32(1), np.int32(4)))
    launch()
    launch.set(1, np.float32(10))
    launch()
    launch.set(0, y)
    launch()
    assert download(runtime, x).tolist() == [11.0] * 4
    assert download(runtime, y).tolist() == [10.0] * 4


def test_two_launches_of_one_kernel_keep_their_own_arguments(runtime, compile_text, upload, download):
    x, kernel = upload(runtime, np.zeros(4, "float32")), compile_text(runtime, ADD).kernel("add")
    one = runtime.bind(kernel, (1,), (4,), (x, np.float32(1), np.int32(4)))
    ten = runtime.bind(kernel, (1,), (4,), (x, np.float32(10), np.int32(2)))
    one()
    ten()
    one()
    assert download(runtime, x).tolist() == [12.0, 12.0, 2.0, 2.0]


def test_an_upload_that_does_not_wait_is_there_for_the_next_launch(runtime, compile_text, download):
    x = runtime.alloc(4 << 20)
    launch = runtime.bind(
        compile_text(runtime, ADD).kernel("add"), (1 << 14,), (64,), (x, np.float32(1), np.int32(1 << 20))
    )
    for value in range(5):
        # The array is dropped at once: the runtime must keep it until it has been read.
        runtime.upload(np.full(1 << 20, value, "float32"), x, wait=False)
        launch()
    assert np.all(download(runtime, x) == 5.0)


@pytest.mark.parametrize("wait", ["synchronize", "download"])
def test_what_was_uploaded_without_waiting_is_let_go_at_the_next_wait(runtime, download, wait):
    x, host = runtime.alloc(4000), np.ones(1000, "float32")
    alive = weakref.ref(host)
    runtime.upload(host, x, wait=False)
    del host
    runtime.synchronize() if wait == "synchronize" else download(runtime, x)
    gc.collect()
    assert alive() is None


def test_a_launch_keeps_the_buffers_that_are_bound_to_it(runtime, compile_text, upload, download):
    kernel, y = compile_text(runtime, SLOW_COPY).kernel("slow_copy"), runtime.zeros(64)
    launch = runtime.bind(kernel, (1,), (16,), (upload(runtime, np.arange(16, dtype="float32")), y, np.int32(1)))
    gc.collect()
    runtime.fill(runtime.alloc(64), np.float32(np.nan), 16)
    launch()
    assert download(runtime, y).tolist() == list(range(16))
    launch.set(0, upload(runtime, np.ones(16, "float32")))
    gc.collect()
    assert runtime.memory().buffers == 2
    launch()
    assert download(runtime, y).tolist() == [1.0] * 16


def test_memory_in_use_by_a_queued_launch_outlives_its_last_reference(runtime, compile_text, upload, download):
    host = np.arange(1 << 12, dtype="float32")
    kernel = compile_text(runtime, SLOW_COPY).kernel("slow_copy")
    y = runtime.zeros(host.nbytes)
    runtime.synchronize()
    for _ in range(10):
        x = upload(runtime, host)
        launch = runtime.bind(kernel, (1 << 8,), (16,), (x, y, np.int32(200)))
        launch()
        del x, launch
        gc.collect()
        # What a driver frees too early goes to the next buffer of that size.
        runtime.fill(runtime.alloc(host.nbytes), np.float32(np.nan), host.size)
    np.testing.assert_array_equal(download(runtime, y), host)


def test_ten_thousand_launches_leave_no_memory_behind(runtime, compile_text, upload):
    def resident() -> int:
        with open("/proc/self/statm") as file:  # noqa: PTH123  # a file of the kernel's
            return int(file.read().split()[1]) * 4096

    x = upload(runtime, np.zeros(64, "float32"))
    kernel = compile_text(runtime, ADD).kernel("add")
    launch = runtime.bind(kernel, (4,), (16,), (x, np.float32(1), np.int32(64)))

    def launch_many(n: int) -> None:
        for i in range(n):
            launch()
            if i % 100 == 99:
                runtime.synchronize()

    launch_many(2000)  # drivers and allocators reach their working size
    gc.collect()
    before, resident_before = runtime.memory(), resident()
    launch_many(10_000)
    gc.collect()
    assert runtime.memory() == before
    # An event of 100 bytes kept for every launch would be 1 MB.
    assert resident() - resident_before < 1_000_000


def test_the_memory_in_use_is_counted(runtime):
    assert runtime.memory() == (0, 0, 0)
    a, b = runtime.alloc(1000), runtime.alloc(500)
    del a
    gc.collect()
    assert runtime.memory() == (500, 1500, 1)
    assert b.nbytes == 500


def test_events_measure_the_device_in_seconds(runtime, compile_text, upload):
    x = upload(runtime, np.zeros(1 << 12, "float32"))
    launch = runtime.bind(compile_text(runtime, SLOW_COPY).kernel("slow_copy"), (1 << 8,), (16,), (x, x, np.int32(100)))
    launch()
    runtime.synchronize()
    start = time.perf_counter()
    before = runtime.mark()
    launch()
    middle = runtime.mark()
    launch()
    after = runtime.mark()
    after.wait()
    wall = time.perf_counter() - start
    assert 0 < middle.seconds_since(before) < after.seconds_since(before) < wall + 1e-3


def test_a_closed_runtime_has_freed_everything_and_says_that_it_is_closed(runtime, compile_text, upload):
    x = upload(runtime, np.zeros(64, "float32"))
    launch = runtime.bind(compile_text(runtime, ADD).kernel("add"), (4,), (16,), (x, np.float32(1), np.int32(64)))
    launch()
    runtime.close()
    runtime.close()
    assert runtime.memory()[0] == 0
    assert x.raw is None
    for call in (launch, runtime.synchronize, lambda: runtime.alloc(1), runtime.mark):
        with pytest.raises(DeviceError, match="is closed"):
            call()


def test_a_buffer_of_another_runtime_is_refused(open_runtime, compile_text, upload):
    one, other = open_runtime(), open_runtime()
    foreign = upload(other, np.zeros(4, "float32"))
    with pytest.raises(DeviceError, match="belongs to another runtime"):
        one.copy(foreign, one.alloc(16), 16)
    with pytest.raises(DeviceError, match="belongs to another runtime"):
        one.bind(compile_text(one, ADD).kernel("add"), (1,), (4,), (foreign, np.float32(1), np.int32(4)))
    with pytest.raises(DeviceError, match="compiled by another runtime"):
        one.bind(compile_text(other, ADD).kernel("add"), (1,), (4,), (one.alloc(16), np.float32(1), np.int32(4)))


def _count_up(runtime, compile_text, upload, download, results, number):
    x = upload(runtime, np.full(1000, number, "float32"))
    kernel = compile_text(runtime, ADD).kernel("add")
    launch = runtime.bind(kernel, (63,), (16,), (x, np.float32(1), np.int32(1000)))
    for _ in range(50):
        launch()
        launch()
        runtime.synchronize()
    results[number] = download(runtime, x)


@pytest.mark.parametrize("shared", [False, True])
def test_threads_may_work_at_once_on_runtimes_of_their_own_or_on_one(
    open_runtime, compile_text, upload, download, shared
):
    one = open_runtime()
    runtimes = [one, one] if shared else [one, open_runtime()]
    results: dict[int, np.ndarray] = {}
    threads = [
        threading.Thread(target=_count_up, args=(runtimes[i], compile_text, upload, download, results, i))
        for i in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(results) == [0, 1], "a thread raised"
    for number, result in results.items():
        assert np.all(result == number + 100)


def test_memory_is_counted_while_other_threads_take_and_leave_some(runtime):
    errors = []

    def churn():
        try:
            for _ in range(300):
                kept = [runtime.alloc(4) for _ in range(20)]
                assert runtime.memory().allocated >= 4 * len(kept)
        except Exception as error:  # noqa: BLE001  # any; the test fails with it
            errors.append(error)

    threads = [threading.Thread(target=churn) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    gc.collect()
    assert errors == []
    assert runtime.memory()[::2] == (0, 0)


def test_threads_that_make_kernels_at_once_are_warned_of_nothing(runtime, compile_text, upload, download):
    """pyopencl generates code for every kernel object; warnings are errors here."""
    program = compile_text(runtime, ADD)
    results: dict[int, np.ndarray] = {}
    errors = []

    def bind(number):
        try:
            x = upload(runtime, np.zeros(4, "float32"))
            for _ in range(50):
                runtime.bind(program.kernel("add"), (1,), (4,), (x, np.float32(1), np.int32(4)))()
            results[number] = download(runtime, x)
        except Exception as error:  # noqa: BLE001  # any; the test fails with it
            errors.append(error)

    threads = [threading.Thread(target=bind, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert all(result.tolist() == [50.0] * 4 for result in results.values())
