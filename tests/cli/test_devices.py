from __future__ import annotations

from importlib.metadata import EntryPoint

import numpy as np
import pytest

from gcnn.backend import API_VERSION, Device, Unavailable, get_backend


class Pretended:
    """A backend in front of the oracle with devices of its own, one of which may compute nonsense."""

    api_version = API_VERSION

    def __init__(self, name, devices, factor=1.0):
        self.name, self._devices, self._factor = name, devices, factor

    def devices(self):
        if isinstance(self._devices, Exception):
            raise self._devices
        return self._devices

    def plan(self, program, device, dtype, batch):
        oracle = get_backend("numpy")
        plan = oracle.plan(program, oracle.devices()[0], dtype, batch)
        forward = plan.forward
        plan.forward = lambda x: np.multiply(forward(x), self._factor)
        return plan


@pytest.fixture
def add(monkeypatch):
    """Register a backend for one test, which sees no device of OpenCL, whatever this machine has."""
    registered = {"opencl": Pretended("opencl", [Unavailable("opencl", "OpenCL", "not looked for", "")])}
    monkeypatch.setattr("gcnn.backend._registered", registered)

    def register(backend):
        registered[backend.name] = backend

    return register


def _row(output: str, name: str) -> str:
    return next(line for line in output.splitlines() if f" {name} " in line and "│" in line)


def test_the_oracle_works_and_is_what_auto_takes_where_nothing_else_is(gcnn, add):
    result = gcnn("devices")
    assert result.exit_code == 0
    row = _row(result.stdout, "numpy")
    assert "→" in row
    assert "works" in row
    assert "float64," in row
    assert "auto takes numpy" in result.stdout


def test_what_is_not_there_is_listed_with_reason_and_remedy(gcnn, add):
    add(Pretended("foreign", [Unavailable("foreign", "Card 3", "its driver is too old", "install driver 7")]))
    result = gcnn("devices")
    assert result.exit_code == 0
    assert "not available" in _row(result.stdout, "foreign")
    assert "foreign, Card 3: its driver is too old; install driver 7" in result.stdout


def test_a_device_that_computes_nonsense_fails_the_check_and_shows_the_number(gcnn, add):
    device = Device("foreign", 4, "Card 4", "gpu", ("float32",))
    add(Pretended("foreign", [device], factor=2.0))
    result = gcnn("devices")
    row = _row(result.stdout, "foreign")
    assert "fails" in row
    assert "gpu" in row
    assert "foreign, Card 4: the check failed: a tiny network gave" in result.stdout


def test_a_backend_whose_devices_raise_does_not_end_the_list(gcnn, add):
    add(Pretended("foreign", OSError("libdriver.so is damaged")))
    result = gcnn("devices")
    assert result.exit_code == 0
    assert "OSError: libdriver.so is damaged" in result.stdout
    assert "works" in _row(result.stdout, "numpy")


@pytest.mark.parametrize("target", ["gcnn_no_such_module:BACKEND", "gcnn.errors:NO_SUCH_NAME"])
def test_a_backend_that_does_not_load_is_listed_with_the_reason(gcnn, add, monkeypatch, target):
    point = EntryPoint("foreign", target, "gcnn.backends")
    monkeypatch.setattr("gcnn.backend.entry_points", lambda group: [point])
    result = gcnn("devices")
    assert result.exit_code == 0
    assert "not available" in _row(result.stdout, "foreign")
    assert "does not load" in result.stdout


def test_the_environment_decides_and_is_named(gcnn, add, monkeypatch):
    add(Pretended("foreign", [Device("foreign", 0, "Card 0", "gpu", ("float32",))]))
    monkeypatch.setenv("GCNN_BACKEND", "foreign")
    result = gcnn("devices")
    assert "→" in _row(result.stdout, "foreign")
    assert "→" not in _row(result.stdout, "numpy")
    assert "GCNN_BACKEND=foreign takes foreign, device 0 (Card 0)" in result.stdout


def test_an_environment_that_asks_for_what_is_not_there_is_told(gcnn, add, monkeypatch):
    monkeypatch.setenv("GCNN_BACKEND", "nunpy")
    result = gcnn("devices")
    assert result.exit_code == 0
    assert "→" not in result.stdout
    assert "GCNN_BACKEND=nunpy takes nothing" in result.stdout
    assert "Did you mean 'numpy'?" in result.stdout
