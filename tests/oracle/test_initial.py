"""Initial parameters (decision "start"): Glorot's uniform weights over the connections that exist, and the other layers' rules.

Where weights are many, their distribution is checked too. The two bounds fail a uniform sample of n ≥ 400 by chance once
in 200 000 times (its largest) and once in 1500 (Kolmogorov's distance, 2 / sqrt n of the width); the seeds are fixed.
"""

from __future__ import annotations

from math import log, prod, sqrt

import numpy as np
import pytest

from gcnn import Maps, Network
from gcnn.layers import Convolution, Dense, RadialBasis, WeightedSubsampling


def start(layer, inputs, seed=1):
    return Network([layer], inputs, "mse", seed).initial_parameters()


def check_uniform(weights, fan_in, fan_out):
    limit = sqrt(6 / (fan_in + fan_out))
    assert 0.97 * limit < np.abs(weights).max() <= limit
    steps = np.linspace(-limit, limit, weights.size)
    assert np.abs(np.sort(weights) - steps).max() < 4 * limit / sqrt(weights.size)


@pytest.mark.parametrize(("units", "inputs"), [(5, 200), (200, 5), (40, 40)])
def test_dense_weights_are_uniform_with_inputs_and_units_as_fans(units, inputs):
    check_uniform(start(Dense(units, bias=False), inputs), inputs, units)


def test_a_unit_that_reads_few_inputs_starts_with_larger_weights():
    """Two units read all 800 inputs, one each half of them; so every input feeds three units."""
    table = np.ones((4, 800), dtype=bool)
    table[2, 400:] = table[3, :400] = False
    weights = start(Dense(4, table=table, bias=False), 800)
    check_uniform(weights[:1600], 800, 3)
    check_uniform(weights[1600:], 400, 3)


@pytest.mark.parametrize(
    ("maps", "inputs", "kernel"),
    [(3, (1, 25, 25), (20, 20)), (1, (3, 25, 25), (20, 20)), (4, (2, 300), 200), (2, (1, 9, 9, 9), (8, 9, 7))],
)
def test_kernels_count_the_taps_of_all_inputs_and_of_all_maps_as_fans(maps, inputs, kernel):
    taps = kernel if isinstance(kernel, int) else prod(kernel)
    weights = start(Convolution(maps, kernel), inputs)[:-maps]
    check_uniform(weights, inputs[0] * taps, maps * taps)


def test_fans_of_kernels_count_the_connections_of_the_table():
    """D = {0, 1, 2}, {1}, {1, 2}; so input 0 feeds one map, input 1 three and input 2 two."""
    table = np.array([[1, 1, 1], [0, 1, 0], [0, 1, 1]])
    kernels = start(Convolution(3, 20, table=table), (3, 20, 20))[:-3].reshape(-1, 400)
    connections = [(i, j) for i in range(3) for j in range(3) if table[i, j]]
    for weights, (i, j) in zip(kernels, connections, strict=True):
        check_uniform(weights, 400 * {0: 3, 1: 1, 2: 2}[i], 400 * {0: 1, 1: 3, 2: 2}[j])


def test_fans_of_kernels_of_several_sizes_count_each_ones_own_taps():
    sizes = [(20, 20), (20, 40), (30, 20), (40, 40)]
    weights = start(Convolution(2, sizes), (2, 40, 40))[:-2]
    taps = [400, 800, 600, 1600]
    for number, part in enumerate(np.split(weights, np.cumsum(taps)[:-1])):
        i, j = divmod(number, 2)
        check_uniform(part, taps[2 * i] + taps[2 * i + 1], taps[j] + taps[2 + j])


@pytest.mark.parametrize(
    ("layer", "inputs", "biases"),
    [
        (Dense(7), 5, 7),
        (Dense(3, table=[[1, 0], [0, 1], [1, 1]]), Maps([(2, 2), (5,) * 2]), 3),
        (Convolution(6, 3), (2, 5, 5), 6),
        (Convolution(4, 3, shared=True), (2, 5), 4),
        (WeightedSubsampling(2), (5, 4, 4), 5),
        (WeightedSubsampling(2, table=[[1, 1], [0, 1], [1, 0]], weights="cross"), (2, 4, 4), 3),
    ],
    ids=str,
)
def test_biases_start_at_zero_and_weights_do_not(layer, inputs, biases):
    theta = start(layer, inputs)
    assert theta[-biases:].tolist() == [0.0] * biases
    assert (theta[:-biases] != 0).all()


