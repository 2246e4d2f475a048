"""Losses and output deltas (Hedberg 2015, Eqs. 20-32, 105, Tables 2-3; delmas, Eqs. 19-22)."""

from __future__ import annotations

import numpy as np
import pytest

import gcnn
from gcnn.backend import Program, Saved, get_backend
from gcnn.errors import LossError
from gcnn.layers import Activation, Dense, Flatten, WeightedSubsampling

PAIRS = [
    ("cross_entropy", "softmax"),
    ("binary_cross_entropy", "logistic"),
    ("mse", "identity"),
    ("mse", "tanh"),
    ("mse", "softmax"),
    ("sse", "soft_logistic"),
    ("cross_entropy", "logistic"),
    ("cross_entropy", "softplus"),
    ("binary_cross_entropy", "soft_logistic"),
    ("binary_cross_entropy", "gompertz"),
    ("binary_cross_entropy", "softmax"),
]
FORMULAS = {
    "mse": lambda y, t: 0.5 * (t - y) ** 2,
    "sse": lambda y, t: (t - y) ** 2,
    "cross_entropy": lambda y, t: -t * np.log(y),
    "binary_cross_entropy": lambda y, t: -t * np.log(y) - (1 - t) * np.log(1 - y),
}
every_pair = pytest.mark.parametrize(("loss", "activation"), PAIRS)


@pytest.fixture(scope="module", autouse=True)
def gompertz():
    """φ(z) = exp(-exp(-z)) into (0, 1): an activation that no loss has a closed form for."""
    name = "gompertz of test_losses"
    gcnn.register_activation(name, lambda z: np.exp(-np.exp(-z)), lambda z: np.exp(-z - np.exp(-z)), (0, 1))
    return name


@pytest.fixture
def output(bind, gompertz):
    """A model that is its last layer alone, so that its input is z; and δ(z, t) of its loss."""

    def make(loss, activation, outputs=4, dtype="float64", **network):
        layer = Activation(gompertz if activation == "gompertz" else activation)
        model = bind([layer], outputs, loss=loss, dtype=dtype, **{"reduction": "sum", **network})

        def delta(z, t):
            own = get_backend("numpy").loss(Program.of(model.network), model.device, model.dtype)
            return own.evaluate(Saved(z, z, model.forward(z)), t)[1]

        return model, delta

    return make


def values(seed=0, shape=(3, 4)):
    rng = np.random.default_rng(seed)
    return rng.standard_normal(shape), rng.uniform(0.1, 0.9, shape)


@pytest.mark.row("L3")
@pytest.mark.equations("H27", "H30", "H38", "HT2", "HT3")
def test_softmax_cross_entropy_has_its_worked_values_and_gradients(bind):
    w, y0, t = [[0.1, 0.2], [0.3, -0.1], [-0.2, 0.4]], np.array([[1.0, 2]]), np.array([[0.0, 1, 0]])
    model = bind([Dense(3, activation="softmax")], 2, [*np.ravel(w), 0, 0, 0], loss="cross_entropy", reduction="sum")
    loss, gradient = model.loss_and_gradient(y0, t)
    assert loss == pytest.approx(1.42082765555326, abs=1e-13)
    delta = np.array([0.360296615241, -0.758485956285, 0.398189341045])
    np.testing.assert_allclose(gradient[6:], delta, rtol=0, atol=1e-12)
    np.testing.assert_allclose(gradient[:6].reshape(3, 2), np.outer(delta, y0), rtol=0, atol=2e-12)
    np.testing.assert_allclose(gradient[6:] @ w, [-0.271153993571, 0.307183655095], rtol=0, atol=1e-12)


@pytest.mark.row("L1", "L2", "L3", "L5")
@pytest.mark.equations("H21", "H26", "H27", "H105", "HT2", "D21")
@every_pair
def test_a_loss_has_the_value_of_its_formula(loss, activation, output):
    model, _ = output(loss, activation)
    z, t = values()
    y = model.forward(z)
    assert model.loss(z, t) == pytest.approx(FORMULAS[loss](y, t).sum(), rel=1e-13)


