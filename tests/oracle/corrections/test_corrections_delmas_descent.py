"""delmas: gradient descent, Eqs. 1-14."""

from __future__ import annotations

import numpy as np
import pytest

from gcnn.optimizers import AdaGrad, Adam, DampedParticle, Momentum, RMSProp
from tests.oracle.corrections.formulas import ROUNDING, WRONG


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
    for optimizer in (Momentum(alpha**2, beta), DampedParticle(alpha, gamma)):  # Hedberg's Eq. 121: μ = α², p = 1 - γα
        q, made = start, []
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
    for form, size in (("mean", printed), ("sum", standard)):
        optimizer, q = AdaGrad(1.0, form, eps=1e-300), np.zeros(1)
        for g, rate in zip(gradients[:50], size, strict=False):
            moved = optimizer.step(q, np.array([g])) - q
            assert moved == pytest.approx(-rate * g, rel=1e-12, abs=1e-14)
            q = q + moved


@pytest.mark.equations("D9", "D10", "D11")
def test_a_zero_gradient_makes_the_adaptive_methods_as_printed_not_a_number():
    q, j, alpha, beta = np.array([1.0, 1]), np.array([0.0, 2]), 0.1, 0.9
    with np.errstate(divide="ignore", invalid="ignore"):
        for square in (j**2, (1 - beta) * j**2):  # Eqs. 9 and 10; bias-corrected Eq. 11 equals Eq. 9 in step 1
            assert np.isnan((q - alpha / np.sqrt(square) * j)[0])
    np.testing.assert_allclose(q - alpha / (np.sqrt(j**2) + 1e-8) * j, [1, 0.9], rtol=1e-8)
    for optimizer in (AdaGrad(alpha), AdaGrad(alpha, "mean"), RMSProp(alpha * np.sqrt(1 - beta), beta), Adam(alpha)):
        np.testing.assert_allclose(optimizer.step(q, j), [1, 0.9], rtol=2e-8)


@pytest.mark.equations("D10")
def test_the_first_rmsprop_step_is_longer_than_the_learning_rate():
    j, alpha, beta = np.array([0.3, -20.0]), 0.1, 0.9
    step = alpha / np.sqrt((1 - beta) * j**2) * np.abs(j)
    np.testing.assert_allclose(step, alpha / np.sqrt(1 - beta), rtol=ROUNDING)  # 3.16 α
    unbiased = (1 - beta) * j**2 / (1 - beta)
    np.testing.assert_allclose(alpha / np.sqrt(unbiased) * np.abs(j), alpha, rtol=ROUNDING)
    moved = RMSProp(alpha, beta, eps=1e-300).step(np.zeros(2), j)
    np.testing.assert_allclose(-moved * np.sign(j), step, rtol=ROUNDING)


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
