"""Faults of the caller and of the device as errors that name what was asked for, what there is, and the remedy."""

from __future__ import annotations

import dataclasses
import gc

import numpy as np
import pytest

from gcnn.backends.accelerated.errors import BuildFailed, DeviceError, LaunchRefused, OutOfDeviceMemory
from gcnn.backends.accelerated.vectors import DeviceVectors

SET = "KERNEL void set(GLOBAL REAL* x, REAL a) { x[GLOBAL_ID(0)] = a; }"


@pytest.fixture
def set_kernel(runtime, compile_text):
    return compile_text(runtime, SET).kernel("set")


def test_source_that_does_not_compile_gives_the_log_with_file_and_line(runtime, compile_text):
    text = "KERNEL void set(GLOBAL REAL* x)\n{\n    x[0] = missing;\n}"
    with pytest.raises(BuildFailed, match=r"(?s)test\.cl does not compile.*test\.cl:3.*'missing'") as failed:
        compile_text(runtime, text)
    assert runtime.device.name in str(failed.value)
    assert "missing" in failed.value.log
    assert failed.value.source_name == "test.cl"


def test_a_failed_build_names_its_options_and_leaves_no_copy_of_the_source(runtime, monkeypatch, tmp_path):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with pytest.raises(BuildFailed, match=r"options: -DTWO=2") as failed:
        runtime.compile("__kernel void f(__global int* x) { x[0] = TWO THREE; }", "options.cl", {}, ["-DTWO=2"])
    assert failed.value.options == ("-DTWO=2",)
    assert list(tmp_path.glob("*.cl")) == []


def test_a_kernel_that_is_not_there_is_named_beside_those_that_are(runtime, compile_text):
    with pytest.raises(DeviceError, match=r"test\.cl has no kernel 'sett'; it has set"):
        compile_text(runtime, SET).kernel("sett")


def test_a_buffer_beyond_the_largest_says_what_was_asked_and_allowed(runtime):
    asked = runtime.limits.allocation_bytes + 1
    with pytest.raises(
        OutOfDeviceMemory, match=rf"'weights' \({asked:,} bytes\).*{asked - 1:,} bytes.*smaller"
    ) as failed:
        runtime.alloc(asked, "weights")
    assert failed.value.asked == asked
    assert isinstance(failed.value, MemoryError)


def test_memory_is_counted_against_what_the_device_has(runtime):
    runtime.limits = dataclasses.replace(runtime.limits, memory_bytes=1000)
    first = runtime.alloc(600)
    with pytest.raises(OutOfDeviceMemory, match="600 of its 1,000 bytes"):
        runtime.alloc(401)
    del first
    gc.collect()
    assert runtime.alloc(1000).nbytes == 1000


def test_what_the_driver_refuses_is_out_of_memory_too(runtime):
    asked = runtime.limits.allocation_bytes * 1000
    runtime.limits = dataclasses.replace(runtime.limits, allocation_bytes=asked, memory_bytes=asked)
    with pytest.raises(OutOfDeviceMemory, match=r"'huge'.*the driver says \w+"):
        runtime.alloc(asked, "huge")


def test_a_group_that_is_too_large_says_how_large_it_may_be(runtime, set_kernel):
    items = 2 * runtime.limits.block_items
    arguments = (runtime.alloc(4), np.float32(1))
    with pytest.raises(LaunchRefused, match=rf"'set': a group of {items} = {items} work-items.*allows \d+"):
        runtime.bind(set_kernel, (1,), (items,), arguments)
    runtime.limits = dataclasses.replace(runtime.limits, block=(8, 8, 2))
    with pytest.raises(LaunchRefused, match=r"axis 2 of the block \(1, 1, 4\) is longer than the 2"):
        runtime.bind(set_kernel, (1, 1, 1), (1, 1, 4), arguments)


def test_shared_memory_beyond_the_device_is_refused_with_both_numbers(runtime, compile_text):
    text = """
    KERNEL void sum(GLOBAL REAL* x)
    {
        SHARED REAL part[1024];
        part[LOCAL_ID(0)] = x[LOCAL_ID(0)];
        BARRIER();
        x[LOCAL_ID(0)] = part[LOCAL_SIZE(0) - 1 - LOCAL_ID(0)];
    }
    """
    kernel = compile_text(runtime, text).kernel("sum")
    runtime.limits = dataclasses.replace(runtime.limits, shared_bytes=4095)
    with pytest.raises(LaunchRefused, match=r"'sum' needs 4,\d\d\d bytes .* has 4,095\. Use smaller tiles"):
        runtime.bind(kernel, (1,), (16,), (runtime.alloc(64),))


@pytest.mark.parametrize(
    ("grid", "block"), [((0,), (1,)), ((1,), (0,)), ((1, 1), (1,)), ((), ()), ((1, 1, 1, 1), (1, 1, 1, 1))]
)
def test_a_grid_that_is_none_is_refused(runtime, set_kernel, grid, block):
    with pytest.raises(LaunchRefused, match="1 to 3 axes"):
        runtime.bind(set_kernel, grid, block, (runtime.alloc(4), np.float32(1)))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "takes 2 arguments, 0 were given"),
        ((np.float32(1),) * 3, "takes 2 arguments, 3 were given"),
        (("buffer", 1.0), r"argument 1 \(a\): expected a buffer or a NumPy scalar"),
        (("buffer", np.float64(1)), r"argument 1 \(a\): expected np\.float32, got .*1\.0"),
        (("buffer", np.int32(1)), r"argument 1 \(a\): expected np\.float32, got .*1"),
        (("buffer", "buffer"), r"argument 1 \(a\): expected np\.float32, got Buffer"),
        ((np.float32(1), np.float32(1)), r"argument 0 \(x\): expected a buffer, got"),
    ],
)
def test_wrong_arguments_are_refused_before_the_launch(runtime, set_kernel, arguments, message):
    filled = [runtime.alloc(4) if argument == "buffer" else argument for argument in arguments]
    with pytest.raises(LaunchRefused, match=message):
        runtime.bind(set_kernel, (1,), (1,), filled)


def test_double_precision_is_refused_by_a_device_without_it(runtime):
    runtime.limits = dataclasses.replace(runtime.limits, float64=False)
    with pytest.raises(DeviceError, match=r"does not compute in float64.*dtype='float32'"):
        DeviceVectors(runtime, "float64")


def test_without_double_precision_sums_are_kept_in_single(runtime):
    runtime.limits = dataclasses.replace(runtime.limits, float64=False)
    vectors = DeviceVectors(runtime, "float32")
    x = vectors.upload(np.arange(1000))
    assert vectors.dot(x, x) == pytest.approx(332_833_500, rel=1e-5)
    assert vectors.amax(x) == 999
