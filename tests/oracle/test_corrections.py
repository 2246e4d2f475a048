"""Negative tests: each computes an equation literally as printed and shows that it fails, then the corrected form.

docs/corrections.md tells the story of each, and names the test here. Formulas are plain NumPy, written
again from the papers; gcnn is compared where it implements the corrected form.
"""

from __future__ import annotations

import ast
import re
from itertools import pairwise, product
from pathlib import Path

import numpy as np
import pytest

from gcnn import Maps, Network, layers
from gcnn.errors import LossError
from gcnn.layers import Activation, Convolution, Dense, MaxPooling, RadialBasis, VanillaSubsampling, WeightedSubsampling
from gcnn.optimizers import Adam, Momentum

ROUNDING = 1e-12
"""Largest relative error of a formula that is right: a few hundred roundings in double precision."""
WRONG = 0.01
"""Smallest relative error of a formula that is called wrong here."""


def logistic(z):
    return 1 / (1 + np.exp(-z))


def softmax(z):
    e = np.exp(z - z.real.max())
    return e / e.sum()


def correlate(y, w, k=1):
    """Σ_u y(k x + u) w(u) over all complete windows, two axes."""
    return np.einsum("xyuv,uv->xy", np.lib.stride_tricks.sliding_window_view(y, w.shape)[::k, ::k], w)


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.fixture
def output_delta(bind):
    """δ = ∂r/∂z of gcnn's last layer at pre-activation z: the bias gradient of a dense layer."""

    def delta(activation, loss, z, t):
        theta = np.concatenate([np.zeros(len(z)), z])
        model = bind([Dense(len(z), activation=activation)], 1, theta, loss=loss, reduction="sum")
        return model.loss_and_gradient(np.zeros((1, 1)), t[None])[1][len(z) :]

    return delta


# Hedberg, sections 3 and 3.1: the general network and dense layers


@pytest.mark.equations("H3", "H4", "H5")
def test_the_chain_rule_of_the_layers_gives_zero_without_its_base_case(bind, complex_step, relative_error, rng):
    x, w = rng.standard_normal(3), [rng.standard_normal((4, 3)), rng.standard_normal((2, 4))]
    y1 = np.tanh(w[0] @ x)
    y = [x, y1, np.tanh(w[1] @ y1)]

    def by_weight(layer, i, j, base):
        if layer == 0:
            return np.zeros(3)
        below = by_weight(layer - 1, i, j, base)
        term = w[layer - 1] @ below
        if base and layer == 1:
            term[i] += x[j]  # ∂z/∂ω_ij of the layer that owns ω_ij
        return (1 - y[layer] ** 2) * term

    reference = complex_step(lambda moved: np.tanh(w[1] @ np.tanh(moved @ x)), w[0])
    cells = list(np.ndindex(w[0].shape))
    assert not np.any([by_weight(2, i, j, base=False) for i, j in cells])
    corrected = np.array([by_weight(2, i, j, base=True) for i, j in cells]).reshape(reference.shape)
    assert relative_error(corrected, reference) <= ROUNDING
    theta = np.concatenate([w[0].ravel(), w[1].ravel()])
    model = bind([Dense(4, activation="tanh", bias=False), Dense(2, activation="tanh", bias=False)], 3, theta)
    gradient, _ = model.vjp(x[None], np.ones((1, 2)))
    assert relative_error(gradient[: w[0].size], reference.sum(axis=-1).ravel()) <= ROUNDING


@pytest.mark.equations("H8")
def test_a_parameter_used_by_two_layers_needs_the_sum_over_both(complex_step, relative_error, rng):
    w, x = rng.standard_normal((3, 3)), rng.standard_normal(3)
    y1 = np.tanh(w @ x)
    y2 = np.tanh(w @ y1)
    reference = complex_step(lambda moved: np.tanh(moved @ np.tanh(moved @ x)).sum(), w)
    delta2 = 1 - y2**2
    delta1 = (w.T @ delta2) * (1 - y1**2)
    assert relative_error(np.outer(delta2, y1), reference) > WRONG
    assert relative_error(np.outer(delta2, y1) + np.outer(delta1, x), reference) <= ROUNDING


@pytest.mark.equations("H25", "D20")
def test_softmax_as_printed_is_not_a_number_for_large_logits(bind):
    z = np.array([1000.0, 1001, 1002])
    with np.errstate(over="ignore", invalid="ignore"):
        assert np.isnan(np.exp(z) / np.exp(z).sum()).all()
    expected = softmax(np.array([0.0, 1, 2]))
    np.testing.assert_allclose(softmax(z), expected, rtol=ROUNDING)
    model = bind([Activation("softmax")], 3)
    np.testing.assert_allclose(model.forward(z[None])[0], expected, rtol=ROUNDING)


@pytest.mark.equations("H26", "H27", "D21")
def test_cross_entropies_of_the_outputs_are_infinite_where_these_saturate(bind):
    z, t = 800.0, 0.0
    with np.errstate(divide="ignore"):
        assert -(1 - t) * np.log(1 - logistic(z)) == np.inf
        assert -np.log(softmax(np.array([0, z]))[0]) == np.inf
    assert max(z, 0) - z * t + np.log1p(np.exp(-abs(z))) == 800
    model = bind([Activation("logistic")], 1, loss="binary_cross_entropy")
    assert model.loss(np.array([[z]]), np.array([[t]])) == 800
    model = bind([Activation("softmax")], 2, loss="cross_entropy")
    assert model.loss(np.array([[0.0, z]]), np.array([[1.0, 0]])) == 800


@pytest.mark.equations("H27", "H28", "HT2")
def test_the_class_sum_from_zero_reads_one_output_too_many(bind, rng):
    z, t = rng.standard_normal(4), np.array([0.1, 0.2, 0.3, 0.4])
    log_y = np.log(softmax(z))
    terms = range(len(t) + 1)
    with pytest.raises(IndexError):
        -sum(t[i] * log_y[i] for i in terms)
    corrected = -sum(t[i - 1] * log_y[i - 1] for i in range(1, len(t) + 1))
    model = bind([Activation("softmax")], 4, loss="cross_entropy")
    assert model.loss(z[None], t[None]) == pytest.approx(corrected, rel=ROUNDING)


@pytest.mark.equations("H28", "H38", "HT3")
def test_the_delta_of_the_softmax_combinator_gives_a_wrong_affine_gradient(bind, complex_step, relative_error, rng):
    w, x, t = rng.standard_normal((3, 2)), rng.standard_normal(2), np.array([0.0, 1, 0])
    reference = complex_step(lambda moved: -(t * np.log(softmax(moved @ x))).sum(), w)
    y = softmax(w @ x)
    assert relative_error(np.outer(-t / y, x), reference) > WRONG
    assert relative_error(np.outer(y - t, x), reference) <= ROUNDING
    model = bind([Dense(3, activation="softmax", bias=False)], 2, w.ravel(), loss="cross_entropy")
    assert relative_error(model.loss_and_gradient(x[None], t[None])[1], reference.ravel()) <= ROUNDING


@pytest.mark.equations("H30")
def test_the_softmax_chain_of_equation_30_is_false_term_by_term(complex_step, relative_error, rng):
    w, x, t = rng.standard_normal((3, 2)), rng.standard_normal(2), np.array([0.2, 0.5, 0.3])
    y = softmax(w @ x)
    jacobian = complex_step(lambda moved: softmax(w @ moved), x).T  # ∂z_i/∂y_j
    terms = (-t / y)[:, None] * jacobian
    printed = -(t - y)[:, None] * w
    assert relative_error(printed, terms) > WRONG
    assert relative_error(printed.sum(axis=0), terms.sum(axis=0)) <= ROUNDING  # true once it is summed over i


@pytest.mark.equations("H30", "HT3")
def test_the_softmax_delta_as_printed_needs_targets_that_sum_to_one(output_delta, complex_step, relative_error, rng):
    z, t = rng.standard_normal(3), np.array([0.7, 0.4, 1.0])
    reference = complex_step(lambda moved: -(t * np.log(softmax(moved))).sum(), z)
    y = softmax(z)
    assert relative_error(-(t - y), reference) > WRONG
    assert relative_error(t.sum() * y - t, reference) <= ROUNDING
    assert relative_error(output_delta("softmax", "cross_entropy", z, t), reference) <= ROUNDING


