"""Faults of devices, drivers and caches as a user meets them: through `Network.bind`, training and the commands."""

from __future__ import annotations

import dataclasses
import json
import logging
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import gcnn
from gcnn.backends.accelerated.errors import LaunchRefused, OutOfDeviceMemory
from gcnn.backends.accelerated.tuning import ladder
from gcnn.backends.accelerated.tuning.key import Key, device_name
from gcnn.backends.accelerated.tuning.store import Entry, Store
from gcnn.backends.opencl import discovery
from gcnn.backends.opencl.backend import BACKEND
from gcnn.errors import Unsupported
from gcnn.layers import Convolution, Dense
from gcnn.network import Network

NETWORK = Network([Dense(3, activation="softmax")], 4, "cross_entropy")
X, T = np.random.default_rng(0).random((9, 4), "float32"), np.eye(3, dtype="float32")[np.arange(9) % 3]


@pytest.fixture
def expected():
    """What the oracle gives; the devices differ by a few roundings of float32."""
    return NETWORK.bind("numpy").forward(X)


@pytest.fixture
def store(device, tmp_path, monkeypatch) -> Store:
    """The device's results of tuning, in a cache of the test's own."""
    monkeypatch.setattr("gcnn.backends.accelerated.tuning.store.cache_folder", lambda: tmp_path)
    monkeypatch.delenv("GCNN_TUNE", raising=False)
    return Store("opencl", device_name(BACKEND.runtime(device)))


def _warnings(caplog):
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]


def _written(store) -> bytes:
    """The file with a whole result, of some kernel."""
    key = Key("dense.forward", "5f" * 32, "float32", (("UNITS", 10),), "opencl", store._device, "1.2")
    store.put(Entry(key, {"TILE": 4}))
    return store.path.read_bytes()


