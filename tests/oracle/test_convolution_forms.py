"""Convolution against second formulations written straight from the papers, over every kind of shape.

The forms are loops over index sets with "zero outside": Eqs. 60-62 forward; scatter (66-69, 75), gather (70-71), pad
and rotate (72-74), phases and zero insertion (Remark 5) backward; Eqs. 79-81 for kernels and biases. One sample each.
"""

from __future__ import annotations

from collections import Counter
from itertools import product

import numpy as np
import pytest

from gcnn import Maps
from gcnn.layers import Convolution

SCATTERED = [[(0, 0), (0, 1), (1, 0), (1, 1), (2, 2), (2, 3), (3, 2), (3, 3), (4, 0)], (4, 3)]
CHOSEN = Maps([[(0, 0), (3, 1), (1, 4)], (2, 2)])

CASES = {
    "one map": (Convolution(1, 2), (1, 4, 5)),
    "full table": (Convolution(3, (2, 3)), (2, 5, 6)),
    "table": (Convolution(3, 2, table=[[1, 0, 1], [0, 1, 0], [1, 1, 1]]), (3, 4, 5)),
    "map without inputs": (Convolution(2, 2, table=[[0, 0], [1, 0]]), (2, 4, 4)),
    "shared": (Convolution(2, 2, shared=True), (3, 4, 5)),
    "shared with table and stride": (Convolution(2, 2, stride=2, shared=True, table=[[1, 0, 1], [0, 1, 1]]), (3, 5, 6)),
    "mixed kernels": (Convolution(2, [(2, 3), (3, 1), (1, 1), (3, 3)]), (2, 5, 6)),
    "mixed kernels, table, stride": (
        Convolution(2, [(2, 3), (3, 2)], stride=(1, 2), table=[[0, 1], [1, 0]]),
        (2, 5, 6),
    ),
    "mixed images": (Convolution(2, (3, 2)), Maps([(7, 8), (9, 6), (5, 5)])),
    "mixed images and kernels": (Convolution(2, [(2, 3), (3, 1), (1, 1), (3, 3)]), Maps([(6, 4), (5, 7)])),
    "stride per axis": (Convolution(2, (2, 3), stride=(1, 2)), (2, 4, 7)),
    "stride longer than kernel": (Convolution(2, 2, stride=3), (1, 9, 8)),
    "remainder dropped": (Convolution(1, 3, stride=2), (2, 6, 8)),
    "remainder forbidden": (Convolution(1, 3, stride=2, remainder="error"), (2, 5, 7)),
    "padding": (Convolution(2, 3, padding=1), (1, 4, 4)),
    "padding per axis and stride": (Convolution(2, (3, 2), padding=(2, 1), stride=(2, 3)), (2, 6, 7)),
    "padding on mixed images": (Convolution(2, 3, padding=1), Maps([(3, 4), (4, 2)])),
    "coordinates": (Convolution(2, 2), Maps(SCATTERED)),
    "coordinates with stride": (Convolution(1, (2, 1), stride=2), Maps(SCATTERED)),
    "chosen output of boxes": (Convolution(2, (2, 3), stride=(1, 2), output=CHOSEN), (2, 5, 6)),
    "chosen output of coordinates": (Convolution(2, 3, output=CHOSEN), Maps(SCATTERED)),
    "one axis": (Convolution(2, 3, stride=2), (2, 9)),
    "three axes": (Convolution(2, (2, 1, 2), stride=(1, 2, 1)), (2, 3, 4, 3)),
    "four axes": (Convolution(1, 2), (1, 3, 2, 2, 3)),
}
ALL_WINDOWS = [name for name, (layer, _) in CASES.items() if layer.output is None and name != "map without inputs"]
every_case = pytest.mark.parametrize(("layer", "inputs"), [(la, Maps(i)) for la, i in CASES.values()], ids=CASES)


def spread(value, dimensions):
    return (value,) * dimensions if isinstance(value, int) else value


def taps(size):
    return list(product(*map(range, size)))


