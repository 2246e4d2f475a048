"""Hedberg, section 3.3: convolution layers."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from gcnn import Network, layers
from gcnn.layers import Convolution
from tests.oracle.corrections.formulas import ROUNDING, WRONG, correlate


def scattered(delta, w, k, size):
    """∂r/∂Y by Eqs. 69 and 75 as sums over the output: δ(x) ω(u) lands on cell k x + u."""
    dy = np.zeros(size)
    for x in np.ndindex(delta.shape):
        for u in np.ndindex(w.shape):
            dy[k * x[0] + u[0], k * x[1] + u[1]] += delta[x] * w[u]
    return dy


@pytest.mark.equations("H61", "H62", "HT5")
def test_a_kernel_as_wide_as_m_is_read_one_tap_beyond_its_end(bind, rng):
    y, w = rng.standard_normal((5, 6)), rng.standard_normal((2, 3))

    def printed(m_u, m_v):
        taps = list(product(range(m_u + 1), range(m_v + 1)))
        rows, columns = y.shape[0] - m_u, y.shape[1] - m_v
        return [[sum(y[a + u, b + v] * w[u, v] for u, v in taps) for b in range(columns)] for a in range(rows)]

    with pytest.raises(IndexError):
        printed(*w.shape)
    expected = printed(w.shape[0] - 1, w.shape[1] - 1)
    np.testing.assert_allclose(correlate(y, w), expected, rtol=ROUNDING, atol=ROUNDING)
    model = bind([Convolution(1, w.shape)], (1, *y.shape), [*w.ravel(), 0])
    np.testing.assert_allclose(model.forward(y[None, None])[0, 0], expected, rtol=ROUNDING, atol=ROUNDING)


@pytest.mark.equations("H60", "H62")
@pytest.mark.parametrize("k", [1, 2, 3])
def test_an_output_map_as_large_as_its_input_would_read_outside(k):
    sizes, taps = [(7, 8), (9, 6), (5, 5)], [(2, 3), (4, 1), (2, 2)]

    def complete(x):
        return all(
            k * at + f <= n
            for size, f_j in zip(sizes, taps, strict=True)
            for at, n, f in zip(x, size, f_j, strict=True)
        )

    assert not complete((sizes[0][0] - 1, sizes[0][1] - 1))
    inside = [x for x in np.ndindex(9, 8) if complete(x)]
    room = [min((s[axis] - f[axis]) // k + 1 for s, f in zip(sizes, taps, strict=True)) for axis in (0, 1)]
    assert inside == list(np.ndindex(*room))
    made = Network([Convolution(1, taps, stride=k)], [*sizes], "mse").outputs
    assert made.box == tuple(room)


@pytest.mark.equations("H60")
def test_one_kernel_a_map_is_not_what_lenet_5_has():
    table = np.array(layers.LENET5_C3)
    one_a_map = table.shape[0] * 25 + table.shape[0]
    one_a_connection = table.sum() * 25 + table.shape[0]
    assert one_a_map == 416
    assert one_a_connection == 1516  # the published count of layer C3
    assert Network([Convolution(16, 5, table=table)], (6, 14, 14), "mse").parameter_count == 1516
    assert Network([Convolution(16, 5, table=table, shared=True)], (6, 14, 14), "mse").parameter_count == 416


@pytest.mark.equations("H70", "H71", "H72", "H73", "H74")
def test_the_rotated_kernel_has_to_be_applied_one_kernel_further_back(bind, relative_error, rng):
    y, w = rng.standard_normal((6, 7)), rng.standard_normal((2, 3))
    delta = rng.standard_normal((5, 5))
    m = np.array(w.shape) - 1

    def padded(x):
        return delta[x] if all(0 <= at < n for at, n in zip(x, delta.shape, strict=True)) else 0.0

    def rotated(a, b):
        return sum(padded((a + u, b + v)) * w[::-1, ::-1][u, v] for u, v in np.ndindex(w.shape))

    reference = scattered(delta, w, 1, y.shape)
    cells = list(np.ndindex(y.shape))
    printed = np.array([rotated(a, b) for a, b in cells]).reshape(y.shape)
    shifted = np.array([rotated(a - m[0], b - m[1]) for a, b in cells]).reshape(y.shape)
    assert relative_error(printed, reference) > WRONG
    assert relative_error(shifted, reference) <= ROUNDING
    model = bind([Convolution(1, w.shape)], (1, *y.shape), [*w.ravel(), 0])
    assert relative_error(model.vjp(y[None, None], delta[None, None])[1][0, 0], reference) <= ROUNDING


@pytest.mark.equations("HT5", "H60")
def test_the_feed_forward_row_of_table_5_forgets_the_bias(bind, relative_error, rng):
    y, w, b = rng.standard_normal((5, 6)), rng.standard_normal((2, 3)), 0.7
    model = bind([Convolution(1, w.shape, activation="tanh")], (1, *y.shape), [*w.ravel(), b])
    made = model.forward(y[None, None])[0, 0]
    assert relative_error(np.tanh(correlate(y, w)), made) > WRONG
    assert relative_error(np.tanh(correlate(y, w) + b), made) <= ROUNDING
    assert model.vjp(y[None, None], np.ones((1, 1, *made.shape)))[0][-1] == pytest.approx((1 - made**2).sum())


@pytest.mark.equations("HT5", "H71")
def test_padding_the_delta_by_the_kernel_size_gives_a_larger_and_shifted_image(relative_error, rng):
    w, delta = rng.standard_normal((3, 3)), rng.standard_normal((5, 7))
    reference = scattered(delta, w, 1, (7, 9))
    printed = correlate(np.pad(delta, [(n, n) for n in w.shape]), w[::-1, ::-1])
    assert printed.shape == (9, 11)
    assert relative_error(printed[:7, :9], reference) > WRONG
    corrected = correlate(np.pad(delta, [(n - 1, n - 1) for n in w.shape]), w[::-1, ::-1])
    assert relative_error(corrected, reference) <= ROUNDING


@pytest.mark.equations("H75", "HR5")
@pytest.mark.parametrize(("k", "size"), [(2, (7, 9)), (3, (8, 8)), (4, (9, 10))])
def test_a_strided_delta_needs_the_test_of_divisibility(bind, relative_error, rng, k, size):
    w, y = rng.standard_normal((3, 2)), rng.standard_normal(size)
    made = correlate(y, w, k).shape
    delta = rng.standard_normal(made)
    reference = scattered(delta, w, k, size)

    def gathered(divisible):
        dy = np.zeros(size)
        for x in np.ndindex(size):
            for u in np.ndindex(w.shape):
                (a, rest_a), (b, rest_b) = divmod(x[0] - u[0], k), divmod(x[1] - u[1], k)
                if 0 <= a < made[0] and 0 <= b < made[1] and not (divisible and (rest_a or rest_b)):
                    dy[x] += delta[a, b] * w[u]
        return dy

    def phases():
        """x = k a + p: only taps k m + p meet cell x, and they meet δ(a - m)."""
        dy = np.zeros(size)
        for x in np.ndindex(size):
            (a, p), (b, q) = divmod(x[0], k), divmod(x[1], k)
            for m, n in product(range(-(-(w.shape[0] - p) // k)), range(-(-(w.shape[1] - q) // k))):
                if 0 <= a - m < made[0] and 0 <= b - n < made[1]:
                    dy[x] += delta[a - m, b - n] * w[k * m + p, k * n + q]
        return dy

    spread = np.zeros((size[0] - w.shape[0] + 1, size[1] - w.shape[1] + 1))
    spread[::k, ::k] = delta  # zeros between, then Eq. 74 as for stride 1
    by_insertion = correlate(np.pad(spread, [(n - 1, n - 1) for n in w.shape]), w[::-1, ::-1])
    assert relative_error(gathered(divisible=False), reference) > WRONG
    for corrected in (gathered(divisible=True), phases(), by_insertion):
        assert relative_error(corrected, reference) <= ROUNDING
    model = bind([Convolution(1, w.shape, stride=k)], (1, *size), [*w.ravel(), 0])
    assert relative_error(model.vjp(y[None, None], delta[None, None])[1][0, 0], reference) <= ROUNDING


@pytest.mark.equations("H75", "H79")
def test_the_kernel_gradient_as_printed_is_wrong_with_a_stride(bind, complex_step, relative_error, rng):
    w, y, k = rng.standard_normal((2, 3)), rng.standard_normal((7, 8)), 2
    delta = rng.standard_normal(correlate(y, w, k).shape)
    reference = complex_step(lambda moved: (delta * correlate(y, moved, k)).sum(), w)

    def gradient(step):
        return np.array(
            [
                sum(delta[x] * y[step * x[0] + u, step * x[1] + v] for x in np.ndindex(delta.shape))
                for u, v in np.ndindex(w.shape)
            ]
        )

    assert relative_error(gradient(1), reference.ravel()) > WRONG
    assert relative_error(gradient(k), reference.ravel()) <= ROUNDING
    model = bind([Convolution(1, w.shape, stride=k)], (1, *y.shape), [*w.ravel(), 0])
    assert relative_error(model.vjp(y[None, None], delta[None, None])[0][:-1], reference.ravel()) <= ROUNDING


@pytest.mark.equations("H80", "HT5")
def test_a_shared_kernel_gradient_sums_over_the_inputs_and_not_over_the_maps_above(
    bind, complex_step, relative_error, rng
):
    # Three maps feed two, which feed three: D_i lists maps below, C_i maps above of the same map i.
    table, above = np.array([[1, 1, 0], [0, 1, 1]], dtype=bool), [(0, 2), (0, 1)]
    y, w = rng.standard_normal((3, 5, 6)), rng.standard_normal((2, 2, 3))
    delta = rng.standard_normal((2, 4, 4))

    def forward(w):
        return np.array([sum(correlate(y[j], w[i]) for j in np.flatnonzero(table[i])) for i in range(2)])

    def gradient(maps):
        return np.array([sum(correlate(y[j], delta[i]) for j in maps[i]) for i in range(2)])

    reference = complex_step(lambda moved: (delta * forward(moved)).sum(), w)
    assert relative_error(gradient(above), reference) > WRONG
    assert relative_error(gradient([np.flatnonzero(row) for row in table]), reference) <= ROUNDING
    model = bind([Convolution(2, (2, 3), table=table, shared=True)], (3, 5, 6), [*w.ravel(), 0, 0])
    assert relative_error(model.vjp(y[None], delta[None])[0][:-2], reference.ravel()) <= ROUNDING
