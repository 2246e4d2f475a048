from __future__ import annotations

import dataclasses
import importlib

import pytest

from gcnn import kernels
from gcnn.backend import Device, Unavailable
from gcnn.backends.opencl import discovery
from gcnn.errors import BackendUnavailable


@pytest.fixture
def look_again(monkeypatch):
    """Discovery as if this process had not looked yet, and with what it would set for drivers left alone."""
    monkeypatch.setattr(discovery, "_found", None)
    monkeypatch.setattr(discovery, "set_affinity", lambda: None)
    monkeypatch.setattr(discovery, "prepare", list)
    return discovery.devices


def _import_fails_with(monkeypatch, error):
    def fail(name):
        raise error

    monkeypatch.setattr(importlib, "import_module", fail)


def test_importing_the_backend_imports_neither_pyopencl_nor_a_driver(run_python):
    done = run_python("""
        import sys
        from gcnn.backends.opencl import discovery, runtime
        from gcnn.backends.accelerated import vectors
        assert not [name for name in sys.modules if name.startswith("pyopencl")]
        assert not any("OpenCL" in line or "intelocl" in line for line in open("/proc/self/maps"))
    """)
    assert done.returncode == 0, done.stderr


def test_without_pyopencl_the_remedy_is_the_extra(look_again, monkeypatch):
    _import_fails_with(monkeypatch, ModuleNotFoundError("No module named 'pyopencl'", name="pyopencl"))
    (found,) = look_again()
    assert found == Unavailable("opencl", "OpenCL", "pyopencl is not installed", found.remedy)
    assert 'pip install "gcnn[opencl-cpu]"' in found.remedy
    assert "gcnn[opencl]" in found.remedy


def test_a_pyopencl_that_does_not_load_says_why(look_again, monkeypatch):
    _import_fails_with(monkeypatch, ImportError("libOpenCL.so.1: cannot open shared object file"))
    (found,) = look_again()
    assert "libOpenCL.so.1" in found.reason


def test_a_cache_that_pyopencl_cannot_write_to_has_a_remedy(look_again, monkeypatch):
    _import_fails_with(monkeypatch, FileNotFoundError(2, "No such file or directory", "/nowhere/pytools"))
    (found,) = look_again()
    assert "/nowhere/pytools" in found.reason
    assert "PYOPENCL_NO_CACHE=1" in found.remedy


def test_whatever_a_driver_raises_becomes_a_reason(look_again, monkeypatch):
    _import_fails_with(monkeypatch, ValueError("the driver is on fire"))
    (found,) = look_again()
    assert found.reason == "ValueError: the driver is on fire"


def test_a_device_says_what_it_is_and_what_it_computes_in(device):
    assert device.backend == "opencl"
    assert device.kind == "cpu"
    assert device.dtypes[0] == "float32"
    assert {"platform", "driver", "version", "pyopencl"} <= set(device.details)
    assert discovery.devices()[device.index] == device


def test_a_device_whose_compiler_fails_is_listed_with_the_log(device, look_again, monkeypatch):
    monkeypatch.setattr(kernels, "source", lambda name: "#error this compiler is broken\n")
    found = [entry for entry in look_again() if entry.name == device.name]
    assert [type(entry) for entry in found] == [Unavailable]
    assert "does not compile" in found[0].reason
    assert "this compiler is broken" in found[0].reason


def test_a_device_that_computes_wrongly_is_listed_with_what_it_gave(device, look_again, monkeypatch):
    source = kernels.source
    monkeypatch.setattr(kernels, "source", lambda name: source(name).replace("REALC(2.0)", "REALC(3.0)"))
    (found,) = [entry for entry in look_again() if entry.name == device.name]
    assert isinstance(found, Unavailable)
    assert (
        "computes wrongly in float32: a tiny kernel gave [12.0, 10.0, 8.0, 6.0], expected [8.0, 7.0, 6.0, 5.0]"
        in found.reason
    )


def test_a_device_that_is_wrong_in_double_precision_only_is_refused_too(device, look_again, monkeypatch):
    if "float64" not in device.dtypes:
        pytest.skip("not run: the device does not claim float64")
    source = kernels.source
    monkeypatch.setattr(kernels, "source", lambda name: source(name).replace("(WIDE)2", "(WIDE)3"))
    (found,) = [entry for entry in look_again() if entry.name == device.name]
    assert isinstance(found, Unavailable)
    assert "float64" in found.reason


def test_a_device_that_is_not_there_cannot_be_opened(device):
    with pytest.raises(BackendUnavailable, match="no device 'none'"):
        discovery.open_runtime(dataclasses.replace(device, name="none"))


def test_a_device_found_wanting_is_refused_with_its_reason(device, look_again, monkeypatch):
    monkeypatch.setattr(kernels, "source", lambda name: "#error this compiler is broken\n")
    look_again()
    with pytest.raises(BackendUnavailable, match=r"(?s)this compiler is broken.*use another device"):
        discovery.open_runtime(device)


def test_all_platforms_are_seen_in_one_process_whatever_else_is_asked():
    # Both fixtures' platforms, where both are installed, come from this one process.
    found = discovery.devices()
    assert found
    usable = [isinstance(entry, Device) for entry in found]
    assert usable == sorted(usable, reverse=True)
    assert [entry.index for entry in found if isinstance(entry, Device)] == list(range(sum(usable)))