DAMAGE = {
    "empty": lambda whole: b"",
    "cut off": lambda whole: whole[: len(whole) // 2],
    "changed": lambda whole: whole.replace(b'"TILE": 4', b'"TILE": 8'),
    "no text": lambda whole: b"\xff\xfe\x00",
    "another program's": lambda whole: b'{"tiles": [1, 2, 3]}',
    "another device's": lambda whole: json.dumps(json.loads(whole) | {"device": "Card 3"}).encode(),
    "of a later version": lambda whole: json.dumps(json.loads(whole) | {"version": 99}).encode(),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_tuning_cache_that_is_no_good_is_a_warning_and_the_model_computes(store, device, caplog, expected, damage):
    store.path.write_bytes(DAMAGE[damage](_written(store)))
    model = NETWORK.bind("opencl", device.index)
    np.testing.assert_allclose(model.forward(X), expected, rtol=1e-5)
    [warning] = _warnings(caplog)
    assert str(store.path) in warning
    assert "gcnn tune" in warning
    assert not any("tuned here" in entry["from"] for entry in model.plan.report()["tuning"])


def test_a_tuning_cache_that_cannot_be_written_is_a_warning_and_the_model_computes(
    device, tmp_path, monkeypatch, caplog
):
    (tmp_path / "file").write_text("not a folder")
    monkeypatch.setattr("gcnn.backends.accelerated.tuning.store.cache_folder", lambda: tmp_path / "file")
    monkeypatch.setenv("GCNN_TUNE", "on")
    monkeypatch.setattr(ladder, "BUDGET", 0.01)  # the default and the benchmark are tried all the same
    network = Network([Dense(1)], 1, "mse")
    assert network.bind("opencl", device.index).forward(np.zeros((1, 1))) == 0
    warnings = _warnings(caplog)
    assert warnings
    assert all("are not kept" in warning or "are not used" in warning for warning in warnings)


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGKILL")
def test_tuning_killed_on_its_way_leaves_whole_results_that_the_next_model_takes(device, store, caplog, tmp_path):
    """By SIGKILL, as soon as there is a first result and more are to come."""
    network = Network([Dense(8)] * 4, 12, "mse")
    (tmp_path / "network.json").write_text(network.to_json())
    command = [sys.executable, "-m", "gcnn", "tune", str(tmp_path / "network.json"), "--backend", "opencl"]
    environment = os.environ | {"GCNN_CACHE": str(tmp_path), "PYTHONPATH": str(Path(__file__).parents[2])}
    with subprocess.Popen(
        [*command, "--device", str(device.index), "--budget", "24", "--json"],
        env=environment,
        stdout=subprocess.DEVNULL,
    ) as process:
        until = time.monotonic() + 120
        while not store.path.exists() and process.poll() is None and time.monotonic() < until:
            time.sleep(0.01)
        assert process.poll() is None, "it ended before it could be killed"
        process.send_signal(signal.SIGKILL)
    assert store.entries()
    model = network.bind("opencl", device.index)
    assert "tuned here" in {entry["from"] for entry in model.plan.report()["tuning"]}
    assert model.forward(np.ones((2, 12))).shape == (2, 8)
    assert _warnings(caplog) == []
    [entry] = list(store.entries().values())[:1]
    store.put(entry)  # nobody holds the lock
    assert _warnings(caplog) == []


def test_a_batch_that_does_not_fit_names_buffer_and_bytes_and_takes_nothing(device):
    before = BACKEND.runtime(device).memory()
    with pytest.raises(OutOfDeviceMemory, match=r"no memory for '[\w ]+ samples' \([\d,]+ bytes\): .*smaller batch"):
        NETWORK.bind("opencl", device.index, batch=10**11)
    after = BACKEND.runtime(device).memory()
    assert (after.allocated, after.buffers) == (before.allocated, before.buffers)


@pytest.fixture
def limited(device, monkeypatch):
    """The device as if it had other limits, found anew: `limited(float64=False)` gives its index."""
    monkeypatch.setattr(discovery, "_found", None)
    monkeypatch.setattr(discovery, "set_affinity", lambda: None)
    monkeypatch.setattr(discovery, "prepare", list)
    monkeypatch.setattr(BACKEND, "_runtimes", {})
    limits = discovery._limits

    def found(**changes):
        monkeypatch.setattr(discovery, "_limits", lambda cl, handle: dataclasses.replace(limits(cl, handle), **changes))
        platform = device.details["platform"]
        (same,) = [d for d in discovery.devices() if getattr(d, "details", {}).get("platform") == platform]
        return same.index

    return found


def test_a_device_without_double_precision_declines_it_by_name_and_trains_in_single(limited, expected):
    index = limited(float64=False)
    with pytest.raises(Unsupported, match=r"dtype float64 on .*, which computes in float32"):
        NETWORK.bind("opencl", index, "float64")
    model = NETWORK.bind("opencl", index)
    assert model.device.dtypes == ("float32",)
    np.testing.assert_allclose(model.forward(X), expected, rtol=1e-5)
    before = model.loss(X, T)
    gcnn.train(model, (X, T), epochs=20, callbacks=())
    assert model.loss(X, T) < before


def test_a_device_with_groups_of_four_computes_the_same(limited, expected):
    """As few as a kernel needs that looks whether a device computes."""
    model = NETWORK.bind("opencl", limited(block_items=4, vector_bytes=0))
    assert model.plan.report()["lanes"] == 4
    np.testing.assert_allclose(model.forward(X), expected, rtol=1e-5)
    oracle = NETWORK.bind("numpy")
    np.testing.assert_allclose(model.loss_and_gradient(X, T)[1], oracle.loss_and_gradient(X, T)[1], rtol=1e-4)


def test_a_device_with_too_little_shared_memory_says_how_much_is_needed(limited):
    index = limited(shared_bytes=100, vector_bytes=0)
    network = Network([Convolution(4, 3)], (2, 6, 6), "mse")
    model = network.bind("opencl", index)
    with pytest.raises(LaunchRefused, match=r"needs [\d,]+ bytes of memory shared by a group, .* has 100"):
        model.loss_and_gradient(np.ones((2, 2, 6, 6)), np.ones((2, 4, 4, 4)))


SCRIPT = """
import logging, sys
import gcnn
from gcnn.cli import main

logging.basicConfig(level="INFO", stream=sys.stdout)
if sys.argv[1] == "without":
    sys.modules["pyopencl"] = None  # as if it were not installed
network = gcnn.Network([gcnn.layers.Dense(2)], 3, "mse")
try:
    print("bound:", network.bind().backend)
except gcnn.errors.BackendUnavailable as error:
    print("refused:", *str(error).split())
sys.argv = ["gcnn", "devices"]
main()
"""


def test_a_home_that_cannot_be_written_to_costs_no_device_of_a_driver_that_works(device, run_python):
    """Neither pyopencl's cache nor gcnn's has a place there."""
    if device.details["platform"] != "Intel(R) OpenCL":
        pytest.skip("not run: PoCL itself needs a place for what it compiles, and gives no platform without one")
    environment = {"HOME": "/proc/self/nowhere", "XDG_CACHE_HOME": "", "GCNN_CACHE": "", "COLUMNS": "200"}
    done = run_python(SCRIPT, "with", GCNN_BACKEND="opencl", GCNN_DEVICE="", **environment)
    assert "bound: opencl" in done.stdout, done.stdout + done.stderr
    assert done.stderr == ""


def test_a_driver_that_is_gone_is_listed_with_its_file_and_its_library(run_python, tmp_path):
    pytest.importorskip("pyopencl", reason="not run: pyopencl is not installed, so that drivers do not matter")
    (tmp_path / "card.icd").write_text("/nowhere/libcard.so\n")
    done = run_python(SCRIPT, "with", OCL_ICD_VENDORS=str(tmp_path), GCNN_BACKEND="", GCNN_DEVICE="", COLUMNS="200")
    assert "bound: numpy" in done.stdout, done.stdout + done.stderr
    log, listed = done.stdout.split("bound: numpy")
    for said in (log, listed):
        assert "card.icd: its library does not load: /nowhere/libcard.so" in said
        assert "reinstall the driver, or remove card.icd" in said


@pytest.mark.parametrize("what", ["with", "without"])
def test_asked_for_by_the_environment_it_is_taken_or_refused_with_the_remedy_but_never_replaced(run_python, what):
    if what == "with" and not any(isinstance(found, gcnn.backend.Device) for found in discovery.devices()):
        pytest.skip("not run: no usable device")
    done = run_python(SCRIPT, what, GCNN_BACKEND="opencl", GCNN_DEVICE="", COLUMNS="200")
    assert done.returncode == 0, done.stderr
    if what == "with":
        assert "bound: opencl" in done.stdout
        assert "GCNN_BACKEND=opencl takes opencl, device 0" in done.stdout
    else:
        assert "refused: backend 'opencl' has no usable device. OpenCL: pyopencl is not installed" in done.stdout
        assert 'pip install "gcnn[opencl-cpu]"' in done.stdout
        assert "GCNN_BACKEND=opencl takes nothing" in done.stdout
