"""delmas: convolutional networks, Eqs. 34-47."""

from __future__ import annotations

import numpy as np
import pytest

from gcnn.layers import Convolution
from tests.oracle.corrections.formulas import ROUNDING, WRONG, correlate


@pytest.mark.equations("D36", "D37")
def test_the_constrained_dense_layer_has_a_bias_an_output_and_not_an_input(bind, relative_error, rng):
    x, f, b, s = rng.standard_normal((2, 5, 6)), rng.standard_normal((3, 2, 2, 3)), rng.standard_normal(3), (1, 3)
    o = (3, 4, 2)
    w = np.zeros((*o, *x.shape))
    for i, j, k in np.ndindex(o):
        for a, u, v in np.ndindex(f.shape[1:]):
            w[i, j, k, a, j * s[0] + u, k * s[1] + v] = f[i, a, u, v]
    with pytest.raises(ValueError, match="broadcast"):
        np.tensordot(w, x, 3) + np.resize(b, x.shape)  # one bias an input
    made = np.tensordot(w, x, 3) + np.broadcast_to(b[:, None, None], o)
    model = bind([Convolution(3, (2, 3), stride=s)], x.shape, [*f.ravel(), *b])
    assert relative_error(model.forward(x[None])[0], made) <= ROUNDING


@pytest.mark.equations("D41", "D42")
def test_the_row_index_of_a_flat_output_divides_before_the_modulus():
    o_d, o_v, o_h = 3, 4, 5
    for i, j, k in np.ndindex(o_d, o_v, o_h):
        flat = o_v * o_h * i + o_h * j + k
        assert flat == np.ravel_multi_index((i, j, k), (o_d, o_v, o_h))
        assert ((flat - k) // o_h) % o_v == j
        assert (flat - k - o_h * j) // (o_h * o_v) == i
    flat = o_v * o_h * 1 + o_h * 2
    assert flat // (o_h % o_v) != 2  # o_h mod o_v taken first


@pytest.mark.equations("D45", "D39")
def test_the_convolution_recurrence_takes_the_stride_of_the_layer_above(bind, complex_step, relative_error, rng):
    strides, x = (1, 2), rng.standard_normal((6, 7))
    f = rng.standard_normal((2, 2, 2))
    z = correlate(x, f[0], strides[0])
    xi = np.ones(correlate(z, f[1], strides[1]).shape)
    reference = complex_step(lambda z: correlate(np.tanh(z), f[1], strides[1]).sum(), z)

    def recurrence(s):
        back = np.zeros(z.shape)
        for j, k in np.ndindex(z.shape):
            for b, c in np.ndindex(xi.shape):
                u, v = j - b * s, k - c * s
                if 0 <= u < 2 and 0 <= v < 2:
                    back[j, k] += f[1][u, v] * xi[b, c]
        return (1 - np.tanh(z) ** 2) * back

    assert relative_error(recurrence(strides[0]), reference) > WRONG
    assert relative_error(recurrence(strides[1]), reference) <= ROUNDING
    stack = [Convolution(1, 2, activation="tanh"), Convolution(1, 2, stride=2)]
    model = bind(stack, (1, *x.shape), [*f[0].ravel(), 0, *f[1].ravel(), 0])
    bias = model.vjp(x[None, None], xi[None, None])[0][4]
    assert bias == pytest.approx(reference.sum(), rel=ROUNDING)
