"""Weighted sub-sampling (Hedberg 2015, Eqs. 86-97, Table 6)."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from gcnn import Maps, Network
from gcnn.layers import WeightedSubsampling

POOLED_Y = np.array([[1.0, 5, 2, 0], [3, 4, 2, 2], [7, 7, -1, -2], [0, 7, -3, -1], [9, 8, 6, 5]])
"""Five rows, so that a window of 2 leaves the last one over."""

TABLE = [[1, 0, 1], [0, 1, 1]]
BLOCKS = [[(a + u, b + v) for a, b in ((0, 0), (2, 2)) for u in (0, 1) for v in (0, 1)], (5, 4)]
CASES = {
    "seven by nine": (WeightedSubsampling((3, 2)), (2, 7, 9)),
    "cross": (WeightedSubsampling((3, 2), weights="cross"), (2, 7, 9)),
    "cross, table": (WeightedSubsampling((3, 2), table=TABLE, weights="cross"), (3, 7, 9)),
    "single, table": (WeightedSubsampling((3, 2), table=TABLE), (3, 7, 9)),
    "single, map without inputs": (WeightedSubsampling(2, table=[[1, 1], [0, 0]]), (2, 4, 5)),
    "cross, map without inputs": (WeightedSubsampling(2, table=[[1, 1], [0, 0]], weights="cross"), (2, 4, 5)),
    "one axis": (WeightedSubsampling(2), (2, 7)),
    "three axes": (WeightedSubsampling((1, 2, 2), table=[[1, 1]], weights="cross"), (2, 2, 5, 4)),
    "mixed images": (WeightedSubsampling(2), Maps([(7, 8), (9, 6), (5, 5)])),
    "mixed images, table": (WeightedSubsampling(2, table=TABLE, weights="cross"), Maps([(7, 8), (9, 6), (5, 5)])),
    "coordinates": (WeightedSubsampling(2), Maps(BLOCKS)),
    "coordinates, table": (WeightedSubsampling(2, table=[[1, 1]], weights="cross"), Maps(BLOCKS)),
}
every_case = pytest.mark.parametrize(("layer", "inputs"), [(la, Maps(i)) for la, i in CASES.values()], ids=CASES)


@pytest.mark.row("N16")
@pytest.mark.equations("H87", "H93", "H96", "H97", "HT6")
def test_the_worked_example_sums_complete_windows_and_drops_the_remainder(bind):
    model = bind([WeightedSubsampling(2)], (1, 5, 4), [0.5, -1])
    np.testing.assert_array_equal(model.forward(POOLED_Y[None, None])[0, 0], [[5.5, 2], [9.5, -4.5]])
    delta = np.array([[1.0, 2], [3, 4]])
    gradient, dx = model.vjp(POOLED_Y[None, None], delta[None, None])
    np.testing.assert_array_equal(gradient, [60, 10])
    np.testing.assert_array_equal(dx[0, 0], np.vstack([0.5 * np.kron(delta, np.ones((2, 2))), np.zeros(4)]))


@pytest.mark.row("N15", "N16", "N2", "N3", "N4", "N5")
@pytest.mark.equations("H86", "H87", "H88", "H89", "H90", "H91", "H92", "H93", "H94", "H95", "H96", "H97", "HT6")
@every_case
def test_forward_and_backward_are_the_published_window_sums(layer, inputs, bind, keys):
    model = bind([layer], inputs)
    rng = np.random.default_rng(0)
    theta = rng.standard_normal(model.theta.shape)
    model.theta = theta
    points_in, points_out = keys(inputs), keys(model.network.outputs)
    x, v = (rng.standard_normal((1, *maps.shape)) for maps in (inputs, model.network.outputs))
    y, delta = dict(zip(points_in, x.ravel(), strict=True)), dict(zip(points_out, v.ravel(), strict=True))
    table = np.eye(inputs.count, dtype=int) if layer.table is None else np.array(layer.table, dtype=int)
    maps = len(table)
    K = np.array((layer.window,) * inputs.dimensions if isinstance(layer.window, int) else layer.window)
    D = [np.flatnonzero(row).tolist() for row in table]
    cross = layer.weights == "cross"
    owners = [(i, j) for i in range(maps) for j in D[i]] if cross else [i for i in range(maps) if D[i]]
    numbers = dict(zip(owners, theta, strict=False))
    alpha = {(i, j): numbers[(i, j) if cross else i] for i in range(maps) for j in D[i]}
    biases = theta[len(owners) :]

    def window(j, corner):
        return sum(y.get((j, tuple(K * corner + u)), 0) for u in product(*map(range, K)))

    z = {(i, c): biases[i] + sum(alpha[i, j] * window(j, c) for j in D[i]) for i, c in points_out}
    np.testing.assert_allclose(model.forward(x).ravel(), list(z.values()), rtol=0, atol=1e-14)

    back = {
        (j, c): sum(alpha[i, j] * delta.get((i, tuple(np.array(c) // K)), 0) for i in range(maps) if j in D[i])
        for j, c in points_in
    }
    gradient, dx = model.vjp(x, v)
    np.testing.assert_allclose(dx.ravel(), list(back.values()), rtol=0, atol=1e-14)

    per_connection = {(i, j): sum(d * window(j, c) for (m, c), d in delta.items() if m == i) for i, j in alpha}
    weights = [per_connection[owner] if cross else sum(per_connection[owner, j] for j in D[owner]) for owner in owners]
    sums = [sum(d for (m, _), d in delta.items() if m == i) for i in range(maps)]
    np.testing.assert_allclose(gradient, [*weights, *sums], rtol=0, atol=2e-14)


@pytest.mark.row("N1", "N15", "N16", "N2", "N3", "N4")
@pytest.mark.equations("H92", "H93", "H95", "H96", "H97")
@pytest.mark.parametrize("activation", ["identity", "tanh"])
@every_case
def test_gradients_of_weighted_sub_sampling_equal_the_complex_step(layer, inputs, activation, check_gradients):
    active = WeightedSubsampling(layer.window, layer.table, layer.weights, activation)
    check_gradients([active], inputs)


@pytest.mark.row("N16")
@pytest.mark.equations("H87")
def test_layer_s2_of_lenet_5_has_twelve_parameters():
    assert Network([WeightedSubsampling(2)], (6, 28, 28), "mse").parameter_count == 12


@pytest.mark.row("N16")
@pytest.mark.equations("H87", "H93", "H96")
def test_a_single_weight_is_equal_cross_weights_and_its_gradient_sums_over_the_inputs_of_the_map(bind):
    rng = np.random.default_rng(1)
    x, v = rng.standard_normal((2, 3, 5, 4)), rng.standard_normal((2, 2, 2, 2))
    single = bind([WeightedSubsampling(2, table=TABLE)], (3, 5, 4), [0.3, -0.7, 1, 2])
    cross = bind([WeightedSubsampling(2, table=TABLE, weights="cross")], (3, 5, 4), [0.3, 0.3, -0.7, -0.7, 1, 2])
    np.testing.assert_allclose(single.forward(x), cross.forward(x), rtol=0, atol=2e-14)
    (gradient, dx), (cross_gradient, cross_dx) = single.vjp(x, v), cross.vjp(x, v)
    np.testing.assert_allclose(dx, cross_dx, rtol=0, atol=2e-14)
    a, b, c, d, *biases = cross_gradient
    np.testing.assert_allclose(gradient, [a + b, c + d, *biases], rtol=0, atol=2e-14)


@pytest.mark.row("N15", "N16")
@pytest.mark.equations("H92", "H93")
@pytest.mark.parametrize(("size", "window"), [((7, 9), (3, 2)), ((5, 5), (2, 2)), ((6, 4), (3, 2))])
def test_cells_beyond_the_last_complete_window_get_no_gradient(size, window, bind):
    model = bind([WeightedSubsampling(window)], (1, *size), [2, 0])
    outputs = tuple(n // k for n, k in zip(size, window, strict=True))
    _, dx = model.vjp(np.ones((1, 1, *size)), np.ones((1, 1, *outputs)))
    inside = tuple(slice(n * k) for n, k in zip(outputs, window, strict=True))
    expected = np.zeros(size)
    expected[inside] = 2
    np.testing.assert_array_equal(dx[0, 0], expected)
