from __future__ import annotations

import numpy as np
import pytest

from gcnn.backends.accelerated.vectors import DeviceVectors
from gcnn.errors import DataError

LENGTHS = (0, 1, 2, 15, 16, 17, 127, 4099, 100_003)
"""Below, at and beyond a vector of lanes; primes; more than one group and one pass of the grid."""


@pytest.fixture(params=["float32", "float64"])
def dtype(request):
    return request.param


@pytest.fixture(params=[None, 64], ids=["default", "groups-of-64"])
def vectors(runtime, dtype, request):
    """As planned for the device, and with groups as on GPUs."""
    return DeviceVectors(runtime, dtype, block=request.param)


def _pair(n, dtype):
    rng = np.random.default_rng(n)
    return rng.normal(size=n).astype(dtype), rng.normal(size=n).astype(dtype)


def test_elementwise_operations_equal_numpys(vectors, dtype):
    for n in LENGTHS:
        x, y = _pair(n, dtype)
        dx, dy = vectors.upload(x), vectors.upload(y)
        vectors.axpy(0.3, dx, dy)
        # One rounding on the device, two in NumPy: half a unit in the last place of the product.
        expected = np.dtype(dtype).type(0.3) * x + y
        np.testing.assert_allclose(
            vectors.download(dy), expected, rtol=0, atol=4 * np.finfo(dtype).eps * np.abs(x).max(initial=0)
        )
        vectors.scale(-1.7, dx)
        np.testing.assert_array_equal(vectors.download(dx), np.dtype(dtype).type(-1.7) * x)
        vectors.copy(dx, dy)
        np.testing.assert_array_equal(vectors.download(dy), vectors.download(dx))
        vectors.copy(dy, dy)
        np.testing.assert_array_equal(vectors.download(dy), vectors.download(dx))
        np.testing.assert_array_equal(vectors.download(vectors.zeros(n)), np.zeros(n, dtype))


def test_reductions_equal_numpys_in_double_precision(vectors, dtype):
    for n in LENGTHS:
        x, y = _pair(n, dtype)
        dx, dy = vectors.upload(x), vectors.upload(y)
        wide_x, wide_y = x.astype("float64"), y.astype("float64")
        # Any order of n additions stays within n u of the sum of sizes; pairwise and blocked ones far below.
        bound = 64 * np.finfo("float64").eps * float(np.abs(wide_x * wide_y).sum())
        assert vectors.dot(dx, dy) == pytest.approx(float(wide_x @ wide_y), rel=0, abs=bound)
        assert vectors.norm(dx) == pytest.approx(float(np.linalg.norm(wide_x)), rel=1e-14)
        assert vectors.amax(dx) == float(np.abs(x).max(initial=0))


def test_reductions_of_whole_numbers_are_exact(vectors):
    for n in LENGTHS:
        x = (np.arange(n) % 7 - 3).astype(vectors.dtype)
        assert vectors.dot(vectors.upload(x), vectors.upload(x)) == float(x.astype("float64") @ x)


def test_equal_calls_give_equal_bits(vectors, dtype):
    x, y = (vectors.upload(part) for part in _pair(100_003, dtype))
    assert len({vectors.dot(x, y).hex() for _ in range(20)}) == 1


def test_a_view_changes_its_part_only_at_any_alignment(vectors, dtype):
    host = np.arange(100, dtype=dtype)
    for start, stop in ((0, 100), (1, 38), (3, 3), (33, 100), (99, 100)):
        x = vectors.upload(host)
        view = vectors.view(x, slice(start, stop))
        np.testing.assert_array_equal(vectors.download(view), host[start:stop])
        assert vectors.dot(view, view) == float(host[start:stop] @ host[start:stop])
        vectors.scale(-1.0, view)
        vectors.axpy(2.0, view, view)
        expected = host.copy()
        expected[start:stop] *= -3
        np.testing.assert_array_equal(vectors.download(x), expected)


def test_views_are_sliced_as_arrays_are_and_views_of_views_too(vectors, dtype):
    host = np.arange(100, dtype=dtype)
    x = vectors.upload(host)
    for part in (slice(None), slice(90, None), slice(-7, -2), slice(50, 200), slice(70, 60)):
        np.testing.assert_array_equal(vectors.download(vectors.view(x, part)), host[part])
        inner = vectors.view(vectors.view(x, slice(20, 80)), part)
        np.testing.assert_array_equal(vectors.download(inner), host[20:80][part])


def test_a_nan_anywhere_makes_amax_nan_and_an_infinity_infinite(vectors, dtype):
    for position in (0, 15, 16, 500, 1000):
        x = np.linspace(-2, 1, 1001).astype(dtype)
        x[position] = -np.inf
        assert vectors.amax(vectors.upload(x)) == np.inf
        x[(position + 300) % 1001] = np.nan
        assert np.isnan(vectors.amax(vectors.upload(x)))


def test_values_keep_their_shape(vectors, dtype):
    host = np.arange(24, dtype=dtype).reshape(2, 3, 4)
    np.testing.assert_array_equal(vectors.download(vectors.upload(host.transpose(2, 0, 1))), host.transpose(2, 0, 1))


def test_vectors_of_differing_lengths_and_views_with_steps_are_refused(vectors):
    x, y = vectors.zeros(3), vectors.zeros(4)
    for operation in (vectors.dot, vectors.copy, lambda a, b: vectors.axpy(1.0, a, b)):
        with pytest.raises(DataError, match="3 and 4 elements"):
            operation(x, y)
    with pytest.raises(DataError, match="contiguous"):
        vectors.view(x, slice(None, None, 2))
