"""Radial basis layers and feature maps on a device, where the conformance cases are small or do not look."""

from __future__ import annotations

import numpy as np
import pytest

import gcnn
from gcnn.backend import Program
from gcnn.backends.opencl.backend import BACKEND
from gcnn.layers import Dense, FeatureMap, RadialBasis

RTOL = 1e-12
"""A few thousand roundings of float64, of the largest value; what is wrong is off by more than 1e-3 here."""


def _close(found, expected, rtol=RTOL):
    np.testing.assert_allclose(found, expected, rtol=0, atol=rtol * np.abs(expected).max(initial=1.0))


def _gradient(plan):
    return plan.vectors.download(plan.gradient)


@pytest.mark.parametrize(("power", "beta"), [(1, "log"), (2, "plain")])
def test_radial_units_equal_the_oracle_in_whole_blocks_and_in_a_ragged_one(plans, power, beta):
    plan, oracle = plans([RadialBasis(9, power, beta)], (2, 5), batch=67)
    rng = np.random.default_rng(1)
    for samples in (67, 3, 1, 32):
        x, v = rng.standard_normal((samples, 2, 5)), rng.standard_normal((samples, 9))
        _close(plan.forward(x), oracle.forward(x))
        _close(plan.vjp(x, v), oracle.vjp(x, v))
        _close(_gradient(plan), _gradient(oracle))
        _close(plan.sample_gradients(x, v), oracle.sample_gradients(x, v))
        _close(plan.sample_gradients(x, v).sum(axis=0), _gradient(plan))


def test_a_sample_at_a_centre_has_slope_zero_there_and_its_own_slope_elsewhere(plans):
    centres = np.array([[1.0, -1.0], [0.5, 2.0]])
    plan, oracle = plans([RadialBasis(2)], 2, "float32", theta=[*centres.ravel(), 0.3, -0.2])
    x, v = centres[:1], np.ones((1, 2))
    dx, gradient = plan.vjp(x, v), _gradient(plan)
    _close(dx, oracle.vjp(x, v), 1e-6)
    assert plan.forward(x)[0, 0] == 1
    assert gradient[:2].tolist() == [0, 0]
    assert gradient[4] == 0
    assert np.abs(gradient[2:4]).min() > 0


def test_distances_keep_their_digits_far_from_the_origin(plans):
    """‖y‖² + ‖c‖² - 2 y·c would be off by 1 here: squares of 4096 fill the 24 bits of float32."""
    shift = np.array([0.25, -0.125, 0.5])
    centre = np.full(3, 4096.0)
    plan, _ = plans([RadialBasis(1, 2, "plain")], 3, "float32", theta=[*centre, 1.0])
    assert plan.forward((centre + shift)[None])[0, 0] == pytest.approx(np.exp(-(shift @ shift)), rel=4e-7)


def test_equal_calls_give_equal_bits_after_other_data(plans):
    plan, _ = plans([FeatureMap("monomials", 3), RadialBasis(9)], 3, "float32", batch=37)
    rng = np.random.default_rng(2)
    x, v = rng.standard_normal((37, 3)), rng.standard_normal((37, 9))
    first = plan.vjp(x, v), _gradient(plan), plan.sample_gradients(x, v)
    plan.vjp(3 * x[::-1], -v)
    again = plan.vjp(x, v), _gradient(plan), plan.sample_gradients(x, v)
    for one, other in zip(first, again, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(
    "layer", [RadialBasis(3), RadialBasis(3, 2), FeatureMap("trigonometric"), FeatureMap("monomials")]
)
def test_values_that_are_not_finite_come_out_as_from_the_oracle_and_leave_other_samples_alone(plans, layer):
    plan, oracle = plans([layer], 2, batch=5)
    x = np.array([[0.3, -0.4], [np.nan, 1.0], [np.inf, 1.0], [-np.inf, np.inf], [0.1, 0.2]])
    v = np.ones((5, oracle.program.outputs.points))
    with np.errstate(all="ignore"):
        expected = oracle.forward(x), oracle.vjp(x, v), oracle.sample_gradients(x, v)
    for found, wanted in zip((plan.forward(x), plan.vjp(x, v), plan.sample_gradients(x, v)), expected, strict=True):
        np.testing.assert_allclose(found, wanted, rtol=RTOL, atol=RTOL)


@pytest.mark.parametrize(
    ("kind", "degree", "inputs"),
    [("monomials", 1, 5), ("monomials", 2, 6), ("monomials", 5, 1), ("monomials", 4, 3), ("trigonometric", 1, 9)]
    + [("trigonometric", 4, (2, 3))],
)
def test_features_and_their_pullback_equal_the_oracles(plans, kind, degree, inputs):
    plan, oracle = plans([FeatureMap(kind, degree)], inputs, batch=35)
    rng = np.random.default_rng(3)
    x, v = (
        rng.standard_normal((35, *oracle.program.inputs.shape)),
        rng.standard_normal((35, *oracle.program.outputs.shape)),
    )
    x[4] = 0
    _close(plan.forward(x), oracle.forward(x))
    _close(plan.vjp(x, v), oracle.vjp(x, v))


def test_the_slope_of_a_product_with_a_factor_of_zero_is_the_product_of_the_others(plans):
    plan, _ = plans([FeatureMap("monomials", 3)], 2)
    features = ["x", "y", "xx", "xy", "yy", "xxx", "xxy", "xyy", "yyy"]
    v = np.zeros((1, 9))
    v[0, features.index("xyy")] = 1
    np.testing.assert_array_equal(plan.vjp(np.array([[0.0, 3.0]]), v), [[9, 0]])


def test_a_network_learns_through_a_radial_layer_between_others(plans):
    rule = gcnn.optimizers.GradientDescent(0.1).rule()
    layers = [Dense(3, activation="tanh"), RadialBasis(5, 2), Dense(2)]
    plan, oracle = plans(layers, 4, batch=20, update=rule)
    rng = np.random.default_rng(4)
    x, t = rng.standard_normal((20, 4)), rng.standard_normal((20, 2))
    for _ in range(5):
        assert plan.step(x, t) == pytest.approx(oracle.step(x, t), rel=RTOL)
    _close(plan.vectors.download(plan.theta), oracle.theta)


@pytest.mark.parametrize("kind", ["feature map", "radial function"])
def test_a_function_of_the_users_own_is_declined_by_name_when_planning(device, monkeypatch, kind):
    if kind == "feature map":
        monkeypatch.setattr(gcnn.layers.feature_map, "_FEATURES", dict(gcnn.layers.feature_map._FEATURES))
        gcnn.register_feature_map("own", lambda inputs: inputs, lambda x: x, lambda x, v: v)
        layer, need = FeatureMap("own"), r"FeatureMap\('own'\): feature functions not implemented"
    else:
        functions = dict(gcnn.layers.radial_basis._RADIAL_FUNCTIONS)
        monkeypatch.setattr(gcnn.layers.radial_basis, "_RADIAL_FUNCTIONS", functions)
        gcnn.register_radial_function("own", lambda s: s, lambda s: 1 + 0 * s)
        layer, need = RadialBasis(2, rho="own"), r"RadialBasis\(2, rho='own'\): radial functions not implemented"
    with pytest.raises(gcnn.Unsupported, match=need):
        BACKEND.plan(Program.of(gcnn.Network([layer], 2, "mse")), device, "float32", 4)
