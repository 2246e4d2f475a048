"""`Model.initialize_from`: radial centres on samples of the layer's own input, widths from their distances."""

from __future__ import annotations

from math import dist, log

import numpy as np
import pytest

from gcnn import Network
from gcnn.layers import Activation, Convolution, Dense, FeatureMap, RadialBasis

X = np.random.default_rng(0).standard_normal((70, 3))
"""More samples than the oracle takes at once."""


def bound(layers, inputs=3, dtype="float64", seed=0, batch=16):
    return Network(layers, inputs, "mse", seed).bind("numpy", dtype=dtype, batch=batch)


def blocks(model, number=0):
    """Centres (units, inputs) and what is stored of β (units,), of one layer."""
    layer, _, _, part = model.network.stages[number]
    theta = model.theta[part]
    return theta[: -layer.units].reshape(layer.units, -1), theta[-layer.units :]


def rows_of(centres, samples):
    """The sample that each centre is: exactly one, by its values."""
    return [int(np.flatnonzero((samples == centre).all(axis=1)).item()) for centre in centres]


def test_centres_are_samples_each_another_one():
    model = bound([RadialBasis(9)])
    model.initialize_from(X)
    chosen = rows_of(blocks(model)[0], X)
    assert len(set(chosen)) == 9
    assert chosen != sorted(chosen)
    assert max(chosen) >= 16, "samples beyond the first batch have a chance too"


def test_as_many_centres_as_samples_use_every_sample():
    model = bound([RadialBasis(70)])
    model.initialize_from(X)
    assert sorted(rows_of(blocks(model)[0], X)) == list(range(70))


@pytest.mark.parametrize("power", [1, 2])
@pytest.mark.parametrize("beta", ["plain", "log"])
@pytest.mark.parametrize("units", [2, 12])
def test_the_width_of_a_centre_is_its_distance_to_the_nearest_other(power, beta, units):
    """β = 1 / σ for p = 1 and 1 / (2 σ²) for p = 2."""
    model = bound([RadialBasis(units, power, beta)])
    model.initialize_from(X)
    centres, stored = blocks(model)
    nearest = [min(dist(a, b) for b in centres.tolist() if a != b) for a in centres.tolist()]
    expected = [{1: 1 / sigma, 2: 1 / (2 * sigma**2)}[power] for sigma in nearest]
    assert stored == pytest.approx([log(b) if beta == "log" else b for b in expected], rel=1e-12)


def test_of_centres_that_coincide_the_nearest_one_elsewhere_counts():
    model = bound([RadialBasis(3, 1, "plain")], 1)
    model.initialize_from(np.array([[0.0], [0.0], [4.0]]))
    assert blocks(model)[1] == pytest.approx([1 / 4] * 3)


def test_a_penalty_pulls_on_no_centre_since_the_origin_is_no_better_a_place():
    network = Network([RadialBasis(3), Dense(2)], 4, "mse")
    assert not network.decay_mask()[: 3 * 4 + 3].any()
    assert network.decay_mask()[3 * 4 + 3 :].sum() == 3 * 2


@pytest.mark.parametrize("power", [1, 2])
@pytest.mark.parametrize("units", [1, 3])
def test_centres_that_all_coincide_give_finite_widths(power, units):
    model = bound([RadialBasis(units, power)])
    model.initialize_from(np.ones((4, 3)))
    assert np.isfinite(model.theta).all()


def test_centres_behind_other_layers_are_samples_of_what_those_put_out_now():
    below = [Dense(4, activation="tanh"), FeatureMap("monomials")]
    model = bound([*below, RadialBasis(6), Dense(2)])
    theta = model.theta = model.theta + 0.5
    model.initialize_from(X)
    hidden = bound(below)
    hidden.theta = theta[: hidden.network.parameter_count]
    assert len(set(rows_of(blocks(model, 2)[0], hidden.forward(X)))) == 6


def test_centres_of_images_lie_in_the_order_of_their_cells():
    images = np.random.default_rng(1).standard_normal((8, 2, 3, 4))
    model = bound([RadialBasis(5)], (2, 3, 4))
    model.initialize_from(images)
    assert len(set(rows_of(blocks(model)[0], images.reshape(8, -1)))) == 5


def test_a_second_radial_layer_reads_the_first_with_its_new_centres():
    model = bound([RadialBasis(7, 2), RadialBasis(3)])
    model.initialize_from(X)
    first = bound([RadialBasis(7, 2)])
    first.theta = model.theta[: 7 * 4]
    assert len(set(rows_of(blocks(model, 1)[0], first.forward(X)))) == 3


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_layers_of_other_kinds_keep_their_bits(dtype):
    layers = [Convolution(2, 2, activation="tanh"), RadialBasis(4), Activation("softplus"), Dense(2)]
    model = bound(layers, (1, 3), dtype)
    model.theta = model.theta + 1 / 3
    before, radial = model.theta, model.network.stages[1].parameters
    model.initialize_from(X[:, None])
    changed = np.flatnonzero(model.theta != before)
    assert changed.tolist() == list(range(radial.start, radial.stop))
    assert model.theta.dtype == dtype


def test_a_network_without_radial_layers_keeps_all_its_parameters():
    model = bound([Dense(4), Dense(2)])
    before = model.theta
    model.initialize_from(X)
    np.testing.assert_array_equal(model.theta, before, strict=True)


def test_centres_are_rounded_samples_where_the_model_computes_in_float32():
    model = bound([RadialBasis(4)], dtype="float32")
    model.initialize_from(X)
    assert len(set(rows_of(blocks(model)[0], X.astype(np.float32)))) == 4


def test_the_choice_of_samples_follows_the_seed_and_without_one_the_networks():
    def chosen(network_seed=0, seed=None):
        model = bound([RadialBasis(9)], seed=network_seed)
        model.initialize_from(X, seed)
        return rows_of(blocks(model)[0], X)

    assert chosen(seed=3) == chosen(seed=3) != chosen(seed=4)
    assert chosen(network_seed=3) == chosen(seed=3)
    assert chosen(network_seed=3, seed=0) == chosen(seed=0)
