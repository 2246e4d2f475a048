"""Hedberg, section 7: BFGS and L-BFGS."""

from __future__ import annotations

import numpy as np
import pytest

from tests.oracle.corrections.formulas import ROUNDING, WRONG, quadratic


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