class Paper:
    """One layer as the papers write it: D_i, kernel sizes, k, p, and θ as ω[i, j] and b."""

    def __init__(self, layer, inputs, theta):
        d = inputs.dimensions
        self.k, self.p = np.array(spread(layer.stride, d)), np.array(spread(layer.padding, d))
        self.D = [
            [j for j in range(inputs.count) if layer.table is None or layer.table[i][j]] for i in range(layer.maps)
        ]
        pairs = [(i, j) for i, sources in enumerate(self.D) for j in sources]
        listed = isinstance(layer.kernel, tuple) and isinstance(layer.kernel[0], tuple)
        self.size = dict(zip(pairs, layer.kernel if listed else [spread(layer.kernel, d)] * len(pairs), strict=True))
        rest, self.w = list(theta), {}
        for i, j in pairs:
            first = j == self.D[i][0]
            if layer.shared and not first:
                self.w[i, j] = self.w[i, self.D[i][0]]
                continue
            self.w[i, j] = {u: rest.pop(0) for u in taps(self.size[i, j])}
        self.b, self.shared = rest, layer.shared

    def read(self, x, u):
        """k x + u - p."""
        return tuple(int(n) for n in self.k * x + u - self.p)

    def forward(self, y, points):
        """Eqs. 60-62."""
        return {
            (i, x): self.b[i]
            + sum(y.get((j, self.read(x, u)), 0) * w for j in self.D[i] for u, w in self.w[i, j].items())
            for i, x in points
        }

    def scatter(self, delta):
        """Eqs. 66-69 and 75: δ_i(x) ω_ij(u) is added to cell k x + u - p."""
        cells = Counter()
        for (i, x), value in delta.items():
            for j in self.D[i]:
                for u, w in self.w[i, j].items():
                    cells[j, self.read(x, u)] += value * w
        return cells

    def gather(self, delta, points):
        """Eqs. 70-71 with stride: Σ_{i∈C_j} Σ_u δ_i((x + p - u) / k) ω_ij(u), only where k divides."""
        return {
            (j, x): sum(
                delta.get((i, tuple((x + self.p - u) // self.k)), 0) * w
                for i in range(len(self.D))
                if j in self.D[i]
                for u, w in self.w[i, j].items()
                if not ((x + self.p - u) % self.k).any()
            )
            for j, x in points
        }

    def phases(self, delta, points):
        """Remark 5: x + p = k a + q, then Σ_m δ_i(a - m) ω_ij(k m + q), no test of divisibility."""
        result = {}
        for j, x in points:
            a, q = np.divmod(np.array(x) + self.p, self.k)
            result[j, x] = sum(
                delta.get((i, tuple(a - m)), 0) * self.w[i, j][tuple(self.k * m + q)]
                for i in range(len(self.D))
                if j in self.D[i]
                for m in product(*(range(-(-(f - r) // k)) for f, r, k in zip(self.size[i, j], q, self.k, strict=True)))
            )
        return result

    def kernel_gradient(self, delta, y):
        """Eq. 79, or Eq. 80 summed over D_i; then Eq. 81."""
        rows = {
            pair: [
                sum(d * y.get((pair[1], self.read(x, u)), 0) for (i, x), d in delta.items() if i == pair[0]) for u in w
            ]
            for pair, w in self.w.items()
        }
        if self.shared:
            kernels = [np.sum([rows[i, j] for j in sources], axis=0) for i, sources in enumerate(self.D)]
        else:
            kernels = list(rows.values())
        biases = [sum(d for (i, _), d in delta.items() if i == m) for m in range(len(self.D))]
        return np.concatenate([*kernels, biases])


@pytest.fixture
def setting(bind, keys):
    """A model of one layer with random θ, x and δ, and the same as the papers write it."""

    def make(layer, inputs):
        rng = np.random.default_rng(7)
        model = bind([layer], inputs)
        model.theta = rng.standard_normal(model.theta.shape)
        points_in, points_out = keys(inputs), keys(model.network.outputs)
        x, v = (rng.standard_normal((1, *maps.shape)) for maps in (inputs, model.network.outputs))
        y, delta = dict(zip(points_in, x.ravel(), strict=True)), dict(zip(points_out, v.ravel(), strict=True))
        return model, Paper(layer, inputs, model.theta), x, v, y, delta

    return make


def assert_cells(value, cells):
    np.testing.assert_allclose(value.ravel(), list(cells.values()), rtol=0, atol=2e-14)


@pytest.mark.row("N2", "N3", "N4", "N5", "N9", "N10", "N11", "N12")
@pytest.mark.equations("H60", "H61", "H62", "H63", "D35", "D38", "D39")
@every_case
def test_the_forward_pass_is_the_published_sum_over_connected_maps_and_taps(layer, inputs, setting):
    model, paper, x, _, y, delta = setting(layer, inputs)
    assert_cells(model.forward(x), paper.forward(y, delta))


@pytest.mark.row("N13", "N12")
@pytest.mark.equations("H64", "H65", "H66", "H67", "H68", "H69", "H70", "H71", "H75", "D45")
@pytest.mark.parametrize("form", ["scatter", "gather", "phases"])
@every_case
def test_the_input_gradient_equals_the_scattered_gathered_and_phased_sums(layer, inputs, form, setting):
    model, paper, x, v, y, delta = setting(layer, inputs)
    _, dx = model.vjp(x, v)
    if form == "scatter":
        cells = paper.scatter(delta)
        assert_cells(dx, {point: cells[point] for point in y})
    else:
        assert_cells(dx, getattr(paper, form)(delta, y))


@pytest.mark.row("N9", "N10", "N12")
@pytest.mark.equations("H76", "H77", "H78", "H79", "H80", "H81", "D47", "HT5")
@every_case
def test_the_parameter_gradient_is_the_published_correlation_of_delta_and_input(layer, inputs, setting):
    model, paper, x, v, y, delta = setting(layer, inputs)
    gradient, _ = model.vjp(x, v)
    np.testing.assert_allclose(gradient, paper.kernel_gradient(delta, y), rtol=0, atol=2e-14)


@pytest.mark.row("N1", "N2", "N3", "N4", "N5", "N9", "N10", "N11", "N12")
@pytest.mark.equations("H62", "H67", "H75", "H79", "H80", "H81")
@every_case
def test_gradients_of_convolutions_equal_the_complex_step(layer, inputs, check_gradients):
    check_gradients([layer], inputs)


@pytest.mark.row("N2", "N4", "N11", "N12")
@pytest.mark.equations("H1", "H62")
@pytest.mark.parametrize("name", ALL_WINDOWS)
def test_an_output_domain_is_every_coordinate_whose_windows_are_complete(name, bind, keys):
    layer, inputs = CASES[name][0], Maps(CASES[name][1])
    model = bind([layer], inputs)
    paper = Paper(layer, inputs, model.theta)
    boxes = [np.array(domain) for domain in inputs] if inputs.boxes else None
    present = set(keys(inputs))

    def inside(j, cell):
        if boxes is None:
            return (j, cell) in present
        return all(-p <= n < size + p for n, size, p in zip(cell, boxes[j], paper.p, strict=True))

    for i, sources in enumerate(paper.D):
        reach = product(*(range(n + 2 * p) for n, p in zip(inputs.box, paper.p, strict=True)))
        complete = [x for x in reach if all(inside(j, paper.read(x, u)) for j in sources for u in paper.w[i, j])]
        assert [x for m, x in keys(model.network.outputs) if m == i] == complete


@pytest.mark.row("N13")
@pytest.mark.equations("H72", "H73", "H74", "HT5")
@pytest.mark.parametrize("kernel", [(2, 2), (3, 1), (2, 4)])
def test_the_input_gradient_is_the_padded_delta_correlated_with_the_rotated_kernel(kernel, bind):
    rng = np.random.default_rng(8)
    (f_u, f_v), (maps_out, maps_in), (height, width) = kernel, (2, 3), (5, 6)
    w, x = rng.standard_normal((maps_out, maps_in, f_u, f_v)), rng.standard_normal((1, maps_in, height, width))
    delta = rng.standard_normal((maps_out, height - f_u + 1, width - f_v + 1))
    padded = np.pad(delta, [(0, 0), (f_u - 1, f_u - 1), (f_v - 1, f_v - 1)])
    expected = np.zeros((maps_in, height, width))
    for j, a, b in np.ndindex(expected.shape):
        for i in range(maps_out):
            expected[j, a, b] += (padded[i, a : a + f_u, b : b + f_v] * w[i, j, ::-1, ::-1]).sum()
    _, dx = bind([Convolution(maps_out, kernel)], (maps_in, height, width), [*w.ravel(), 0, 0]).vjp(x, delta[None])
    np.testing.assert_allclose(dx[0], expected, rtol=0, atol=2e-14)


@pytest.mark.row("N12", "N13")
@pytest.mark.equations("H74", "H75")
@pytest.mark.parametrize("stride", [2, 3, 4])
def test_a_strided_input_gradient_is_the_unstrided_one_of_a_delta_with_zeros_between(stride, bind):
    rng = np.random.default_rng(9)
    theta, x = rng.standard_normal(2 * 2 * 6 + 2), rng.standard_normal((1, 2, 8, 9))
    strided, plain = (bind([Convolution(2, (2, 3), stride=k)], (2, 8, 9), theta) for k in (stride, 1))
    v = rng.standard_normal(strided.forward(x).shape)
    spaced = np.zeros(plain.forward(x).shape)
    spaced[:, :, ::stride, ::stride] = v
    for one, other in zip(strided.vjp(x, v), plain.vjp(x, spaced), strict=True):
        np.testing.assert_allclose(one, other, rtol=0, atol=2e-14)


@pytest.mark.row("N13")
@pytest.mark.equations("H7", "H74")
@every_case
def test_backward_is_the_adjoint_of_forward(layer, inputs, setting):
    model, _, x, v, _, _ = setting(layer, inputs)
    constant = model.forward(np.zeros_like(x))
    linear = model.forward(x) - constant
    _, dx = model.vjp(x, v)
    scale = np.linalg.norm(linear) * np.linalg.norm(v) + 1
    assert abs((linear * v).sum() - (x * dx).sum()) < 1e-14 * scale
