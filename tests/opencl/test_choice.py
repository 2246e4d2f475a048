"""The backend is known by name and costs nothing until it is used; "auto" takes it where it works and has the program."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace

import pytest

import gcnn
from gcnn.backend import API_VERSION, Device, get_backend
from gcnn.errors import BackendUnavailable, Unsupported
from gcnn.layers import Dense, Layer
from gcnn.network import Network

ORACLE = get_backend("numpy")
NETWORK = Network([Dense(2, activation="tanh")], 3, "mse")
TABLE = Network([Dense(2, table=[[1, 0, 1], [0, 1, 1]])], 3, "mse")


class Card:
    """The oracle, as a GPU that lacks connection tables and float64."""

    name, api_version = "opencl", API_VERSION
    capabilities = replace(ORACLE.capabilities, features=ORACLE.capabilities.features - {"tables"})

    def devices(self):
        return [Device("opencl", 0, "card", "gpu", ("float32",))]

    def plan(self, program, device, dtype, batch):
        return ORACLE.plan(program, ORACLE.devices()[0], dtype, batch)


@pytest.fixture(autouse=True)
def nobody_chose(monkeypatch):
    monkeypatch.delenv("GCNN_BACKEND", raising=False)
    monkeypatch.delenv("GCNN_DEVICE", raising=False)


@pytest.fixture
def card(monkeypatch):
    monkeypatch.setattr("gcnn.backend._registered", {"opencl": Card()})


def test_auto_takes_what_has_the_program_without_a_warning(card, caplog):
    with caplog.at_level(logging.INFO, "gcnn"):
        assert NETWORK.bind().device.name == "card"
    assert [record.levelname for record in caplog.records] == ["INFO"]


@pytest.mark.parametrize(
    ("network", "dtype", "reason"),
    [
        (TABLE, "float32", "layer 0, Dense: tables not implemented"),
        (NETWORK, "float64", "dtype float64 on card, which computes in float32"),
        (NETWORK, "complex128", "dtype complex128 on card, which computes in float32"),
    ],
)
def test_auto_passes_over_what_declines_the_program_and_warns_of_it(card, caplog, network, dtype, reason):
    assert network.bind(dtype=dtype).backend == "numpy"
    (record,) = caplog.records
    assert record.levelname == "WARNING"
    assert "took numpy" in record.message
    assert "opencl on card, which declines this program: " in record.message
    assert reason.partition("Dense")[2] in record.message


def test_auto_without_a_program_takes_the_first_that_works(card):
    assert gcnn.select()[1].name == "card"


@pytest.mark.parametrize("how", ["argument", "environment"])
def test_what_was_chosen_by_name_declines_and_is_not_replaced(card, monkeypatch, how):
    if how == "environment":
        monkeypatch.setenv("GCNN_BACKEND", "opencl")
    monkeypatch.setattr(Card, "plan", _refuse)
    with pytest.raises(Unsupported, match="tables"):
        TABLE.bind("opencl" if how == "argument" else None)


def _refuse(self, program, device, dtype, batch):
    raise Unsupported(self.name, self.capabilities.missing(program, dtype))


@dataclass(frozen=True)
class Nobody(Layer):
    """A layer that no backend has."""

    activation: str = "identity"

    def output_maps(self, inputs):
        return inputs


def test_a_program_that_every_backend_declines_raises_with_the_reasons_of_the_last(card):
    with pytest.raises(Unsupported, match=r"backend 'numpy' declines.*\n.*Nobody layers are not implemented"):
        Network([Nobody()], 3, "mse").bind()


def test_pyopencl_is_not_imported_until_a_backend_is_looked_for(run_python):
    done = run_python(
        """
        import sys
        import gcnn, gcnn.cli, gcnn.conformance
        assert "opencl" in gcnn.backend_names()
        gcnn.get_backend("opencl")
        gcnn.Network([gcnn.layers.Dense(1)], 1, loss="mse").bind("numpy")
        print("pyopencl" in sys.modules)
        """
    )
    assert done.stdout == "False\n", done.stderr


WITHOUT = """
import logging, sys
import gcnn
from gcnn.errors import BackendUnavailable

if sys.argv[1] == "pyopencl":
    sys.modules["pyopencl"] = None  # as if it were not installed
logging.basicConfig(level="INFO", stream=sys.stdout)
network = gcnn.Network([gcnn.layers.Dense(1)], 1, loss="mse")
print(network.bind().backend)
try:
    network.bind("opencl")
except BackendUnavailable as error:
    print(error)
from gcnn.cli import main
sys.argv = ["gcnn", "devices"]
main()
"""


@pytest.mark.parametrize(
    ("what", "reason"), [("pyopencl", "pyopencl is not installed"), ("driver", "no driver is installed")]
)
def test_without_it_auto_takes_the_oracle_and_says_why_and_by_name_it_is_refused(run_python, tmp_path, what, reason):
    if what == "driver":
        pytest.importorskip("pyopencl", reason="not run: pyopencl is not installed, so that drivers do not matter")
    done = run_python(WITHOUT, what, OCL_ICD_VENDORS=str(tmp_path), GCNN_BACKEND="", GCNN_DEVICE="", COLUMNS="200")
    log, refusal, listed = done.stdout.partition("numpy\n")[0], *done.stdout.split("numpy\n")[1].split("┏", 1)
    assert "took numpy" in log
    for said in (log, refusal, listed):
        assert reason in said, done.stdout + done.stderr
        assert "pip install" in said
    assert "auto takes numpy" in listed


def test_auto_takes_a_device_that_works(device):
    assert NETWORK.bind().backend == "opencl"
    with pytest.raises(BackendUnavailable, match="no usable gpu"):
        gcnn.backend.find_device(get_backend("opencl"), None, kind="gpu")
