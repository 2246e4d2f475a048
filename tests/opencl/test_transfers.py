"""Bytes to a device and back, copied or through mapped buffers; and launches whose groups the driver chooses."""

from __future__ import annotations

import numpy as np
import pytest

from gcnn.backend import Device
from gcnn.backends.opencl.runtime import sizes
from gcnn.backends.opencl.transfers import NEVER, mapped_from

MODES = {"mapped": 0, "copied": NEVER}
ADD_ONE = """
    KERNEL void add_one(GLOBAL REAL* x, int count)
    {
        for (int i = GLOBAL_ID(0); i < count; i += GLOBAL_SIZE(0)) x[i] += 1;
    }
"""


class Counting:
    """pyopencl, counting the calls that move bytes."""

    def __init__(self, cl: object) -> None:
        self._cl, self.calls = cl, []

    def __getattr__(self, name: str) -> object:
        if name in ("enqueue_copy", "enqueue_map_buffer"):
            self.calls.append(name)
        return getattr(self._cl, name)


@pytest.fixture(params=MODES)
def mode(request, runtime) -> str:
    runtime.mapped_from = MODES[request.param]
    return request.param


@pytest.mark.row("P11")
@pytest.mark.parametrize("count", [1, 1023, 1024, 300_000])
def test_what_goes_to_a_device_comes_back_after_its_kernels(runtime, mode, compile_text, download, count):
    host = np.random.default_rng(count).standard_normal(count).astype("float32")
    buffer = runtime.alloc(host.nbytes, "x")
    launch = runtime.bind(compile_text(runtime, ADD_ONE).kernel("add_one"), (2,), (1,), (buffer, np.int32(count)))
    runtime.upload(host, buffer)
    launch()
    np.testing.assert_array_equal(download(runtime, buffer), host + np.float32(1))
    runtime.upload(host, buffer)
    host[...] = 0  # an upload that has returned reads the array no more
    launch()
    launch()
    assert np.all(download(runtime, buffer) != 0)


@pytest.mark.row("P11")
def test_a_part_goes_to_its_place_and_leaves_the_rest_alone(runtime, mode, download):
    buffer = runtime.alloc(40, "x")
    runtime.upload(np.arange(10, dtype="float32"), buffer)
    runtime.upload(np.array([[-1, -2], [-3, -4]], "float32"), buffer, offset=12)
    assert download(runtime, buffer).tolist() == [0, 1, 2, -1, -2, -3, -4, 7, 8, 9]
    part = np.zeros((2, 1), "float32")
    runtime.download(buffer, part, offset=24)
    assert part.tolist() == [[-4], [7]]


@pytest.mark.row("P11")
def test_each_mode_uses_its_own_calls(runtime, mode, monkeypatch):
    counting = Counting(runtime._cl)
    monkeypatch.setattr(runtime, "_cl", counting)
    buffer, host = runtime.alloc(64, "x"), np.zeros(16, "float32")
    runtime.upload(host, buffer)
    runtime.download(buffer, host)
    assert counting.calls == [{"mapped": "enqueue_map_buffer", "copied": "enqueue_copy"}[mode]] * 2


@pytest.mark.row("P11")
def test_the_host_maps_where_that_was_measured_to_be_faster_and_other_devices_never_do():
    def device(kind: str, platform: str) -> Device:
        return Device("opencl", 0, "x", kind, ("float32",), {"platform": platform})

    assert mapped_from(device("cpu", "Intel(R) OpenCL")) == 4096
    assert mapped_from(device("cpu", "Portable Computing Language")) == NEVER
    assert mapped_from(device("gpu", "NVIDIA CUDA")) == NEVER


@pytest.mark.row("P1")
def test_without_a_block_the_driver_chooses_the_groups_of_an_even_number_of_work_items():
    assert sizes((7,), None) == ((8,), None)
    assert sizes((8,), None) == ((8,), None)
    assert sizes((1, 3), None) == ((2, 3), None)
    assert sizes((7, 3), (2, 1)) == ((14, 3), (2, 1))


@pytest.mark.row("P1")
@pytest.mark.parametrize("count", [1, 2, 13, 1000])
def test_a_launch_in_groups_that_the_driver_chooses_does_all_the_work_once(runtime, compile_text, download, count):
    buffer = runtime.zeros(4 * count, "x")
    runtime.bind(compile_text(runtime, ADD_ONE).kernel("add_one"), (count,), None, (buffer, np.int32(count)))()
    assert download(runtime, buffer).tolist() == [1.0] * count
