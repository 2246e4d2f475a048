"""Hedberg, sections 3 and 3.1: the general network and dense layers."""

from __future__ import annotations

import numpy as np
import pytest

from gcnn import Network
from gcnn.errors import LossError
from gcnn.layers import Activation, Dense
from tests.oracle.corrections.formulas import ROUNDING, WRONG, logistic, softmax


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
