"""Radial basis layers (Hedberg 2015, Eqs. 46-55)."""

from __future__ import annotations

import numpy as np
import pytest

import gcnn
from gcnn import Maps
from gcnn.layers import Dense, RadialBasis

INPUT, CENTRE, BETA = [2.0, 1.0], [1.0, -1.0], 0.5
WORKED = {
    1: (0.3269218953517579, [-0.073101958134, -0.146203916268], -0.7310195813396032),
    2: (0.0820849986238988, [-0.082084998624, -0.164169997248], -0.4104249931194939),
}
"""z, ∂z/∂y and ∂z/∂β by power p."""


@pytest.fixture(scope="module")
def inverse_multiquadric():
    """ρ(s) = 1 / sqrt(1 + s), registered once."""
    name = "inverse multiquadric of test_radial_basis"
    gcnn.register_radial_function(name, lambda s: (1 + s) ** -0.5, lambda s: -0.5 * (1 + s) ** -1.5, (0, 1))
    return name


@pytest.mark.row("N19")
@pytest.mark.equations("H46", "H51", "H52", "H53", "H54")
@pytest.mark.parametrize("power", [1, 2])
def test_the_worked_unit_has_the_printed_value_and_slopes(power, bind):
    z, by_input, by_beta = WORKED[power]
    model = bind([RadialBasis(1, power, beta="plain")], 2, [*CENTRE, BETA])
    x = np.array([INPUT])
    assert model.forward(x)[0, 0] == pytest.approx(z, abs=1e-15)
    gradient, dx = model.vjp(x, np.ones((1, 1)))
    np.testing.assert_allclose(dx[0], by_input, rtol=0, atol=1e-12)
    np.testing.assert_allclose(gradient[:2], np.negative(by_input), rtol=0, atol=1e-12)
    assert gradient[2] == pytest.approx(by_beta, abs=1e-15)


@pytest.mark.row("N19")
@pytest.mark.equations("H53", "H54")
@pytest.mark.parametrize("power", [1, 2])
def test_a_stored_log_beta_gives_the_same_unit_and_its_gradient_times_beta(power, bind):
    plain = bind([RadialBasis(1, power, beta="plain")], 2, [*CENTRE, BETA])
    log = bind([RadialBasis(1, power)], 2, [*CENTRE, np.log(BETA)])
    x, v = np.array([INPUT]), np.ones((1, 1))
    np.testing.assert_allclose(log.forward(x), plain.forward(x), rtol=1e-15)
    np.testing.assert_allclose(log.vjp(x, v)[0], plain.vjp(x, v)[0] * [1, 1, BETA], rtol=1e-14)


@pytest.mark.row("N19")
@pytest.mark.equations("H54")
@pytest.mark.parametrize("power", [1, 2])
def test_at_its_centre_a_unit_is_one_and_no_gradient_passes(power, bind):
    model = bind([RadialBasis(1, power)], 2, [*CENTRE, 0.3])
    x = np.array([CENTRE])
    assert model.forward(x)[0, 0] == 1
    gradient, dx = model.vjp(x, np.ones((1, 1)))
    np.testing.assert_array_equal(gradient, np.zeros(3))
    np.testing.assert_array_equal(dx, np.zeros((1, 2)))


@pytest.mark.row("N1", "N19")
@pytest.mark.equations("H46", "H47", "H48", "H49", "H50", "H51", "H52", "H53", "H54")
@pytest.mark.parametrize("beta", ["log", "plain"])
@pytest.mark.parametrize("power", [1, 2])
@pytest.mark.parametrize("inputs", [3, (2, 2, 2), Maps([(2, 1), (1, 3)])])
def test_gradients_of_centres_widths_and_inputs_equal_the_complex_step(inputs, power, beta, check_gradients):
    check_gradients([RadialBasis(4, power, beta)], inputs)


@pytest.mark.row("N19")
@pytest.mark.equations("H48", "H54")
@pytest.mark.parametrize("power", [1, 2])
def test_gradients_of_a_users_radial_function_equal_the_complex_step(power, inverse_multiquadric, check_gradients):
    check_gradients([RadialBasis(3, power, rho=inverse_multiquadric)], 3)