@pytest.mark.equations("H31")
def test_the_middle_of_equation_31_lacks_the_activation_slope(output_delta, complex_step, relative_error, rng):
    z, t = rng.standard_normal(3), rng.standard_normal(3)
    reference = complex_step(lambda moved: 0.5 * ((t - np.tanh(moved)) ** 2).sum(), z)
    middle = complex_step(lambda y: 0.5 * ((t - y) ** 2).sum(), np.tanh(z))
    assert relative_error(middle, reference) > WRONG
    assert relative_error(-(t - np.tanh(z)) * (1 - np.tanh(z) ** 2), reference) <= ROUNDING
    assert relative_error(output_delta("tanh", "mse", z, t), reference) <= ROUNDING


@pytest.mark.equations("H32")
@pytest.mark.parametrize("activation", ["relu", "softplus", "tanh", "identity"])
def test_outputs_that_are_positive_or_zero_do_not_suffice_for_binary_cross_entropy(bind, activation):
    z = np.array([-3.0, 1.5])
    y = bind([Activation(activation)], 2).forward(z[None])[0]
    with np.errstate(divide="ignore", invalid="ignore"):
        t = np.array([0.0, 0.0])
        loss = -(t * np.log(y) + (1 - t) * np.log(1 - y))
        delta = -(t - y) / (y * (1 - y))
    assert not (np.isfinite(loss) & np.isfinite(delta)).all()
    with pytest.raises(LossError, match=r"not inside \(0, 1\)"):
        Network([Activation(activation)], 2, "binary_cross_entropy")
    Network([Activation("soft_logistic")], 2, "binary_cross_entropy")


@pytest.mark.equations("H36", "H37")
def test_the_gradient_sum_over_i_needs_the_delta_of_i(bind, complex_step, relative_error, rng):
    w, x, t = rng.standard_normal((3, 2)), rng.standard_normal(2), rng.standard_normal(3)
    reference = complex_step(lambda moved: 0.5 * ((t - moved @ x) ** 2).sum(), w)
    delta = w @ x - t
    by_weight = np.einsum("ik,j->ikj", np.eye(3), x)  # ∂z_i/∂ω_kj
    printed = np.einsum("j,ikj->kj", delta[:2], by_weight)  # δ_j, j the input's index
    assert relative_error(printed, reference) > WRONG
    assert relative_error(np.einsum("i,ikj->kj", delta, by_weight), reference) <= ROUNDING
    model = bind([Dense(3, bias=False)], 2, w.ravel())
    assert relative_error(model.loss_and_gradient(x[None], t[None])[1], reference.ravel()) <= ROUNDING


@pytest.mark.equations("H40", "H41", "HT4", "HT5", "HT6")
def test_adding_the_printed_update_raises_the_error(rng):
    w, x, t = rng.standard_normal((3, 2)), rng.standard_normal(2), rng.standard_normal(3)

    def error(moved):
        return 0.5 * ((t - moved @ x) ** 2).sum()

    update = np.outer(w @ x - t, x)
    assert error(w + 0.1 * update) > error(w)
    assert error(w - 0.1 * update) < error(w)


@pytest.mark.equations("HT3")
def test_the_categorical_delta_of_a_vanished_output_is_not_a_number_even_without_a_target(output_delta):
    z, t = np.array([-800.0, 0.3]), np.array([0.0, 1])
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        y = logistic(z)
        printed = -t * (1 / y) * (y * (1 - y))
    assert np.isnan(printed[0])
    expected = [0, -(1 - y[1])]
    np.testing.assert_allclose(np.where(t == 0, 0, -t * (1 - y)), expected, rtol=ROUNDING)
    np.testing.assert_allclose(output_delta("logistic", "cross_entropy", z, t), expected, rtol=ROUNDING)


@pytest.mark.equations("HT3", "H27")
def test_categorical_cross_entropy_of_single_activations_does_not_rest_at_its_targets(output_delta):
    t = np.array([0.2, 0.3, 0.5])
    at_target = np.log(t / (1 - t))
    printed = -t * (1 / t) * (t * (1 - t))
    assert (printed < -WRONG).all()  # every output is driven up, towards 1
    np.testing.assert_allclose(output_delta("logistic", "cross_entropy", at_target, t), printed, rtol=ROUNDING)
    rest = output_delta("logistic", "binary_cross_entropy", at_target, t)
    assert np.abs(rest).max() <= ROUNDING


@pytest.mark.equations("H32", "HT3")
def test_the_binary_delta_as_printed_is_not_a_number_for_saturated_outputs(output_delta):
    z, t = np.array([1e17, 0.3]), np.zeros(2)
    small = 0.5 / (1 + z)  # 1 - y of the soft logistic, whose derivative is 2 (1 - y)² here
    y = 1 - small
    with np.errstate(divide="ignore", invalid="ignore"):
        printed = -(t - y) / (y * (1 - y)) * 2 * small**2
    assert np.isfinite(printed).tolist() == [False, True]
    expected = 1 / (1 + z)  # ∂/∂z of -log(1 - y) = log(2 + 2z)
    np.testing.assert_allclose(-(t - y) * 2 * small / (1 - small), expected, rtol=ROUNDING)
    np.testing.assert_allclose(output_delta("soft_logistic", "binary_cross_entropy", z, t), expected, rtol=ROUNDING)


# Hedberg, section 3.2: radial basis layers


@pytest.mark.equations("H54")
def test_the_printed_radial_function_has_two_slopes_and_no_gradient_at_its_centre(bind):
    beta, h = 0.5, 1e-6
    slopes = [(np.exp(-beta * abs(side)) - 1) / side for side in (-h, h)]
    np.testing.assert_allclose(slopes, [beta, -beta], rtol=1e-5)
    with np.errstate(invalid="ignore"):
        distance = np.zeros(2)
        assert np.isnan(-beta * distance / np.linalg.norm(distance)).all()
    centre = np.array([2.0, 1])
    model = bind([RadialBasis(1, beta="plain")], 2, [*centre, beta])
    gradient, by_input = model.vjp(centre[None], np.ones((1, 1)))
    assert not gradient.any()
    assert not by_input.any()


@pytest.mark.equations("H53", "H54")
@pytest.mark.parametrize("power", [1, 2])
def test_the_gradient_of_one_radial_power_does_not_serve_the_other(bind, complex_step, relative_error, rng, power):
    y, c, beta = rng.standard_normal(3), rng.standard_normal(3), 0.7

    def unit(y, c, beta, p):
        return np.exp(-beta * ((y - c) ** 2).sum() ** (p / 2))

    def derived(p):
        d, r = y - c, np.linalg.norm(y - c)
        direction = d / r if p == 1 else 2 * d
        g = np.exp(-beta * r**p)
        return np.concatenate([beta * g * direction, [-(r**p) * g]])

    reference = complex_step(lambda q: unit(y, q[:3], q[3], power), np.array([*c, beta]))
    assert relative_error(derived(3 - power), reference) > WRONG
    assert relative_error(derived(power), reference) <= ROUNDING
    model = bind([RadialBasis(1, power, beta="plain")], 3, [*c, beta])
    gradient, by_input = model.vjp(y[None], np.ones((1, 1)))
    assert relative_error(gradient, reference) <= ROUNDING
    assert relative_error(by_input[0], -reference[:3]) <= ROUNDING


@pytest.mark.equations("H55")
def test_a_radial_output_has_more_parameters_than_its_coefficients(bind, complex_step, relative_error, rng):
    y, table = rng.standard_normal(3), np.array([[1, 1, 0], [0, 1, 1]], dtype=bool)
    c, beta, a = rng.standard_normal((3, 3)), np.array([0.5, 0.8, 1.1]), rng.standard_normal((2, 3)) * table

    def outputs(c, beta):
        return a @ np.exp(-beta * np.sqrt(((y - c) ** 2).sum(axis=1)))

    by_centres = complex_step(lambda moved: outputs(moved, beta).sum(), c)
    by_widths = complex_step(lambda moved: outputs(c, moved).sum(), beta)
    assert min(np.abs(by_centres).max(), np.abs(by_widths).max()) > WRONG  # not in the printed set {a_ij}
    d = y - c
    r = np.linalg.norm(d, axis=1)
    g = np.exp(-beta * r)
    s = a.sum(axis=0)  # Σ over the outputs i that read unit j of δ_i a_ij, with δ_i = 1
    assert relative_error((s * beta * g / r)[:, None] * d, by_centres) <= ROUNDING
    assert relative_error(-s * r * g, by_widths) <= ROUNDING
    theta = np.concatenate([c.ravel(), beta, a[table]])
    model = bind([RadialBasis(3, beta="plain"), Dense(2, table=table, bias=False)], 3, theta)
    gradient, _ = model.vjp(y[None], np.ones((1, 2)))
    expected = np.concatenate([by_centres.ravel(), by_widths, np.tile(g, (2, 1))[table]])
    assert relative_error(gradient, expected) <= ROUNDING


