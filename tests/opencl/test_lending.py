"""Large arrays of the host's that the device reads and writes where they are."""

from __future__ import annotations

import gc
import weakref
from dataclasses import replace

import numpy as np
import pytest

import gcnn
from gcnn.backends.accelerated import gates
from gcnn.backends.opencl.transfers import can_share, lending
from gcnn.layers import Convolution
from gcnn.optimizers import Momentum

DOUBLED = """
KERNEL void doubled(GLOBAL const REAL* x, GLOBAL REAL* y) { y[GLOBAL_ID(0)] = 2 * x[GLOBAL_ID(0)]; }
"""


class Own(np.ndarray):
    """An array that can be referred to weakly."""


@pytest.fixture
def model(device, monkeypatch):
    """A model to which arrays of any size are lent, and the oracle's."""
    monkeypatch.setattr(gates, "LENT", 1)
    network = gcnn.Network([Convolution(3, 2, activation="tanh")], (2, 5, 6), "mse")
    return network.bind("opencl", device.index, batch=40), network.bind("numpy", batch=40)


@pytest.fixture
def taken(monkeypatch):
    """What was lent, and whether it could be."""
    found, take = [], gates.Gate._take

    def spy(self, host):
        rows = take(self, host)
        found.append((host, self._lent is not None))
        return rows

    monkeypatch.setattr(gates.Gate, "_take", spy)
    return found


def test_kernels_read_and_write_arrays_where_they_are(runtime, compile_text):
    x, y = np.arange(64, dtype="float32"), np.zeros(65, "float32")[1:]  # at any address
    lent = [runtime.lend(array) for array in (x, y)]
    assert all(buffer.nbytes == 256 for buffer in lent)
    before = runtime.memory()
    launch = runtime.bind(compile_text(runtime, DOUBLED).kernel("doubled"), (1,), (64,), lent)
    for _ in range(2):
        x += 1
        launch()
        runtime.download(lent[1], y)
        assert y.tolist() == (2 * x).tolist()
    assert runtime.memory() == before  # it is the host's memory
    other = np.empty(3, "float32")
    runtime.download(lent[1], other, offset=8)
    assert other.tolist() == y[2:5].tolist()


def test_what_kernels_cannot_take_is_not_lent(runtime):
    x = np.zeros(64, "float32")
    x.flags.writeable = False
    assert runtime.lend(x) is None
    assert runtime.lend(np.zeros(257, np.uint8)[1:].view("float32")) is None


@pytest.mark.parametrize(
    ("kind", "platform", "capabilities", "lends"),
    [
        ("gpu", "any", 0xF, False),
        ("cpu", "any", 0xF, True),
        ("cpu", "any", 0x3, False),
        ("cpu", "Portable Computing Language", 0x3, True),
    ],
)
def test_arrays_are_lent_to_the_host_itself_where_it_is_known_to_take_them(device, kind, platform, capabilities, lends):
    handle = type("Handle", (), {"svm_capabilities": capabilities})
    device = replace(device, kind=kind, details={"platform": platform})
    assert (lending(None, handle, device) is not None) == lends


def test_a_driver_that_knows_no_shared_memory_is_lent_nothing(runtime):
    class Old:
        @property
        def svm_capabilities(self):
            raise runtime._cl.LogicError("clGetDeviceInfo failed: INVALID_VALUE")

    device = replace(runtime.device, kind="cpu", details={"platform": "any"})
    assert lending(runtime._cl, Old(), device) is None
    assert not can_share(runtime._cl, Old(), device)


@pytest.mark.parametrize("samples", [3, 40, 97])
def test_every_call_gives_what_the_oracle_gives(model, taken, samples):
    own, oracle = model
    rng = np.random.default_rng(samples)
    x = rng.standard_normal((samples, 2, 5, 6), dtype="float32")
    t = rng.standard_normal((samples, 3, 4, 5), dtype="float32")
    np.testing.assert_allclose(own.forward(x), oracle.forward(x), atol=1e-5)
    assert own.loss(x, t) == pytest.approx(oracle.loss(x, t), rel=1e-5)
    for found, expected in zip(own.loss_and_gradient(x, t), oracle.loss_and_gradient(x, t), strict=True):
        np.testing.assert_allclose(found, expected, atol=1e-5)
    for found, expected in zip(own.vjp(x, t), oracle.vjp(x, t), strict=True):
        np.testing.assert_allclose(found, expected, atol=1e-4)
    steps = [gcnn.training_step(each, Momentum(0.1))(x[:40], t[:40]) for each in model]
    assert steps[0] == pytest.approx(steps[1], rel=1e-5)
    assert all(lent for _, lent in taken)


def test_results_leave_into_an_array_of_any_kind(model, taken):
    own, oracle = model
    x = np.random.default_rng(0).standard_normal((7, 2, 5, 6), dtype="float32")
    expected = oracle.forward(x)
    turned, wide = np.zeros((3, 7, 4, 5), "float32").transpose(1, 0, 2, 3), np.zeros((7, 3, 4, 5))
    for out in (np.zeros((7, 3, 4, 5), "float32"), turned, wide):
        assert own.plan.forward(x, out) is out
        np.testing.assert_allclose(out, expected, atol=1e-5)
    x.flags.writeable = False
    np.testing.assert_allclose(own.plan.forward(x), expected, atol=1e-5)
    assert [lent for host, lent in taken if host is x] == [True, True, True, False]


def test_arrays_are_let_go_after_a_call_even_one_that_fails(model, monkeypatch):
    own, _ = model
    x = np.zeros((7, 2, 5, 6), "float32").view(Own)
    held = weakref.ref(x)
    own.forward(x)
    with monkeypatch.context() as patched:
        patched.setattr(own.plan, "_parts", lambda *_, **__: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            own.forward(x)
    del x
    gc.collect()
    assert held() is None
    assert own.profile()["works"]  # which has no array of a call's
