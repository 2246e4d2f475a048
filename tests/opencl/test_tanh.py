"""The hyperbolic tangent that kernels compute themselves, in single precision."""

from __future__ import annotations

import numpy as np
import pytest

from gcnn.layers import Activation, Dense
from gcnn.network import Network

POINTS = 512


def tanh(device, z, activation="tanh"):
    """The activation of many numbers."""
    model = Network([Activation(activation)], (POINTS,), "mse").bind("opencl", device.index, "float32", batch=64)
    rows = np.zeros((-(-len(z) // POINTS), POINTS), "float32")
    rows.reshape(-1)[: len(z)] = z
    return np.concatenate([model.forward(rows[n : n + 64]) for n in range(0, len(rows), 64)]).reshape(-1)[: len(z)]


def test_it_errs_by_no_more_than_opencl_allows(device):
    magnitudes = np.geomspace(1e-30, 12, 40_000).astype("float32")
    z = np.concatenate([magnitudes, -magnitudes, np.linspace(-10, 10, 40_000, dtype="float32")])
    exact = np.tanh(z.astype("float64"))
    units = np.abs(tanh(device, z) - exact) / np.abs(exact) * 2**24
    assert units.max() < 5.2, f"{units.max():.2f} units at {z[units.argmax()]!r}"


def test_it_is_odd_ends_at_one_and_keeps_zeros(device):
    z = np.array([0.0, -0.0, 1e-38, 0.3, 5, 9, 9.5, 30, 3e38], "float32")
    y, mirrored = tanh(device, z), tanh(device, -z)
    np.testing.assert_array_equal(y, -mirrored)
    assert np.signbit(y[1])
    assert not np.signbit(y[0])
    assert y[-3:].tolist() == [1, 1, 1]
    assert np.abs(y).max() <= 1


def test_it_keeps_what_is_no_number(device):
    """Where a sum overflows, the loss must say so."""
    model = Network([Dense(2), Dense(1, activation="tanh")], 2, "mse").bind("opencl", device.index, "float32", batch=1)
    model.theta = np.array([3e38, 3e38, 3e38, 3e38, 0, 0, 1, -1, 0], "float32")
    assert np.isnan(model.forward(np.array([[3e38, 3e38]], "float32"))).all()


@pytest.mark.parametrize("activation", ["tanh", "scaled_tanh"])
def test_double_precision_is_the_compilers_own(device, activation):
    if "float64" not in device.dtypes:
        pytest.skip("not run: the device has no double precision")
    model = Network([Activation(activation)], (9,), "mse").bind("opencl", device.index, "float64", batch=1)
    oracle = Network([Activation(activation)], (9,), "mse").bind("numpy", dtype="float64", batch=1)
    z = np.linspace(-11, 11, 9)[None]
    np.testing.assert_allclose(model.forward(z), oracle.forward(z), rtol=1e-14)