# Hedberg, section 3.3: convolution layers


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


# Hedberg, section 3.4: pooling and sub-sampling


@pytest.mark.equations("H86", "H91", "H92", "H93", "H98", "H100", "HT6", "HT7")
@pytest.mark.parametrize(
    ("size", "window", "outside"), [((7, 9), (3, 2), 15), ((5, 5), (2, 2), 9), ((6, 8), (3, 2), 0)]
)
def test_cells_beyond_the_last_complete_window_ask_for_a_delta_that_is_not_there(bind, rng, size, window, outside):
    made = (size[0] // window[0], size[1] // window[1])
    owners = [(x // window[0], y // window[1]) for x, y in np.ndindex(size)]
    inside = np.array([a < made[0] and b < made[1] for a, b in owners]).reshape(size)
    assert (~inside).sum() == outside
    y, delta = rng.standard_normal((1, 1, *size)), rng.standard_normal((1, 1, *made))
    expected = np.array([delta[0, 0, a, b] if a < made[0] and b < made[1] else 0.0 for a, b in owners]).reshape(size)
    weighted = bind([WeightedSubsampling(window)], (1, *size), [0.5, 0])
    assert weighted.network.outputs.box == made
    np.testing.assert_array_equal(weighted.vjp(y, delta)[1][0, 0], 0.5 * expected)
    pooled = bind([MaxPooling(window)], (1, *size))
    assert not pooled.vjp(y, delta)[1][0, 0][~inside].any()


@pytest.mark.equations("H93", "H96", "HT6")
def test_single_weights_with_connections_pass_back_the_weight_of_the_receiving_map(
    bind, complex_step, relative_error, rng
):
    table = np.array([[1, 1], [0, 1]], dtype=bool)
    y, alpha, delta = rng.standard_normal((2, 4, 4)), np.array([0.5, -2.0]), rng.standard_normal((2, 2, 2))

    def forward(y):
        sums = y.reshape(2, 2, 2, 2, 2).sum(axis=(2, 4))
        return alpha[:, None, None] * np.einsum("ij,jxy->ixy", table, sums)

    reference = complex_step(lambda moved: (delta * forward(moved)).sum(), y)
    blocks = np.repeat(np.repeat(delta, 2, axis=1), 2, axis=2)
    printed = alpha[:, None, None] * blocks  # Eq. 93: α and δ of map j itself
    assert relative_error(printed, reference) > WRONG
    corrected = np.einsum("ij,ixy->jxy", table * alpha[:, None], blocks)
    assert relative_error(corrected, reference) <= ROUNDING
    model = bind([WeightedSubsampling(2, table=table)], (2, 4, 4), [*alpha, 0, 0])
    assert relative_error(model.vjp(y[None], delta[None])[1][0], reference) <= ROUNDING


@pytest.mark.equations("H100", "HT7")
def test_the_printed_max_pooling_delta_multiplies_at_ties(bind):
    y = np.array([[1.0, 5, 2, 0], [3, 4, 2, 2], [7, 7, -1, -2], [0, 7, -3, -1]])
    delta = np.array([[1.0, 2], [3, 4]])
    blocks = y.reshape(2, 2, 2, 2).max(axis=(1, 3))
    printed = (y == np.repeat(np.repeat(blocks, 2, 0), 2, 1)) * np.repeat(np.repeat(delta, 2, 0), 2, 1)
    assert printed.sum() == 24  # 1 + 3·2 + 3·3 + 2·4, where δ sums to 10
    first = np.array([[0.0, 1, 2, 0], [0, 0, 0, 0], [3, 0, 4, 0], [0, 0, 0, 0]])
    assert first.sum() == delta.sum()
    model = bind([MaxPooling(2)], (1, 4, 4))
    np.testing.assert_array_equal(model.vjp(y[None, None], delta[None, None])[1][0, 0], first)
    # Moving the whole block of ties moves the maximum once: the directional derivative is δ, not 3 δ.
    moved = y + 1e-6 * (y == 7)
    change = (model.forward(moved[None, None]) - model.forward(y[None, None]))[0, 0, 1, 0] / 1e-6
    assert change == pytest.approx(1, rel=1e-6)


@pytest.mark.equations("H101", "H103", "HT8")
@pytest.mark.parametrize(("size", "k", "outside"), [((7, 9), (3, 2), 7), ((5, 5), (2, 2), 5), ((10, 10), (3, 3), 7)])
def test_vanilla_subsampling_with_floor_sizes_loses_kept_cells(bind, rng, size, k, outside):
    kept = [x for x in np.ndindex(size) if x[0] % k[0] == 0 and x[1] % k[1] == 0]
    floor = [size[0] // k[0], size[1] // k[1]]
    assert sum(x // k[0] >= floor[0] or y // k[1] >= floor[1] for x, y in kept) == outside
    ceil = (-(-size[0] // k[0]), -(-size[1] // k[1]))
    assert len(kept) == ceil[0] * ceil[1]
    model = bind([VanillaSubsampling(k)], (1, *size))
    assert model.network.outputs.box == ceil
    y, w = rng.standard_normal(size), rng.standard_normal((2, 2))
    np.testing.assert_array_equal(model.forward(y[None, None])[0, 0], y[:: k[0], :: k[1]])
    # Only so does a strided convolution equal a convolution followed by sub-sampling (Remark 4).
    theta = [*w.ravel(), 0]
    strided = bind([Convolution(1, 2, stride=k)], (1, *size), theta).forward(y[None, None])
    sampled = bind([Convolution(1, 2), VanillaSubsampling(k)], (1, *size), theta).forward(y[None, None])
    np.testing.assert_allclose(strided, sampled, rtol=ROUNDING, atol=ROUNDING)


# Hedberg, section 4: Levenberg-Marquardt


def least_squares(n_samples=6, n_out=2, seed=1):
    """A tanh layer's residuals e(ω) = y - t, (samples, outputs), as a function of its weights, and a start."""
    rng = np.random.default_rng(seed)
    x, t = rng.standard_normal((n_samples, 3)), rng.standard_normal((n_samples, n_out))
    return lambda w: np.tanh(x @ w.reshape(n_out, 3).T) - t, rng.standard_normal(3 * n_out)


@pytest.mark.equations("H105", "H106")
def test_the_sum_of_squares_of_equation_105_is_twice_that_of_equation_106(bind, rng):
    x, t = rng.standard_normal((4, 3)), rng.standard_normal((4, 2))
    w = rng.standard_normal((2, 3))
    e105 = sum(np.linalg.norm(t[i] - w @ x[i]) ** 2 for i in range(4))
    e106 = 0.5 * sum(np.linalg.norm(t[i] - w @ x[i]) ** 2 for i in range(4))
    for loss, expected in (("sse", 2 * e106), ("mse", e106)):
        model = bind([Dense(2, bias=False)], 3, w.ravel(), loss=loss, reduction="sum")
        assert model.loss(x, t) == pytest.approx(expected, rel=ROUNDING)
    assert e105 != pytest.approx(e106)


@pytest.mark.equations("H106", "H108", "H115")
def test_one_norm_residual_a_sample_loses_the_gauss_newton_rank_and_step(complex_step, relative_error):
    residuals, w = least_squares(n_samples=2, n_out=2)
    e = residuals(w)
    by_output = complex_step(lambda moved: residuals(moved).ravel(), w).T
    norm = np.sqrt((e**2).sum(axis=1))
    by_norm = complex_step(lambda moved: np.sqrt((residuals(moved) ** 2).sum(axis=1)), w).T
    np.testing.assert_allclose(by_norm.T @ norm, by_output.T @ e.ravel(), rtol=ROUNDING)  # Eq. 109 holds for both
    assert np.linalg.matrix_rank(by_norm) == 2
    assert np.linalg.matrix_rank(by_output) == 4
    # On a linear least-squares problem with noise one Gauss-Newton step must arrive.
    rng = np.random.default_rng(2)
    a, t = rng.standard_normal((10, 2, 3)), rng.standard_normal((10, 2))
    solution = np.linalg.lstsq(a.reshape(20, 3), t.ravel(), rcond=None)[0]
    start = np.zeros(3)
    e = a @ start - t
    norm = np.linalg.norm(e, axis=1)
    rows = np.einsum("sk,skp->sp", e / norm[:, None], a)
    assert relative_error(start - np.linalg.lstsq(rows, norm, rcond=None)[0], solution) > WRONG
    step = np.linalg.lstsq(a.reshape(20, 3), e.ravel(), rcond=None)[0]
    assert relative_error(start - step, solution) <= ROUNDING


@pytest.mark.equations("H108")
def test_a_weight_without_influence_makes_equation_108_singular_for_every_lambda(rng):
    jacobian = rng.standard_normal((8, 3))
    jacobian[:, 1] = 0
    e = rng.standard_normal(8)
    normal = jacobian.T @ jacobian
    for damping in (1e-3, 1.0, 1e6):
        with pytest.raises(np.linalg.LinAlgError):
            np.linalg.solve(normal + damping * np.diag(np.diag(normal)), -jacobian.T @ e)
        scale = np.where(np.diag(normal) == 0, 1, np.diag(normal))
        step = np.linalg.solve(normal + damping * np.diag(scale), -jacobian.T @ e)
        assert step[1] == 0
        # The same step without forming JᵀJ: least squares on J with the damping below it.
        stacked = np.vstack([jacobian, np.diag(np.sqrt(damping * scale))])
        direct = np.linalg.lstsq(stacked, np.concatenate([-e, np.zeros(3)]), rcond=None)[0]
        np.testing.assert_allclose(direct, step, rtol=1e-10, atol=1e-14)


@pytest.mark.equations("H110", "H113", "H115")
def test_the_norm_residual_has_no_derivative_at_a_fitted_sample(complex_step):
    residuals, w = least_squares(n_samples=1)
    y = residuals(w)[0]
    e = y - y  # the target is the output
    with np.errstate(divide="ignore", invalid="ignore"):
        assert np.isnan(-1 / np.linalg.norm(e) * e).all()
    sides = [(np.linalg.norm(residuals(w + h)[0] - y) - 0) / h for h in (-1e-6, 1e-6)]
    assert sides[0] == pytest.approx(-sides[1], rel=1e-4)  # a kink: ‖t - y‖ rises on both sides
    assert sides[1] > WRONG
    assert np.isfinite(complex_step(lambda moved: residuals(moved).ravel(), w)).all()  # per output there is none


@pytest.mark.equations("H111", "H112", "H38")
def test_the_delta_of_section_4_does_not_fit_the_gradient_of_section_3(complex_step, relative_error, rng):
    w, x, t = rng.standard_normal((2, 3)), rng.standard_normal(3), rng.standard_normal(2)
    reference = complex_step(lambda moved: 0.5 * ((t - np.tanh(moved @ x)) ** 2).sum(), w)
    y = np.tanh(w @ x)
    delta = t - y  # Eq. 111: -∂E/∂y, without φ'
    assert relative_error(np.outer(delta, x), reference) > WRONG
    assert relative_error(np.outer(-(1 - y**2) * delta, x), reference) <= ROUNDING


@pytest.mark.equations("H113", "H115")
def test_the_printed_jacobian_has_no_columns_for_the_biases(complex_step, relative_error, rng):
    w, b, x, t = rng.standard_normal((2, 3)), rng.standard_normal(2), rng.standard_normal(3), rng.standard_normal(2)

    def residual(q):
        return np.sqrt(((t - np.tanh(q[:6].reshape(2, 3) @ x + q[6:])) ** 2).sum())

    reference = complex_step(residual, np.concatenate([w.ravel(), b]))
    y = np.tanh(w @ x + b)
    column = -(1 - y**2) * (t - y) / np.linalg.norm(t - y)
    printed = np.outer(column, x).ravel()
    assert len(printed) == len(reference) - 2
    assert np.abs(reference[6:]).max() > WRONG
    assert relative_error(np.concatenate([printed, column]), reference) <= ROUNDING


@pytest.mark.equations("H109", "H114")
def test_a_residual_vector_as_long_as_the_output_layer_gives_no_gradient(complex_step, relative_error):
    residuals, w = least_squares(n_samples=6, n_out=2)

    def norms(w):
        return np.sqrt((residuals(w) ** 2).sum(axis=1))

    reference = complex_step(lambda moved: 0.5 * (residuals(moved) ** 2).sum(), w)
    jacobian = complex_step(norms, w).T
    assert relative_error(jacobian[:2].T @ norms(w)[:2], reference) > WRONG  # r_1 .. r_{N^L}
    assert relative_error(jacobian.T @ norms(w), reference) <= ROUNDING  # r_1 .. r_{N^t}


@pytest.mark.equations("H117")
def test_the_printed_threshold_keeps_noise_of_a_single_precision_normal_matrix():
    # J is an exact integer matrix of rank 4; JᵀJ is summed in single precision, as training would.
    rng = np.random.default_rng(0)
    jacobian = (rng.integers(-40, 41, (400, 4)) @ rng.integers(-40, 41, (4, 24))).astype(np.float32)
    normal = np.zeros((24, 24), np.float32)
    for row in jacobian:
        normal += np.outer(row, row)
    ratios = np.linalg.svd(normal.astype(np.float64), compute_uv=False)
    ratios /= ratios[0]
    assert (ratios > 1e-7).sum() > 4  # the printed limit for single precision
    assert (ratios > max(jacobian.shape) * np.finfo(np.float32).eps).sum() == 4
    # Eq. 117 itself divides by the singular values that are zero.
    exact = np.diag([2.0, 0.0])
    with np.errstate(divide="ignore", invalid="ignore"):
        u, s, vt = np.linalg.svd(exact)
        assert not np.isfinite(vt.T @ np.diag(1 / s) @ u.T).all()
    np.testing.assert_allclose(vt.T @ np.diag([1 / s[0], 0]) @ u.T, np.diag([0.5, 0]), atol=1e-15)


@pytest.mark.equations("H108", "H117")
def test_multiplying_by_the_inverse_diagonal_leaves_the_matrix_unsymmetric_and_worse_conditioned():
    a = np.array([[1e8, 5e3, 0], [5e3, 1, 5e-5], [0, 5e-5, 1e-8]])
    diagonal = np.diag(a)
    left = a / diagonal[:, None]
    both = a / np.sqrt(np.outer(diagonal, diagonal))
    assert not np.allclose(left, left.T)
    assert np.linalg.cond(left) > 1e11
    np.testing.assert_array_equal(both, both.T)
    assert np.linalg.cond(both) == pytest.approx(3 + 2 * np.sqrt(2), rel=1e-9)


# Hedberg, sections 5 and 6: gradient descent and conjugate gradients


@pytest.mark.equations("H118")
def test_a_decreasing_objective_does_not_imply_convergence_to_a_minimum():
    x, values = 1.0, [0.5]  # F = x²/2
    for i in range(60):
        x -= 2.0 ** -(i + 2) * x
        values.append(x * x / 2)
    assert all(after <= before for before, after in pairwise(values))
    assert x == pytest.approx(0.5775761901732, rel=1e-12)  # a point with gradient 0.58, for ever
    for _ in range(60):
        x -= 0.5 * x  # a step that decreases F in proportion to ‖∇F‖² (Armijo)
    assert abs(x) < 1e-15


@pytest.mark.equations("H119")
def test_function_values_cannot_place_a_minimum_better_than_the_root_of_the_rounding_unit():
    def f(x):
        return 1 + (x - 1) ** 2

    assert f(1 + 1e-8) == f(1)  # a search cannot tell these points apart, whatever it does
    assert f(1 + 3e-8) > f(1)
    assert np.float32(1) + np.float32(2e-4) ** 2 == np.float32(1)
    assert 2 * (1 + 1e-8 - 1) > 0  # the slope of Eq. 119 can


@pytest.mark.equations("H121")
def test_momentum_without_a_first_step_of_zero_differs_from_the_heavy_ball():
    a, mu, p, start = np.array([1.0, 10]), 0.05, 0.9, np.array([1.0, 1])

    def run(before):
        x = [before, start]
        for _ in range(3):
            x.append(x[-1] - mu * a * x[-1] + p * (x[-1] - x[-2]))
        return np.array(x[2:])

    printed = [[0.95, 0.5], [0.8575, -0.2], [0.731375, -0.73]]
    np.testing.assert_allclose(run(start), printed, rtol=ROUNDING)  # Δx_{-1} = 0
    assert np.abs(run(np.zeros(2)) - printed).max() > WRONG  # x_{-1} = 0, the other value at hand
    optimizer, x, made = Momentum(mu, p), start, []
    for _ in range(3):
        x = optimizer.step(x, a * x)
        made.append(x)
    np.testing.assert_allclose(made, printed, rtol=ROUNDING)


def quadratic(n=5, seed=3):
    """A symmetric positive definite matrix and a right side."""
    rng = np.random.default_rng(seed)
    q, _ = np.linalg.qr(rng.standard_normal((n, n)))
    return q @ np.diag(np.linspace(1, 6, n)) @ q.T, rng.standard_normal(n)


@pytest.mark.equations("H123", "H132", "H135", "H138", "H147")
def test_the_printed_error_has_the_wrong_sign_for_the_equations_after_it(relative_error, rng):
    a, b = quadratic()
    solution, x, d = np.linalg.solve(a, b), rng.standard_normal(5), rng.standard_normal(5)
    r = b - a @ x
    alpha = d @ r / (d @ a @ d)  # Eq. 139, sign-free
    along = d @ (solution - x) / (d @ d)  # the step after which the error is orthogonal to d

    def errors(sign):
        """Relative errors of Eqs. 123, 132, 135, 138 and 147 with e = sign · (x - x̃)."""
        e, after = sign * (x - solution), sign * (x + alpha * d - solution)
        pairs = [
            (-d @ e / (d @ d), along),
            (-a @ e, r),
            (e + alpha * d, after),
            (-d @ a @ e / (d @ a @ d), alpha),
            (d @ a @ e / (d @ a @ d), -alpha),  # γ of Eq. 144, whose first step is Eq. 147
        ]
        return [relative_error(np.atleast_1d(left), np.atleast_1d(right)) for left, right in pairs]

    assert min(errors(-1)) > WRONG  # e = x̃ - x, as printed
    assert max(errors(+1)) <= ROUNDING  # e = x - x̃


@pytest.mark.equations("H140", "H141")
def test_dependent_directions_meet_equation_141_with_an_equals_sign(rng):
    a, _ = quadratic()
    d = rng.standard_normal((3, 5))
    beta = np.array([0.3, -1.2])
    d[2] = beta @ d[:2]  # Eq. 140
    left, right = d[2] @ a @ d[2], sum(beta[j] * (d[2] @ a @ d[j]) for j in range(2))
    assert left == pytest.approx(right, rel=ROUNDING)  # so `left > right` is no consequence of Eq. 140
    # The proof: for A-orthogonal directions the right side is 0, the left is not.
    vectors = np.linalg.eigh(a)[1].T
    assert abs(vectors[0] @ a @ (vectors[1] + vectors[2])) < 1e-14 < vectors[0] @ a @ vectors[0]


@pytest.mark.equations("H165")
def test_the_least_value_along_a_direction_is_not_a_step_length():
    a, b = quadratic()
    x = np.zeros(5)
    d = b - a @ x

    def f(step):
        y = x + step * d
        return 0.5 * y @ a @ y - b @ y

    argmin = d @ d / (d @ a @ d)
    minimum = f(argmin)
    assert minimum < 0 < argmin
    assert f(minimum) > f(0)  # read as printed, the step goes up
    assert f(argmin) < min(f(0.99 * argmin), f(1.01 * argmin))


@pytest.mark.equations("H168", "H169")
def test_polak_ribiere_directions_need_a_safeguard_with_an_inexact_search():
    def f(x):
        return 100 * (x[1] - x[0] ** 2) ** 2 + (1 - x[0]) ** 2

    def gradient(x):
        return np.array([-400 * x[0] * (x[1] - x[0] ** 2) - 2 * (1 - x[0]), 200 * (x[1] - x[0] ** 2)])

    def slopes(safeguard):
        """∇f·d of 300 iterations with Armijo backtracking."""
        x, found = np.array([-1.2, 1.0]), []
        r = d = -gradient(x)
        for _ in range(300):
            found.append(-r @ d)
            step = 1.0
            while f(x + step * d) > f(x) + 1e-4 * step * found[-1] and step > 1e-14:
                step /= 2
            x = x + step * d
            new = -gradient(x)
            d, r = new + max(new @ (new - r) / (r @ r), 0) * d, new
            if safeguard and r @ d <= 0:
                d = r
        return np.array(found), f(x)

    assert (slopes(safeguard=False)[0] >= 0).any()
    found, reached = slopes(safeguard=True)
    assert (found < 0).all()
    assert reached < 1e-4


@pytest.mark.equations("H161")
def test_biconjugate_gradients_break_down_on_a_regular_system():
    a, b = np.array([[0.0, 1], [1, 0]]), np.array([1.0, 0])
    assert abs(np.linalg.det(a)) == 1
    r = d = b
    with np.errstate(divide="ignore"):
        assert np.isinf(r @ r / (d @ a @ d))  # the first step: r̃ = r, d̃ = d
    np.testing.assert_array_equal(np.linalg.solve(a, b), [0, 1])


# Hedberg, section 7: BFGS and L-BFGS


def bfgs(h, s, y):
    """Eqs. 181-182 literally."""
    hy = h @ y
    u = s / (s @ y) - hy / (y @ hy)
    return h + np.outer(s, s) / (s @ y) - np.outer(hy, hy) / (y @ hy) + (y @ hy) * np.outer(u, u)


def two_loop(pairs, k, first, g, scale):
    """Algorithm 2 over the pairs k-1 .. first, with H_k^0 = scale · I."""
    g, gamma = g.copy(), {}
    for i in range(k - 1, first - 1, -1):
        s, y = pairs[i]
        gamma[i] = s @ g / (y @ s)
        g = g - gamma[i] * y
    r = scale * g
    for i in range(first, k):
        s, y = pairs[i]
        r = r + s * (gamma[i] - y @ r / (y @ s))
    return r


def curvature_pairs(count, seed=4):
    """Steps s and gradient differences y = A s of a quadratic."""
    a, _ = quadratic()
    steps = np.random.default_rng(seed).standard_normal((count, 5))
    return {i: (s, a @ s) for i, s in enumerate(steps)}


@pytest.mark.equations("H171", "H174")
def test_the_conditions_before_equation_174_hold_only_in_the_shifted_variable():
    a, b = quadratic()
    x = np.ones(5)
    g = a @ x - b
    step = -0.1 * g
    after = a @ (x + step) - b

    def model_gradient(p):
        """∇f̃_{k+1} of Eq. 171 with the exact Hessian; its argument is x - x_{k+1}."""
        return after + a @ p

    assert np.abs(model_gradient(x + step) - after).max() > WRONG
    assert np.abs(model_gradient(x) - g).max() > WRONG
    np.testing.assert_allclose(model_gradient(np.zeros(5)), after, rtol=ROUNDING)
    np.testing.assert_allclose(model_gradient(-step), g, rtol=ROUNDING, atol=1e-14)
    np.testing.assert_allclose(a @ step, after - g, rtol=ROUNDING, atol=1e-14)  # Eq. 174


@pytest.mark.equations("H181", "H182")
def test_the_defined_factor_rho_belongs_to_the_product_form(relative_error, rng):
    s, y = curvature_pairs(1)[0]
    h, eye = np.diag(rng.uniform(1, 2, 5)), np.eye(5)

    def product_form(rho):
        return (eye - rho * np.outer(s, y)) @ h @ (eye - rho * np.outer(y, s)) + rho * np.outer(s, s)

    as_printed = bfgs(h, s, y)  # takes no ρ
    assert relative_error(product_form(1.0), as_printed) > WRONG  # "ρ is not used" is no matter here
    assert relative_error(product_form(1 / (y @ s)), as_printed) <= ROUNDING
    assert relative_error(as_printed @ y, s) <= ROUNDING


@pytest.mark.equations("H182")
def test_a_start_from_a_finite_difference_has_to_be_inverted(relative_error):
    a, b = quadratic()
    x, h = np.ones(5), 1e-4
    g = a @ x - b
    hessian = np.array([(a @ (x + h * e) - b - g) / h for e in np.eye(5)])
    assert relative_error(x - hessian @ g, np.linalg.solve(a, b)) > WRONG
    assert relative_error(x - np.linalg.inv(hessian) @ g, np.linalg.solve(a, b)) <= 1e-9  # rounding over h


@pytest.mark.equations("HA1", "H191")
def test_algorithm_1_repeats_its_first_step_and_returns_the_iterate_before_the_last(relative_error):
    a, b = quadratic()
    solution, start = np.linalg.solve(a, b), np.ones(5)

    def searched(x, p):
        return x - p @ (a @ x - b) / (p @ a @ p) * p

    def scaled(x, after):
        s, y = after - x, a @ (after - x)
        return (y @ s) / (y @ y) * np.eye(5)

    first = searched(start, b - a @ start)
    h, x = scaled(start, first), [start]
    for k in range(5):  # 0 .. N, N = 4
        x.append(searched(x[k], -h @ (a @ x[k] - b)))
        h = bfgs(h, x[-1] - x[-2], a @ (x[-1] - x[-2]))
    assert relative_error(x[1], first) <= ROUNDING  # a second search for the same point
    assert relative_error(x[4], solution) > WRONG * 0.1  # x_N, as printed
    assert relative_error(x[5], solution) <= 1e-10
    # Corrected: the first step is kept, H_0 is scaled before its own update, and the last point is returned.
    y, h = start, np.eye(5)
    for k in range(5):
        after = searched(y, -h @ (a @ y - b))
        h = bfgs(scaled(y, after) if k == 0 else h, after - y, a @ (after - y))
        y = after
    assert relative_error(y, solution) <= 1e-10  # five searches instead of six


@pytest.mark.equations("HA2")
def test_algorithm_2_asks_for_pairs_from_before_the_start(relative_error, rng):
    pairs, g, k, m = curvature_pairs(2), rng.standard_normal(5), 2, 5
    with pytest.raises(KeyError):
        two_loop(pairs, k, k - m, g, 1.0)
    h = np.eye(5)
    for i in range(k):
        h = bfgs(h, *pairs[i])
    assert relative_error(two_loop(pairs, k, max(0, k - m), g, 1.0), h @ g) <= ROUNDING


@pytest.mark.equations("HA3")
def test_algorithm_3_keeps_one_pair_too_many_and_the_first_for_ever():
    m = 3

    def stored(late):
        kept, most = {0}, 1
        for k in range(1, 9):
            if k > m if late else k >= m:
                kept.discard(k - m)
            kept.add(k)
            most = max(most, len(kept))
        return kept, most

    assert stored(late=True) == ({0, 6, 7, 8}, m + 1)
    assert stored(late=False) == ({6, 7, 8}, m)


@pytest.mark.equations("H186", "HA1", "HA2")
def test_the_two_loops_equal_the_bfgs_matrix_only_from_one_fixed_start(relative_error, rng):
    pairs, g, k = curvature_pairs(4), rng.standard_normal(5), 4
    gamma = [y @ s / (y @ y) for s, y in pairs.values()]
    h = gamma[0] * np.eye(5)  # Algorithm 1 scales once
    for i in range(k):
        h = bfgs(h, *pairs[i])
    assert relative_error(two_loop(pairs, k, 0, g, gamma[k - 1]), h @ g) > WRONG  # Algorithm 2 every time
    assert relative_error(two_loop(pairs, k, 0, g, gamma[0]), h @ g) <= ROUNDING


# Hedberg, section 10: the tuned convolution


def tile_loads(s, f, tile):
    """Input cells that all work-groups of a convolution load, each group every cell it needs once."""
    out = [n - taps + 1 for n, taps in zip(s, f, strict=True)]
    groups = product(*(range(0, n, step) for n, step in zip(out, tile, strict=True)))
    outputs = list(product(*map(range, tile)))
    taps = list(product(*map(range, f)))
    return sum(len({(x + a + u, y + b + v) for a, b in outputs for u, v in taps}) for x, y in groups)


def tiled_cost(o, r, tile, planes_written, planes_loaded):
    groups = o[0] * o[1] // (tile[0] * tile[1])
    return planes_written * o[0] * o[1] + planes_loaded * groups * (tile[0] + r[0]) * (tile[1] + r[1])


def admissible(s, r, units, work_group, memory, largest, padding, first=1, size=4):
    """The hypotheses of Algorithm 4: (tile, padding, padded output); `memory` in bytes, `size` bytes an element."""
    for p in product(range(padding + 1), repeat=2):
        o = [n + q - m for n, q, m in zip(s, p, r, strict=True)]
        for tile in product(range(first, largest + 1), repeat=2):
            if o[0] % tile[0] or o[1] % tile[1] or tile[0] * tile[1] > work_group:
                continue
            loaded = (tile[0] + r[0]) * (tile[1] + r[1])
            if o[0] * o[1] // (tile[0] * tile[1]) >= units and loaded * size <= memory:
                yield tile, p, o


def best(s, r, planes_loaded, planes=1, **limits):
    costs = {(t, p): tiled_cost(o, r, t, planes, planes_loaded) for t, p, o in admissible(s, r, **limits)}
    return min(costs.values()), {choice for choice, cost in costs.items() if cost == min(costs.values())}


SMALL = {"units": 8, "work_group": 256, "memory": 32768, "largest": 24, "padding": 2}


@pytest.mark.equations("HA4")
def test_constant_memory_holds_thirty_six_large_filters_and_not_fifty_five():
    assert 64 * 1024 // 4 == 16384
    assert 55 * 21 * 21 > 16384
    assert 16000 // (21 * 21) == 36
    assert 16000 // 55 == 290  # 55 filters would be 17x17
    assert 37 * 21 * 21 <= 16384 < 38 * 21 * 21


@pytest.mark.equations("HT9", "HA4")
def test_the_number_of_work_items_and_reads_needs_one_less_than_the_filter_size():
    s, f = (20, 16), (5, 3)
    outputs = [x for x in np.ndindex(s) if x[0] + f[0] <= s[0] and x[1] + f[1] <= s[1]]
    reads = sum(1 for _ in outputs for _ in np.ndindex(f))

    def formula(r):
        return (s[0] - r[0]) * (s[1] - r[1]) * f[0] * f[1]

    assert len(outputs) == 16 * 14 < s[0] * s[1]  # one work-item an output, not an input
    assert formula((f[0] + 1, f[1] + 1)) == 2520 < reads
    assert formula((f[0] - 1, f[1] - 1)) == 3360 == reads
    assert tile_loads(s, f, (4, 7)) == 8 * (4 + 4) * (7 + 2) == 576


@pytest.mark.equations("HA4")
def test_every_plane_loads_its_own_tiles():
    s, f, planes, tile = (20, 16), (5, 3), 8, (4, 7)
    o, r = (16, 14), (4, 2)
    counted = planes * (o[0] * o[1] + tile_loads(s, f, tile))
    assert tiled_cost(o, r, tile, planes, planes_loaded=1) < counted  # S_{l,z} = 1, as printed
    assert tiled_cost(o, r, tile, planes, planes_loaded=planes) == counted
    # With padding the wrong factor also chooses another tile.
    limits = {**SMALL, "largest": 12, "padding": 4}
    printed, corrected = (best((15, 15), (2, 2), loaded, planes, **limits) for loaded in (1, planes))
    assert not printed[1] & corrected[1]


@pytest.mark.equations("HA4")
def test_more_planes_in_a_work_group_do_not_increase_the_loads():
    s, f, planes, tile = (12, 12), (3, 3), 4, (5, 5)

    def counted(depth):
        """Work-groups of `depth` planes, each plane with its own image."""
        return sum(depth * tile_loads(s, f, tile) for _ in range(0, planes, depth))

    printed = [depth * tile_loads(s, f, tile) for depth in (1, 2, 4)]
    assert printed == sorted(set(printed))
    assert counted(1) == counted(2) == counted(4)


@pytest.mark.equations("HA4")
def test_a_connection_table_multiplies_the_reads_by_the_inputs_of_each_map():
    table, s, f = np.array(layers.LENET5_C3), (14, 14), (5, 5)
    o = (s[0] - f[0] + 1) * (s[1] - f[1] + 1)
    counted = sum(o * f[0] * f[1] for row in table for connected in row if connected)
    assert len(table) * o * f[0] * f[1] < counted  # S_z = 16 maps, one image each
    assert table.sum() * o * f[0] * f[1] == counted
    assert Convolution(16, 5, table=table).multiply_adds(Maps((6, *s))) == counted


@pytest.mark.equations("HA4")
def test_the_local_memory_limit_compares_elements_with_bytes():
    tile, r, memory = (12, 24), (4, 4), 1024
    elements = (tile[0] + r[0]) * (tile[1] + r[1])
    assert elements <= memory < elements * 4  # passes as printed, does not fit
    limits = {"s": (28, 28), "r": r, "units": 1, "work_group": 512, "memory": memory, "largest": 24, "padding": 0}
    assert any(t == tile for t, *_ in admissible(**limits, size=1))
    assert not any(t == tile for t, *_ in admissible(**limits))


@pytest.mark.equations("HA4")
def test_algorithm_4_divides_by_zero_when_its_tiles_start_at_zero():
    with pytest.raises(ZeroDivisionError):
        list(admissible((28, 28), (4, 4), **SMALL, first=0))
    cost, choices = best((28, 28), (4, 4), 1, **{**SMALL, "padding": 0})
    assert (cost, choices) == (1856, {((6, 12), (0, 0)), ((12, 6), (0, 0))})


@pytest.mark.equations("HA4")
def test_algorithm_4_never_accepts_a_hypothesis_that_must_exceed_infinity():
    def search(better):
        least, chosen = np.inf, None
        for tile, p, o in admissible((28, 28), (4, 4), **SMALL):
            cost = tiled_cost(o, (4, 4), tile, 1, 1)
            if better(cost, least):
                least, chosen = cost, (tile, p)
        return least, chosen

    assert search(lambda cost, least: least < cost) == (np.inf, None)
    assert search(lambda cost, least: cost < least) == (1856, ((6, 12), (0, 0)))


@pytest.mark.equations("HA4")
def test_algorithm_4_copies_loop_variables_that_have_run_out():
    found = list(admissible((28, 28), (4, 4), **SMALL))
    exhausted = ((SMALL["largest"],) * 2, (SMALL["padding"],) * 2)  # what S_l and P hold after the four loops
    assert exhausted not in [(tile, p) for tile, p, _ in found]
    tile, p, _ = min(found, key=lambda hypothesis: tiled_cost(hypothesis[2], (4, 4), hypothesis[0], 1, 1))
    assert (tile, p) == ((6, 12), (0, 0))


# delmas: gradient descent, Eqs. 1-14


@pytest.mark.equations("D1", "D2")
def test_a_convex_function_does_not_guarantee_that_gradient_descent_arrives():
    q, seen = 0.0, []
    for n in range(1, 10_001):  # V = e^-q, convex without a minimum
        q += np.exp(-q)
        if n in (100, 1000, 10_000):
            seen.append(q)
    assert np.diff(seen) == pytest.approx(np.log(10), rel=0.02)  # q ~ log n, without end
    for alpha, arrives in ((1.9, True), (2.1, False)):  # V = ½ q², convex with one: the step must stay below 2
        q = 1.0
        for _ in range(200):
            q -= alpha * q
        assert (abs(q) < 1e-8) == arrives


@pytest.mark.equations("D7")
def test_the_relabelling_of_momentum_changes_the_learning_rate_too():
    a, alpha, gamma, start = np.array([1.0, 10]), 0.2, 2.5, np.array([1.0, 1])
    beta = 1 - gamma * alpha
    q, v, expected = start, np.zeros(2), []
    for _ in range(20):
        v = -alpha * a * q + beta * v
        q = q + alpha * v
        expected.append(q)

    def relabelled(lr):
        q, m, made = start, np.zeros(2), []
        for _ in range(20):
            m = beta * m + (1 - beta) * a * q
            q = q - lr * m
            made.append(q)
        return np.array(made)

    assert np.abs(relabelled(alpha) - expected).max() > WRONG
    np.testing.assert_allclose(relabelled(alpha**2 / (1 - beta)), expected, rtol=ROUNDING, atol=1e-14)
    optimizer, q, made = Momentum(alpha**2, beta), start, []  # Hedberg's Eq. 121: μ = α², p = 1 - γα
    for _ in range(20):
        q = optimizer.step(q, a * q)
        made.append(q)
    np.testing.assert_allclose(made, expected, rtol=ROUNDING, atol=1e-14)


@pytest.mark.equations("D9")
def test_a_mean_of_squares_does_not_let_the_adagrad_step_decay():
    gradients = np.random.default_rng(5).standard_normal(10_000)
    n = np.arange(1, 10_001)
    total = np.cumsum(gradients**2)
    printed, standard = 1 / np.sqrt(total / n), 1 / np.sqrt(total)
    assert printed[-1] == pytest.approx(1, rel=0.05)  # still the first step's size: noise never averages out
    assert standard[-1] == pytest.approx(0.01, rel=0.05)  # 1 / sqrt(n)
    np.testing.assert_allclose(printed, standard * np.sqrt(n), rtol=ROUNDING)


@pytest.mark.equations("D9", "D10", "D11")
def test_a_zero_gradient_makes_the_adaptive_methods_as_printed_not_a_number():
    q, j, alpha, beta = np.array([1.0, 1]), np.array([0.0, 2]), 0.1, 0.9
    with np.errstate(divide="ignore", invalid="ignore"):
        for square in (j**2, (1 - beta) * j**2):  # Eqs. 9 and 10; bias-corrected Eq. 11 equals Eq. 9 in step 1
            assert np.isnan((q - alpha / np.sqrt(square) * j)[0])
    np.testing.assert_allclose(q - alpha / (np.sqrt(j**2) + 1e-8) * j, [1, 0.9], rtol=1e-8)
    np.testing.assert_allclose(Adam(alpha).step(q, j), [1, 0.9], rtol=1e-8)


@pytest.mark.equations("D10")
def test_the_first_rmsprop_step_is_longer_than_the_learning_rate():
    j, alpha, beta = np.array([0.3, -20.0]), 0.1, 0.9
    step = alpha / np.sqrt((1 - beta) * j**2) * np.abs(j)
    np.testing.assert_allclose(step, alpha / np.sqrt(1 - beta), rtol=ROUNDING)  # 3.16 α
    unbiased = (1 - beta) * j**2 / (1 - beta)
    np.testing.assert_allclose(alpha / np.sqrt(unbiased) * np.abs(j), alpha, rtol=ROUNDING)


METHODS = {
    # q_{n+1} = Σ a_i q_{n-i} - α Σ b_i J_{n-i}, and the largest stable α on J = q
    "Euler": ([1], [1], 2),
    "Eq. 13": ([0, 1], [2], 0),
    "Eq. 14": ([-3 / 2, 3, -1 / 2], [3], 0),
    "two-step Adams-Bashforth": ([1], [3 / 2, -1 / 2], 1),
    "three-step Adams-Bashforth": ([1], [23 / 12, -16 / 12, 5 / 12], 6 / 11),
    "three points, one gradient": ([1, -1 / 3, 1 / 3], [4 / 3], 2),
}


def growth(method, alpha):
    """The largest magnitude of a root of z^k = Σ (a_i - α b_i) z^{k-1-i}."""
    a, b, _ = METHODS[method]
    terms = np.zeros(max(len(a), len(b)))
    terms[: len(a)] += a
    terms[: len(b)] -= alpha * np.array(b)
    return np.abs(np.roots([1, *-terms])).max()


@pytest.mark.equations("D13", "D14")
@pytest.mark.parametrize(("method", "ratio"), [("Eq. 13", -1.104987562), ("Eq. 14", -2.895663301)])
def test_the_printed_multistep_formulas_grow_for_every_learning_rate(method, ratio):
    assert all(growth(method, alpha) > 1 for alpha in np.geomspace(1e-6, 10, 100))
    a, b, _ = METHODS[method]
    q = [np.exp(-0.1 * n) for n in range(len(a))]  # starts exactly on the solution of q' = -q
    for _ in range(300):
        q.append(sum(a_i * q[-1 - i] for i, a_i in enumerate(a)) - 0.1 * b[0] * q[-1])
    assert q[-1] / q[-2] == pytest.approx(ratio, rel=1e-9)
    assert growth(method, 0.1) == pytest.approx(-ratio, rel=1e-9)


@pytest.mark.equations("D14")
def test_equation_14_grows_even_without_a_gradient():
    assert growth("Eq. 14", 0.0) == pytest.approx((5 + np.sqrt(33)) / 4)
    assert growth("Eq. 13", 0.0) == pytest.approx(1)
    assert growth("three points, one gradient", 0.0) == pytest.approx(1)


@pytest.mark.equations("D12", "D13", "D14")
def test_higher_order_steps_do_not_allow_a_larger_learning_rate_than_euler():
    for method, (_, _, limit) in METHODS.items():
        if limit:
            assert max(growth(method, alpha) for alpha in np.linspace(0.01, 0.99, 50) * limit) <= 1
            assert growth(method, 1.01 * limit) > 1
        assert limit <= METHODS["Euler"][2]


@pytest.mark.equations("D12")
def test_runge_kutta_keeps_no_higher_derivatives():
    calls = []

    def j(q):
        calls.append(q)
        return q * q  # q' = -q², q = 1 / (1 + t)

    def reached(steps):
        q, h = 1.0, 1 / steps
        for _ in range(steps):
            k1 = -j(q)
            k2 = -j(q + h / 2 * k1)
            k3 = -j(q + h / 2 * k2)
            q += h / 6 * (k1 + 2 * k2 + 2 * k3 - j(q + h * k3))
        return q

    errors = [abs(reached(steps) - 0.5) for steps in (10, 20)]
    assert len(calls) == 4 * 30  # gradients only, and nothing but q is handed on
    assert errors[0] / errors[1] == pytest.approx(2**4, rel=0.15)


# delmas: logistic regression and dense networks, Eqs. 15-33


@pytest.mark.equations("D15")
def test_the_soft_logistic_as_printed_is_not_a_number_near_the_end_of_the_range(bind):
    z = np.float32(3e38) * np.array([-1, 1], np.float32)
    with np.errstate(over="ignore", invalid="ignore"):
        printed = (np.abs(z) + z + 1) / (2 * np.abs(z) + 2)
    assert np.isnan(printed[1])
    tail = 0.5 / (1 + np.abs(z))
    np.testing.assert_array_equal(np.where(z < 0, tail, 1 - tail), np.array([tail[0], 1]))
    model = bind([Activation("soft_logistic")], 2, dtype="float32")
    np.testing.assert_array_equal(model.forward(z[None])[0], np.array([tail[0], 1]))


@pytest.mark.equations("D15", "D27")
def test_the_soft_logistic_does_not_have_the_slope_of_the_logistic(bind):
    z, h = np.array([-3.0, -0.4, 0.7, 3.0]), 6e-6

    def sigma(z):
        return (np.abs(z) + z + 1) / (2 * np.abs(z) + 2)

    np.testing.assert_allclose(sigma(np.array([-3.0, -1, 0, 1, 3])), [1 / 8, 1 / 4, 1 / 2, 3 / 4, 7 / 8], rtol=ROUNDING)
    differences = (sigma(z + h) - sigma(z - h)) / (2 * h)
    assert np.abs(sigma(z) * (1 - sigma(z)) - differences).max() > WRONG
    corrected = 1 / (2 * (1 + np.abs(z)) ** 2)
    np.testing.assert_allclose(corrected, differences, rtol=1e-8)  # what central differences can give
    model = bind([Activation("soft_logistic")], 4)
    np.testing.assert_allclose(model.vjp(z[None], np.ones((1, 4)))[1][0], corrected, rtol=ROUNDING)


@pytest.mark.equations("D19", "D20")
@pytest.mark.parametrize("n", [2, 10])
def test_softmax_of_logistic_outputs_never_passes_e_over_e_plus_n_minus_one(bind, n):
    z = np.full(n, -60.0)
    z[0] = 60  # as sure as a logistic layer can be
    bound = np.e / (np.e + n - 1)
    theta = np.concatenate([np.zeros(n), z])
    capped = bind([Dense(n, activation="logistic"), Activation("softmax")], 1, theta).forward(np.zeros((1, 1)))
    free = bind([Dense(n), Activation("softmax")], 1, theta).forward(np.zeros((1, 1)))
    assert capped[0, 0] == pytest.approx(bound, rel=1e-12)
    assert softmax(logistic(z))[0] == pytest.approx(bound, rel=1e-12)
    assert free[0, 0] == 1
    assert -np.log(bound) == pytest.approx({2: 0.3133, 10: 1.4612}[n], abs=1e-4)  # the least cross-entropy


@pytest.mark.equations("D21", "D22", "D25", "D30")
def test_the_dot_product_costs_lack_the_mean_over_outputs_of_equation_22(bind, complex_step, relative_error, rng):
    z, y = rng.standard_normal(3), np.array([0.0, 1, 1])

    def dot(z):  # Eq. 21, "everything entry-wise"
        p = logistic(z)
        return -y @ np.log(p) - (1 - y) @ np.log(1 - p)

    by_equation_32 = (logistic(z) - y) / 3
    assert relative_error(by_equation_32, complex_step(dot, z)) > WRONG
    assert relative_error(by_equation_32, complex_step(lambda moved: dot(moved) / 3, z)) <= ROUNDING
    theta = np.concatenate([np.zeros(3), z])
    layer = Dense(3, activation="logistic")
    model = bind([layer], 1, theta, loss="binary_cross_entropy", reduction="mean_outputs")
    gradient = model.loss_and_gradient(np.zeros((1, 1)), y[None])[1][3:]
    assert relative_error(gradient, by_equation_32) <= ROUNDING


@pytest.mark.equations("D21")
def test_cross_entropy_is_no_distance():
    p, other = np.array([0.2, 0.3, 0.5]), np.array([0.5, 0.3, 0.2])

    def divergence(y, v):
        return -y @ np.log(v) + y @ np.log(y)  # cross-entropy less the entropy of the targets

    assert -p @ np.log(p) > WRONG  # cross-entropy of a distribution to itself
    assert divergence(p, p) == 0 < divergence(p, other)


@pytest.mark.equations("D30", "D32", "D33")
@pytest.mark.parametrize("post", ["identity", "softmax"])
def test_the_start_of_back_propagation_needs_the_slope_of_the_last_layer(bind, complex_step, relative_error, rng, post):
    x, y, w = rng.standard_normal(3), np.array([0.0, 1, 0]), rng.standard_normal((2, 3, 3))
    zeta = softmax if post == "softmax" else lambda v: v
    z = [w[0] @ x, w[1] @ np.tanh(w[0] @ x)]
    slopes = [1 - np.tanh(z[0]) ** 2, 1 - np.tanh(z[1]) ** 2]  # q of both layers, equally wide
    p = np.tanh(z[1])

    def cost(last):
        return ((zeta(np.tanh(last)) - y) ** 2).sum() / 2 / 3

    by_post = zeta(p) - y
    if post == "softmax":
        by_post = zeta(p) * (by_post - by_post @ zeta(p))  # Eq. 33
    reference = complex_step(cost, z[1])
    assert relative_error(by_post / 3 * slopes[0], reference) > WRONG
    assert relative_error(by_post / 3 * slopes[1], reference) <= ROUNDING
    model = bind(
        [Dense(3, activation="tanh"), Activation(post)],
        3,
        np.concatenate([np.zeros(9), z[1]]),
        reduction="mean_outputs",
    )
    assert relative_error(model.loss_and_gradient(np.zeros((1, 3)), y[None])[1][9:], reference) <= ROUNDING


@pytest.mark.equations("D33")
def test_equation_33_is_not_a_number_for_cross_entropy_of_a_vanished_class(bind):
    v, y = np.array([0.0, 800.0]), np.array([1.0, 0])
    zeta = softmax(v)
    with np.errstate(divide="ignore", invalid="ignore"):
        slope = -y / zeta  # ℓ̃'
        assert np.isnan(zeta * (slope - slope @ zeta)).any()
    corrected = (y.sum() * zeta - y) / 2
    model = bind([Dense(2, activation="softmax")], 1, [0, 0, *v], loss="cross_entropy", reduction="mean_outputs")
    gradient = model.loss_and_gradient(np.zeros((1, 1)), y[None])[1][2:]
    np.testing.assert_array_equal(gradient, corrected)
    np.testing.assert_array_equal(corrected, [-0.5, 0.5])


# delmas: convolutional networks, Eqs. 34-47


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


# The document


def test_every_negative_test_is_named_in_the_document_and_every_name_is_here():
    document = Path(__file__).parents[2].joinpath("docs", "corrections.md").read_text(encoding="utf-8")
    named = re.findall(r"^- Negative test: `(\w+)`$", document, re.MULTILINE)
    tests = {
        node.name: [
            argument.value for mark in node.decorator_list if "equations" in ast.dump(mark) for argument in mark.args
        ]
        for node in ast.parse(Path(__file__).read_text(encoding="utf-8")).body
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    }
    negative = {name for name, equations in tests.items() if equations}
    assert sorted(named) == sorted(negative)
    headings = re.findall(r"^### (\d+)\. ", document, re.MULTILINE)
    assert [int(number) for number in headings] == list(range(1, len(named) + 1))
