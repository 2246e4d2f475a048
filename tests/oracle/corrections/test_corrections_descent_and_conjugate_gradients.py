"""Hedberg, sections 5 and 6: gradient descent and conjugate gradients."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from gcnn.optimizers import Momentum
from tests.oracle.corrections.formulas import ROUNDING, WRONG, quadratic


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
