"""Methods that scale every parameter by its gradients so far (delmas, Eqs. 9-11), and the full-matrix AdaGrad."""

from __future__ import annotations

import numpy as np
import pytest

import gcnn
from gcnn.layers import Dense
from gcnn.optimizers import AdaGrad, Adam, RMSProp
from gcnn.optimizers.base import MATRIX_LIMIT

RNG_STEPS = 12


@pytest.fixture
def gradients():
    """Steps of a made-up gradient of four parameters, of sizes from 0.01 to 10."""
    return np.random.default_rng(1).standard_normal((RNG_STEPS, 4)) * [0.01, 0.3, 1.0, 10.0]


def walk(rule, gradients):
    q, places = np.zeros(gradients.shape[1]), []
    for gradient in gradients:
        q = rule.step(q, gradient)
        places.append(q)
    return np.array(places)


@pytest.mark.row("O4")
@pytest.mark.equations("D9")
def test_the_mean_with_a_rate_is_the_sum_with_the_rate_times_the_root_of_the_step_number(gradients):
    tiny = 1e-300  # ε is not scaled along, so it must not count
    mean = walk(AdaGrad(0.1, "mean", tiny), gradients)
    np.testing.assert_allclose(
        mean, walk(AdaGrad(lambda count: 0.1 * np.sqrt(count + 1), "sum", tiny), gradients), rtol=1e-13
    )


@pytest.mark.row("O4")
@pytest.mark.equations("D9")
@pytest.mark.parametrize(("form", "share"), [("sum", lambda n: 1.0), ("mean", lambda n: 1 / n)])
def test_adagrad_divides_by_the_root_of_all_squares_so_far_plus_epsilon(gradients, form, share):
    eps, q = 0.3, np.zeros(4)
    rule, expected = AdaGrad(0.1, form, eps), np.zeros(4)
    for n in range(1, RNG_STEPS + 1):
        q = rule.step(q, gradients[n - 1])
        squares = share(n) * (gradients[:n] ** 2).sum(axis=0)
        expected = expected - 0.1 * gradients[n - 1] / (np.sqrt(squares) + eps)
        np.testing.assert_allclose(q, expected, rtol=1e-13)


@pytest.mark.row("O5")
@pytest.mark.equations("D10")
def test_rmsprop_divides_by_the_root_of_the_weighted_mean_of_footnote_4(gradients):
    beta, q, expected = 0.7, np.zeros(4), np.zeros(4)
    rule = RMSProp(0.1, beta)
    for n in range(1, RNG_STEPS + 1):
        q = rule.step(q, gradients[n - 1])
        mean = (1 - beta) * sum(beta ** (n - k) * gradients[k - 1] ** 2 for k in range(1, n + 1))
        expected = expected - 0.1 * gradients[n - 1] / (np.sqrt(mean) + 1e-8)
        np.testing.assert_allclose(q, expected, rtol=1e-12)


@pytest.mark.row("O4", "O5", "O6")
@pytest.mark.equations("D9", "D10", "D11")
@pytest.mark.parametrize(
    ("rule", "length"),
    [
        (AdaGrad(0.1), 0.1),
        (AdaGrad(0.1, "mean"), 0.1),
        (RMSProp(0.1, 0.9), 0.1 / np.sqrt(0.1)),
        (RMSProp(0.1, 0.0), 0.1),
        (Adam(0.1), 0.1),
    ],
    ids=repr,
)
def test_the_first_step_has_one_length_whatever_the_gradient(rule, length):
    gradient = np.array([1e-2, -5.0, 2e4])
    step = rule.step(np.zeros(3), gradient)
    np.testing.assert_allclose(step, -length * np.sign(gradient), rtol=1e-5)  # ε = 1e-8 against 3e-3


@pytest.mark.row("O4")
@pytest.mark.equations("D9")
def test_the_full_matrix_is_the_sum_where_every_gradient_lies_on_an_axis(gradients):
    on_axes = gradients * (np.arange(4) == np.arange(RNG_STEPS)[:, None] % 4)
    np.testing.assert_allclose(
        walk(AdaGrad(0.1, "full"), on_axes), walk(AdaGrad(0.1, "sum"), on_axes), rtol=1e-13, atol=1e-300
    )


@pytest.mark.row("O4")
@pytest.mark.equations("D9")
@pytest.mark.parametrize("eps", [0.5, 1e-8])
def test_a_full_matrix_step_times_the_root_plus_epsilon_is_the_gradient(gradients, eps):
    """Checked without an eigen-decomposition: the root R of G by Newton's iteration, then (R + ε I) step = -α g."""
    made, rule, q = gradients[:, 1:], AdaGrad(0.1, "full", eps), np.zeros(3)
    for n, gradient in enumerate(made, start=1):
        moved = rule.step(q, gradient) - q
        q = q + moved
        if n >= 3:  # from here on G is regular
            root, inverse = made[:n].T @ made[:n], np.eye(3)  # Denman and Beavers 1976
            for _ in range(60):
                root, inverse = (root + np.linalg.inv(inverse)) / 2, (inverse + np.linalg.inv(root)) / 2
            np.testing.assert_allclose((root + eps * np.eye(3)) @ moved, -0.1 * gradient, rtol=1e-9, atol=1e-12)


@pytest.mark.row("O4")
@pytest.mark.equations("D9")
def test_the_full_matrix_follows_a_rotation_of_the_parameters_and_the_sum_does_not(gradients):
    turn, _ = np.linalg.qr(np.random.default_rng(2).standard_normal((4, 4)))
    full, turned = (walk(AdaGrad(0.1, "full", 0.5), g) for g in (gradients, gradients @ turn.T))
    np.testing.assert_allclose(turned, full @ turn.T, rtol=0, atol=1e-12)
    full, turned = (walk(AdaGrad(0.1, "sum", 0.5), g) for g in (gradients, gradients @ turn.T))
    assert np.abs(turned - full @ turn.T).max() > 0.01


@pytest.mark.row("O4")
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_a_singular_matrix_moves_nothing_off_the_gradients_beyond_rounding(dtype):
    """One gradient spans one direction: what rounding leaves elsewhere must not be divided by ε alone."""
    gradient = np.random.default_rng(3).standard_normal(40).astype(dtype)
    step = AdaGrad(0.1, "full").step(np.zeros(40, dtype), gradient)
    along = gradient / np.linalg.norm(gradient)
    assert np.linalg.norm(step + 0.1 * along) < 0.1 * np.sqrt(40 * np.finfo(dtype).eps)


@pytest.mark.row("O4")
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_zero_gradients_leave_the_adaptive_methods_where_they_are(dtype):
    start = np.array([1.0, -2.0], dtype)
    for rule in (AdaGrad(), AdaGrad(form="mean"), AdaGrad(form="full"), RMSProp(), Adam()):
        np.testing.assert_array_equal(rule.step(start, np.zeros(2, dtype)), start)


@pytest.mark.parametrize("make", [AdaGrad, lambda: AdaGrad(form="mean"), lambda: AdaGrad(form="full"), RMSProp, Adam])
def test_a_gradient_that_is_not_a_number_shows_in_the_parameters(make):
    assert np.isnan(make().step(np.ones(3), np.array([1.0, np.nan, 2.0]))[1])


def test_a_full_matrix_is_accepted_up_to_the_limit_and_has_a_slot_in_the_plan(bind):
    AdaGrad(form="full").check_length(MATRIX_LIMIT)
    model = bind([Dense(1)], 4)
    gcnn.training_step(model, AdaGrad(form="full"))
    assert {name: slot.shape for name, slot in model.plan.slots.items()} == {"products": (25,)}
