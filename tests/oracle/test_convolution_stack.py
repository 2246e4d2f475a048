"""Convolutions before dense layers (delmas, Eqs. 34-47): as constrained dense layers, and the recursion for Ξ."""

from __future__ import annotations

import numpy as np
import pytest

from gcnn.errors import NetworkError
from gcnn.layers import Convolution, Dense

CASES = [
    ((2, 6, 7), 3, (2, 3), (2, 2)),
    ((1, 5, 5), 2, (3, 3), (1, 2)),
    ((3, 4, 6), 2, (1, 2), (3, 2)),
    ((2, 5, 4), 2, (2, 2), (1, 1)),
]
every_case = pytest.mark.parametrize(("size", "depth", "taps", "stride"), CASES)


def dense_weights(f, size, output, stride):
    """Eq. 37 with footnote 6: w_{ijk,abc} = f_{ia,b-j s_v,c-k s_h}, zero outside; and which f each w is."""
    (o_d, _, f_v, f_h), (s_v, s_h) = f.shape, stride
    w = np.zeros((o_d, *output, *size))
    place = np.full(w.shape, -1)
    for i, j, k, a, b, c in np.ndindex(w.shape):
        v, h = b - j * s_v, c - k * s_h
        if 0 <= v < f_v and 0 <= h < f_h:
            w[i, j, k, a, b, c] = f[i, a, v, h]
            place[i, j, k, a, b, c] = np.ravel_multi_index((i, a, v, h), f.shape)
    points = o_d * output[0] * output[1]
    return w.reshape(points, -1), place.reshape(points, -1)