@pytest.mark.row("L1", "L2", "L3", "L4", "L5")
@pytest.mark.equations("H6", "H22", "H23", "H28", "H30", "H31", "H32", "HT3", "HR1", "D30", "D32", "D33")
@pytest.mark.parametrize("weights", [None, (0.5, 2, 0, 1)])
@every_pair
def test_a_batched_output_delta_equals_the_complex_step(
    loss, activation, weights, output, complex_step, relative_error
):
    """Targets are not normalised: Σ t is about 2."""
    z, t = values(1)
    _, delta = output(loss, activation, weights=weights)
    stepped, _ = output(loss, activation, dtype="complex128", weights=weights)
    assert relative_error(delta(z, t), complex_step(lambda moved: stepped.plan.loss(moved, t), z)) <= 1e-12


TABLE_3 = {
    ("cross_entropy", "softmax"): lambda y, t, slope: t.sum(axis=1, keepdims=True) * y - t,
    ("binary_cross_entropy", "logistic"): lambda y, t, slope: -(t - y),
    ("mse", "identity"): lambda y, t, slope: -(t - y),
    ("mse", "tanh"): lambda y, t, slope: -(t - y) * slope,
    ("cross_entropy", "logistic"): lambda y, t, slope: -t / y * slope,
    ("binary_cross_entropy", "soft_logistic"): lambda y, t, slope: -(t - y) / (y * (1 - y)) * slope,
    ("binary_cross_entropy", "gompertz"): lambda y, t, slope: -(t - y) / (y * (1 - y)) * slope,
}


@pytest.mark.row("L4")
@pytest.mark.equations("H6", "H14", "H22", "H23", "H28", "H31", "H32", "HT3")
@pytest.mark.parametrize(("loss", "activation"), TABLE_3)
def test_an_output_delta_is_its_row_of_table_3(loss, activation, output, relative_error):
    model, delta = output(loss, activation)
    z, t = values(2)
    y, slope = model.forward(z), model.vjp(z, np.ones_like(z))[1]
    assert relative_error(delta(z, t), TABLE_3[loss, activation](y, t, slope)) < 1e-14


@pytest.mark.row("L3", "L4")
@pytest.mark.equations("H27", "H30", "HT3")
def test_a_softmax_delta_for_targets_that_sum_to_more_than_one_is_not_t_minus_y(output):
    model, delta = output("cross_entropy", "softmax", 3)
    z, t = np.array([[0.5, 0.1, 0.6]]), np.array([[0.4, 0.9, 0.8]])
    y = model.forward(z)
    np.testing.assert_allclose(delta(z, t), 2.1 * y - t, rtol=0, atol=2e-14)
    assert np.abs(delta(z, t) - (y - t)).max() > 0.2


@pytest.mark.row("L3", "L4", "N1")
@pytest.mark.equations("H27", "H38")
@every_pair
def test_gradients_below_every_output_pair_equal_the_complex_step(loss, activation, gompertz, check_gradients):
    last = gompertz if activation == "gompertz" else activation
    check_gradients([Dense(3, activation="tanh"), Dense(4, activation=last)], 3, loss=loss)


@pytest.mark.row("L2")
@pytest.mark.equations("H26", "D21")
def test_binary_cross_entropy_is_the_same_from_outputs_and_from_logits(bind):
    rng = np.random.default_rng(3)
    x, t, theta = 4 * rng.standard_normal((20, 3)), rng.uniform(0, 1, (20, 2)), rng.standard_normal(8)
    logits = bind([Dense(2, activation="logistic")], 3, theta, loss="binary_cross_entropy")
    outputs = bind([Dense(2, activation="logistic"), Flatten()], 3, theta, loss="binary_cross_entropy")
    for one, other in zip(logits.loss_and_gradient(x, t), outputs.loss_and_gradient(x, t), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-12)


@pytest.mark.row("L2")
@pytest.mark.equations("H26", "HR1", "D21")
def test_binary_cross_entropy_is_exact_and_finite_at_logits_of_eight_hundred(output):
    model, delta = output("binary_cross_entropy", "logistic", 4)
    z, t = np.array([[800.0, 800, -800, -800]]), np.array([[0.0, 1, 0, 1]])
    assert model.loss(z, t) == 1600
    np.testing.assert_array_equal(delta(z, t), [[1, 0, 0, -1]])


