"""Hedberg, section 3.2: radial basis layers."""

from __future__ import annotations

import numpy as np
import pytest

from gcnn.layers import Dense, RadialBasis
from tests.oracle.corrections.formulas import ROUNDING, WRONG


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