@pytest.mark.parametrize(
    ("window", "size", "cells"),
    [(4, (8,), 4), (2, (4, 6), 4), ((2, 3), (4, 6), 6), (2, (4, 4, 2), 8), ((1, 3, 2), (2, 3, 4), 6)],
)
@pytest.mark.parametrize("weights", ["single", "cross"])
def test_sub_sampling_starts_as_the_mean_of_its_windows(window, size, cells, weights):
    layer = WeightedSubsampling(window, weights=weights)
    assert start(layer, (2, *size)).tolist() == [1 / cells] * 2 + [0.0] * 2
    model = Network([layer], (2, *size), "mse").bind("numpy", dtype="float64")
    assert model.forward(np.full((1, 2, *size), 3.0)) == pytest.approx(3.0, rel=1e-15)


@pytest.mark.parametrize("power", [1, 2])
def test_radial_units_start_at_normal_centres_with_widths_for_typical_distances(power):
    """β = N^(-p/2) for N inputs; 3000 centre coordinates have mean and deviation within five standard errors."""
    theta = start(RadialBasis(50, power), 60)
    centres = theta[:3000]
    assert abs(centres.mean()) < 5 / sqrt(3000)
    assert abs(centres.std() - 1) < 5 / sqrt(2 * 3000)
    assert theta[3000:] == pytest.approx([-power / 2 * log(60)] * 50, rel=1e-14)
    plain = start(RadialBasis(50, power, beta="plain"), 60)
    assert plain[3000:] == pytest.approx([60 ** (-power / 2)] * 50, rel=1e-14)


STACK = [Convolution(3, 2, activation="tanh"), WeightedSubsampling(2), RadialBasis(4), Dense(4), Dense(4)]


def test_equal_seeds_start_equal_and_other_seeds_otherwise():
    first, same, other = (Network(STACK, (1, 5, 5), "mse", seed).initial_parameters() for seed in (3, 3, 4))
    np.testing.assert_array_equal(first, same, strict=True)
    drawn = Network(STACK, (1, 5, 5), "mse").decay_mask()
    drawn[15:18] = False  # the weights of sub-sampling
    drawn[21:69] = True  # centres, on which no penalty pulls
    assert ((first != other) == drawn).all()


def test_asking_again_or_with_a_seed_gives_what_that_seed_gives():
    network = Network(STACK, (1, 5, 5), "mse", 3)
    np.testing.assert_array_equal(network.initial_parameters(), network.initial_parameters(), strict=True)
    for seed in (0, 4):
        expected = Network(STACK, (1, 5, 5), "mse", seed).initial_parameters()
        np.testing.assert_array_equal(network.initial_parameters(seed), expected, strict=True)


def test_layers_of_one_shape_start_with_weights_of_their_own():
    weights = Network([Dense(4), Dense(4)], 4, "mse").initial_parameters().reshape(2, 20)
    assert (weights[0, :16] != weights[1, :16]).all()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_model_starts_from_the_float64_draw_rounded_to_its_dtype(dtype):
    network = Network(STACK, (1, 5, 5), "mse", 3)
    assert network.initial_parameters().dtype == np.float64
    expected = network.initial_parameters().astype(dtype)
    np.testing.assert_array_equal(network.bind("numpy", dtype=dtype).theta, expected, strict=True)


def test_a_shared_kernel_starts_within_the_limit_of_its_most_connected_use():
    kernels = start(Convolution(40, 3, shared=True), (9, 4, 4))[: 40 * 9]
    limit = np.sqrt(6 / (9 * 9 + 40 * 9))
    assert 0.95 * limit < np.abs(kernels).max() <= limit