@pytest.mark.row("N14")
@pytest.mark.equations("D34", "D35", "D36", "D37", "D38", "D41", "D42")
@every_case
def test_a_convolution_is_a_dense_layer_with_tied_weights_one_bias_a_channel_and_zeros(size, depth, taps, stride, bind):
    rng = np.random.default_rng(0)
    f, biases = rng.standard_normal((depth, size[0], *taps)), rng.standard_normal(depth)
    convolution = bind([Convolution(depth, taps, stride=stride)], size, [*f.ravel(), *biases])
    x = rng.standard_normal((2, *size))
    y = convolution.forward(x)
    output = tuple((n - t) // s + 1 for n, t, s in zip(size[1:], taps, stride, strict=True))
    assert y.shape == (2, depth, *output)
    w, place = dense_weights(f, size, output, stride)
    per_channel = output[0] * output[1]
    dense = bind([Dense(len(w))], size, [*w.ravel(), *np.repeat(biases, per_channel)])
    np.testing.assert_allclose(dense.forward(x), y.reshape(2, -1), rtol=0, atol=1e-13)
    v = rng.standard_normal(y.shape)
    (gradient, dx), (tied, dense_dx) = convolution.vjp(x, v), dense.vjp(x, v.reshape(2, -1))
    np.testing.assert_allclose(dense_dx, dx, rtol=0, atol=1e-13)
    present = place.ravel() >= 0
    kernels = np.bincount(place.ravel()[present], tied[: w.size][present], f.size)
    channels = tied[w.size :].reshape(depth, per_channel).sum(axis=1)
    np.testing.assert_allclose(gradient, [*kernels, *channels], rtol=0, atol=1e-13)


@pytest.mark.row("N14", "N12")
@pytest.mark.equations("D38", "D39", "D40", "D43", "D44", "D45", "D46", "D47")
def test_gradients_of_two_convolutions_and_a_dense_layer_follow_the_published_recursion(bind, relative_error):
    """Strides (2, 2) below (1, 2): Eq. 45 must take stride and filter of the layer above."""
    rng = np.random.default_rng(1)
    x, size = rng.standard_normal((2, 7, 11)), (2, 7, 11)
    f0, b0 = rng.standard_normal((3, 2, 3, 3)), rng.standard_normal(3)
    f1, b1 = rng.standard_normal((2, 3, 2, 3)), rng.standard_normal(2)
    w, bias = rng.standard_normal((2, 8)), rng.standard_normal(2)
    parameters = [f0, b0, f1, b1, w, bias]

    def layer(p, f, b, s):
        shape = (len(f), *((n - t) // k + 1 for n, t, k in zip(p.shape[1:], f.shape[2:], s, strict=True)))
        z = np.zeros(shape)
        for i, j, k in np.ndindex(shape):
            z[i, j, k] = b[i] + sum(
                f[i][a, v, h] * p[a, v + j * s[0], h + k * s[1]] for a, v, h in np.ndindex(f.shape[1:])
            )
        return np.tanh(z)

    def filter_gradient(xi, p, f, s):
        rows = [
            sum(xi[i, j, k] * p[a, b + j * s[0], c + k * s[1]] for j, k in np.ndindex(xi.shape[1:]))
            for i, a, b, c in np.ndindex(f.shape)
        ]
        return [*rows, *xi.sum(axis=(1, 2))]

    p0 = layer(x, f0, b0, (2, 2))
    p1 = layer(p0, f1, b1, (1, 2))
    assert p1.shape == (2, 2, 2)
    target = rng.standard_normal(2)
    by_bias = w @ p1.ravel() + bias - target
    xi1 = np.zeros(p1.shape)
    for i, j, k in np.ndindex(xi1.shape):
        number = 2 * 2 * i + 2 * j + k
        xi1[i, j, k] = (1 - p1[i, j, k] ** 2) * sum(by_bias[n] * w[n, number] for n in range(2))
    xi0 = np.zeros(p0.shape)
    for i, j, k in np.ndindex(xi0.shape):
        for a, b, c in np.ndindex(xi1.shape):
            v, h = j - b * 1, k - c * 2
            if 0 <= v < 2 and 0 <= h < 3:
                xi0[i, j, k] += (1 - p0[i, j, k] ** 2) * f1[a, i, v, h] * xi1[a, b, c]
    expected = [*filter_gradient(xi0, x, f0, (2, 2)), *filter_gradient(xi1, p0, f1, (1, 2))]
    expected += [*np.outer(by_bias, p1.ravel()).ravel(), *by_bias]

    layers = [
        Convolution(3, 3, stride=(2, 2), activation="tanh", remainder="error"),
        Convolution(2, (2, 3), stride=(1, 2), activation="tanh", remainder="error"),
        Dense(2),
    ]
    model = bind(layers, size, np.concatenate([p.ravel() for p in parameters]), reduction="sum")
    _, gradient = model.loss_and_gradient(x[None], target[None])
    assert relative_error(gradient, np.array(expected)) < 1e-14


@pytest.mark.row("N14", "N1")
@pytest.mark.equations("D40", "D45", "D46", "D47")
@pytest.mark.parametrize("loss", ["mse", "cross_entropy"])
def test_gradients_of_a_strided_stack_equal_the_complex_step(loss, check_gradients):
    layers = [
        Convolution(2, 3, stride=(2, 2), activation="tanh"),
        Convolution(2, (2, 3), stride=(1, 2), activation="logistic"),
        Dense(3, activation="tanh"),
        Dense(2, activation="softmax"),
    ]
    check_gradients(layers, (1, 7, 11), loss=loss)


@pytest.mark.row("N14", "N12")
@pytest.mark.equations("D38")
@pytest.mark.parametrize(("size", "fits"), [(7, True), (8, False)])
def test_a_filter_that_does_not_fit_is_refused_on_request_and_dropped_otherwise(size, fits, bind):
    floored = bind([Convolution(1, 3, stride=2)], (1, size, 7))
    assert floored.network.outputs.shape == (1, 3, 3)
    strict = [Convolution(1, 3, stride=2, remainder="error")]
    if fits:
        assert bind(strict, (1, size, 7)).network.outputs == floored.network.outputs
    else:
        with pytest.raises(NetworkError, match="leaves 1 over"):
            bind(strict, (1, size, 7))