@pytest.mark.row("L3")
@pytest.mark.equations("H27", "HT3")
@pytest.mark.parametrize(("largest", "dtype"), [(1e3, "float64"), (1e4, "float32"), (3e38, "float32")])
def test_softmax_cross_entropy_is_exact_and_finite_at_any_logit(largest, dtype, output):
    model, delta = output("cross_entropy", "softmax", 3, dtype)
    z = np.array([[-largest, 0, largest]], dtype)
    right, wrong = np.array([[0, 0, 1.0]]), np.array([[0, 1.0, 0]])
    assert model.loss(z, right) == 0
    assert model.loss(z, wrong) == pytest.approx(largest, rel=1e-6)
    np.testing.assert_array_equal(delta(z, right), [[0, 0, 0]])
    np.testing.assert_array_equal(delta(z, wrong), [[0, -1, 1]])


@pytest.mark.row("L2", "L3", "L4")
@pytest.mark.equations("H26", "H27", "H28", "H32")
@pytest.mark.parametrize("loss", ["cross_entropy", "binary_cross_entropy"])
def test_a_loss_taken_from_saturated_outputs_stays_finite_and_ignores_absent_targets(loss, bind):
    """The logistic reaches 0 and 1 in floating point; behind Flatten its logits are out of sight."""
    model = bind([Activation("logistic"), Flatten()], 2, loss=loss, reduction="sum")
    z = np.array([[-800.0, 800.0]])
    assert np.isfinite(model.loss(z, np.array([[1.0, 0]])))
    assert model.loss(z, np.array([[0.0, 1]])) == pytest.approx(0, abs=1e-15)


@pytest.mark.row("L3")
@pytest.mark.equations("H27", "H28")
def test_a_target_of_zero_contributes_exactly_nothing_to_categorical_cross_entropy(output):
    model, delta = output("cross_entropy", "softplus", 2)
    z, t = np.array([[-900.0, 0.3]]), np.array([[0.0, 1]])
    assert model.loss(z, t) == pytest.approx(-np.log(np.log(1 + np.exp(0.3))), rel=1e-14)
    assert delta(z, t)[0, 0] == 0


@pytest.mark.row("L5", "L1")
@pytest.mark.equations("H105", "H106")
def test_the_sum_of_squares_and_its_gradient_are_exactly_twice_the_half_squared_error(bind):
    rng = np.random.default_rng(4)
    x, t, theta = rng.standard_normal((5, 3)), rng.standard_normal((5, 2)), rng.standard_normal(8)
    half, whole = (bind([Dense(2, activation="tanh")], 3, theta, loss=loss) for loss in ("mse", "sse"))
    assert whole.loss(x, t) == 2 * half.loss(x, t)
    np.testing.assert_array_equal(whole.loss_and_gradient(x, t)[1], 2 * half.loss_and_gradient(x, t)[1])


@pytest.mark.row("L2", "L3")
@pytest.mark.equations("H27", "H32")
@pytest.mark.parametrize("last", [Dense(2), Dense(2, activation="tanh"), Dense(2, activation="relu")])
@pytest.mark.parametrize("loss", ["cross_entropy", "binary_cross_entropy"])
def test_cross_entropy_is_refused_where_outputs_can_leave_its_domain(loss, last, bind):
    with pytest.raises(LossError, match="log y"):
        bind([last], 2, loss=loss)


@pytest.mark.row("L2")
@pytest.mark.equations("H32")
def test_binary_cross_entropy_is_refused_on_values_above_one(bind):
    with pytest.raises(LossError, match=r"\(0, 1\)"):
        bind([Activation("logistic"), WeightedSubsampling(2)], (1, 4, 4), loss="binary_cross_entropy")


@pytest.mark.row("L2")
@pytest.mark.parametrize("target", [-0.1, 1.5])
def test_binary_targets_outside_zero_and_one_are_refused(target, output):
    model, _ = output("binary_cross_entropy", "logistic", 1)
    with pytest.raises(LossError, match=r"\[0, 1\]"):
        model.loss(np.zeros((1, 1)), np.array([[target]]))
