"""Hedberg, section 4: Levenberg-Marquardt."""

from __future__ import annotations

import numpy as np
import pytest

from gcnn.layers import Dense
from tests.oracle.corrections.formulas import ROUNDING, WRONG


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
