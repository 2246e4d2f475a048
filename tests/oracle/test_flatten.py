"""Flattening images to a vector (Hedberg 2015, section 3.1; delmas, Eqs. 41-42)."""

from __future__ import annotations

import numpy as np
import pytest

from gcnn import Maps
from gcnn.layers import Convolution, Dense, Flatten

SIZE = (3, 4, 5)
"""Maps, vertical and horizontal size."""


@pytest.mark.row("N8")
@pytest.mark.equations("D41", "D42")
def test_flattening_places_every_value_by_the_published_bijection_and_its_inverse(bind):
    _, o_v, o_h = SIZE
    x = np.random.default_rng(0).standard_normal((1, *SIZE))
    flat = bind([Flatten()], SIZE).forward(x)[0]
    for i, j, k in np.ndindex(SIZE):
        number = o_v * o_h * i + o_h * j + k
        assert flat[number] == x[0, i, j, k]
        k_back = number % o_h
        j_back = (number - k_back) // o_h % o_v
        assert ((number - k_back - o_h * j_back) // (o_h * o_v), j_back, k_back) == (i, j, k)


@pytest.mark.row("N8")
@pytest.mark.parametrize("size", [SIZE, (2, 3), (4,), (2, 2, 3, 2)])
def test_flattening_is_numpys_c_order(size, bind):
    x = np.random.default_rng(1).standard_normal((2, *size))
    np.testing.assert_array_equal(bind([Flatten()], size).forward(x), x.reshape(2, -1))


@pytest.mark.row("N8")
@pytest.mark.equations("D46")
def test_flattening_passes_the_gradient_back_unchanged(bind):
    v = np.random.default_rng(2).standard_normal((2, 60))
    _, dx = bind([Flatten()], SIZE).vjp(np.zeros((2, *SIZE)), v)
    np.testing.assert_array_equal(dx, v.reshape(2, *SIZE))


@pytest.mark.row("N8")
def test_a_dense_layer_flattens_images_by_itself(bind):
    rng = np.random.default_rng(3)
    theta, x = rng.standard_normal(122), rng.standard_normal((2, *SIZE))
    implicit, explicit = bind([Dense(2)], SIZE, theta), bind([Flatten(), Dense(2)], SIZE, theta)
    np.testing.assert_array_equal(implicit.forward(x), explicit.forward(x))


@pytest.mark.row("N8", "N4")
@pytest.mark.parametrize("inputs", [(2, 4, 4), Maps([(3, 4), (4, 3)]), Maps([[(0, 0), (0, 1), (1, 2)], (2, 3)])])
def test_gradients_pass_from_dense_to_image_layers(inputs, check_gradients):
    output = Maps([[(0, 0), (2, 1)], (2, 2)])
    check_gradients([Convolution(2, 2, activation="tanh", output=output), Flatten(), Dense(3)], inputs)
