"""Descriptions of maps: sizes and lists of coordinates."""

from __future__ import annotations

import numpy as np
import pytest

import gcnn
from gcnn import layers
from gcnn.errors import MapsError, NetworkError

DESCRIPTIONS = [
    ([], ("at least one map",)),
    ((0,), ("at least one map, got 0",)),
    ((-1, 4), ("at least one map, got -1",)),
    ((1, 0), ("map 0 has size (0,)", "at least 1")),
    ((2, 4, -2), ("size (4, -2)", "at least 1")),
    ([(3, 3), (3, 0)], ("map 1 has size (3, 0)",)),
    ([(2,), (2, 2)], ("same number of dimensions, got [1, 2]", "a size of 1 is allowed")),
    ([(2, 2), [(0,), (1,)]], ("same number of dimensions",)),
    ([[(0, 0), (0, -1)]], ("map 0: coordinate (0, -1) is negative",)),
    ([(2, 2), [(0, 1), (2, 1), (0, 1)]], ("map 1: a coordinate is repeated", "(0, 1)")),
    ([[(0, 1), (0,)]], ("map 0:", "coordinates of equal length")),
    ([[(0, 1.5)]], ("map 0:", "integer coordinates")),
    ([[(True, False)]], ("map 0:", "integer coordinates")),
    ([["a"]], ("map 0: ['a']",)),
    ([[[1, [2]]]], ("map 0:", "coordinates")),
    ([1.5, 2], ("map 0: 1.5 is neither a size such as (7, 8) nor a list of coordinates",)),
    ((1, True), ("map 0: 1 is neither",)),
    ([None], ("map 0: None is neither",)),
    ([{0: 1}], ("map 0: {0: 1} is neither",)),
    ({"maps": 3}, ("{'maps': 3} does not describe maps", "(maps, *size)")),
    (5.5, ("5.5 does not describe maps",)),
    (None, ("None does not describe maps",)),
    ("28x28", ("'28x28' does not describe maps",)),
]


@pytest.mark.parametrize(("description", "said"), DESCRIPTIONS)
def test_what_is_no_index_set_is_refused_by_maps_and_by_networks(refuses, description, said):
    with refuses(MapsError, *said):
        gcnn.Maps(description)
    with refuses(MapsError, *said):
        gcnn.Network([layers.Dense(1)], description, loss="mse")


@pytest.mark.parametrize(
    "description",
    [(10**9,), (10**30,), (1, 10**30), (3, 10**5, 10**5), [(2**31,)], [[(0, 10**12)]], [[(0, 2**63)]], [[(0, 10**30)]]],
)
def test_maps_too_large_to_index_are_refused_before_anything_is_allocated(refuses, description):
    with refuses(MapsError):
        gcnn.Maps(description)


@pytest.mark.parametrize(
    "layer",
    [
        layers.Dense(10**7),
        layers.Convolution(10**6, 8, padding=8),
        layers.Convolution(1, 1, padding=10**4000),
        layers.Convolution(1, 10**5, padding=10**4),
        layers.FeatureMap("monomials", 10**300),
    ],
    ids=lambda layer: type(layer).__name__,
)
def test_a_layer_too_large_to_describe_is_refused_by_number(refuses, layer):
    with refuses(NetworkError, "layer 1: "):
        gcnn.Network([layers.MaxPooling(1), layer], (40, 8, 8), loss="mse")


THREE = gcnn.Maps([(2, 3), (3, 2), [(0, 0), (4, 1)]])


def test_split_and_join_are_inverse():
    arrays = [np.arange(12.0).reshape(2, 2, 3), np.ones((2, 3, 2)), np.array([[5.0, 6.0], [7.0, 8.0]])]
    value = THREE.join(arrays)
    assert value.shape == (2, 14)
    assert all(np.array_equal(a, b) for a, b in zip(THREE.split(value), arrays, strict=True))


@pytest.mark.parametrize(
    ("shapes", "said"),
    [
        ([(1, 3, 2), (1, 2, 3), (1, 2)], r"map 0: an array of shape \(1, 3, 2\); expected \(1, 2, 3\)"),
        ([(1, 12), (1, 0), (1, 2)], "map 0"),
        ([(1, 2, 3), (2, 3, 2), (1, 2)], "map 1"),
        ([(2, 3), (3, 2), (2,)], "map 0"),
        ([(1, 2, 3), (1, 3, 2)], "2 arrays do not fill"),
    ],
    ids=["transposed", "other sizes of the same sum", "sample counts", "no sample axis", "too few"],
)
def test_arrays_that_do_not_fit_their_maps_are_not_joined(shapes, said):
    with pytest.raises(MapsError, match=said):
        THREE.join([np.zeros(shape) for shape in shapes])


@pytest.mark.parametrize("shape", [(1, 99), (14,), ()])
def test_a_value_of_another_shape_is_not_split(shape):
    with pytest.raises(MapsError, match=r"expected \(samples, 14\)"):
        THREE.split(np.zeros(shape))