@pytest.mark.row("N19")
@pytest.mark.equations("H47", "H48", "H54")
def test_distances_survive_data_far_from_the_origin(bind):
    """Expanding ‖y - c‖² into ‖y‖² + ‖c‖² - 2 y·c is off by 1e-7 here, and can be negative."""
    far = 1e4 + np.array([0.1, 0.2, 0.3])
    model = bind([RadialBasis(1)], 3, [*far, 0])
    assert model.forward(far[None])[0, 0] == 1
    shift = np.array([0.3, -0.1, 0.7])
    moved = model.forward((far + shift)[None])[0, 0]
    assert moved == pytest.approx(np.exp(-np.sqrt(0.59)), rel=1e-11)  # far + shift is rounded by about 1e-12


CONNECTIONS = np.array([[1, 0, 1, 1], [0, 1, 0, 1]], dtype=bool)


@pytest.mark.row("N20")
@pytest.mark.equations("H55")
@pytest.mark.parametrize("power", [1, 2])
def test_the_connected_linear_output_equals_its_sums_written_out(power, bind, relative_error):
    rng = np.random.default_rng(0)
    centres, beta, y, delta = (rng.uniform(0.2, 1, shape) for shape in ((4, 3), 4, 3, 2))
    a = np.where(CONNECTIONS, rng.standard_normal((2, 4)), 0)
    layers = [RadialBasis(4, power, beta="plain"), Dense(2, table=CONNECTIONS, bias=False)]
    model = bind(layers, 3, [*centres.ravel(), *beta, *a[CONNECTIONS]])
    rho = [np.sqrt(sum((y[n] - c[n]) ** 2 for n in range(3))) for c in centres]
    g = [np.exp(-b * r**power) for b, r in zip(beta, rho, strict=True)]
    z = [sum(a[i, j] * g[j] for j in range(4) if CONNECTIONS[i, j]) for i in range(2)]
    np.testing.assert_allclose(model.forward(y[None])[0], z, rtol=0, atol=2e-14)
    s = [sum(delta[i] * a[i, j] for i in range(2)) for j in range(4)]
    slope = [-beta[j] * g[j] * (1 / rho[j] if power == 1 else 2) for j in range(4)]
    by_y = [[slope[j] * (y[n] - centres[j, n]) for n in range(3)] for j in range(4)]
    by_centres = [-s[j] * by_y[j][n] for j in range(4) for n in range(3)]
    by_beta = [-s[j] * rho[j] ** power * g[j] for j in range(4)]
    by_a = [delta[i] * g[j] for i in range(2) for j in range(4) if CONNECTIONS[i, j]]
    gradient, dx = model.vjp(y[None], delta[None])
    assert relative_error(gradient, np.array([*by_centres, *by_beta, *by_a])) < 1e-14
    assert relative_error(dx[0], np.array([sum(s[j] * by_y[j][n] for j in range(4)) for n in range(3)])) < 1e-14


@pytest.mark.row("N20")
@pytest.mark.equations("H55")
def test_the_connected_linear_output_is_a_full_one_whose_other_weights_are_zero(bind):
    rng = np.random.default_rng(1)
    radial, a, x = (
        rng.standard_normal(16),
        np.where(CONNECTIONS, rng.standard_normal((2, 4)), 0),
        rng.standard_normal((5, 3)),
    )
    table = bind([RadialBasis(4), Dense(2, table=CONNECTIONS, bias=False)], 3, [*radial, *a[CONNECTIONS]])
    full = bind([RadialBasis(4), Dense(2, bias=False)], 3, [*radial, *a.ravel()])
    np.testing.assert_allclose(table.forward(x), full.forward(x), rtol=0, atol=2e-14)


@pytest.mark.row("N1", "N20")
@pytest.mark.equations("H55")
@pytest.mark.parametrize("power", [1, 2])
def test_gradients_of_a_radial_basis_network_equal_the_complex_step(power, check_gradients):
    check_gradients([RadialBasis(4, power), Dense(2, table=CONNECTIONS, bias=False)], 3)
