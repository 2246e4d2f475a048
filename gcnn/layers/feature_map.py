"""Feature maps: a fixed φ(x) in front of a layer (delmas, Eq. 15).

monomials        φ(x1, x2) = (x1, x2, x1², x1 x2, x2²) for degree 2
trigonometric    φ(x1, ...) = (cos k x1, sin k x1, ...) for k = 1 .. degree: bounded, for periodic data
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import comb
from typing import NamedTuple

from gcnn.activations import REALS, Interval
from gcnn.errors import GcnnError, LayerError, one_of
from gcnn.layers.base import Layer, register_layer, whole_number
from gcnn.maps import MOST_MAPS, Array, Maps


class Features(NamedTuple):
    """A feature map: how many features it makes of n inputs at a degree and, for a user's own, its formulas."""

    size: Callable[[int, int], int]
    function: Callable[[Array], Array] | None = None
    pullback: Callable[[Array, Array], Array] | None = None


def _monomials(inputs: int, degree: int) -> int:
    """(n + d)! / (n! d!) - 1, which is above 2^min(n, d): more than any layer may have long before it is hard to compute."""
    smaller = min(inputs, degree)
    return comb(inputs + degree, smaller) - 1 if smaller < MOST_MAPS.bit_length() else MOST_MAPS + 1


_FEATURES = {
    "monomials": Features(_monomials),
    "trigonometric": Features(lambda inputs, degree: 2 * degree * inputs),
}


def register_feature_map(
    name: str,
    count: Callable[[int], int],
    function: Callable[[Array], Array],
    pullback: Callable[[Array, Array], Array],
) -> None:
    """Add a feature map φ.

    Args:
        name: a new name.
        count: number of features made of n inputs.
        function: (sample, inputs) -> (sample, features), φ(x).
        pullback: (x, v) -> Σ_f v_f ∂φ_f/∂x, (sample, inputs): what back-propagation needs.
    """
    if name in _FEATURES:
        raise GcnnError(f"a feature map named {name!r} exists already; choose another name.")
    _FEATURES[name] = Features(lambda inputs, _: count(inputs), function, pullback)


def features(name: str) -> Features:
    """The feature map of that name."""
    return _FEATURES[name]


@register_layer
@dataclass(frozen=True)
class FeatureMap(Layer):
    """Replace the inputs by fixed features of them; input maps are read as one vector.

    Args:
        features: "monomials", "trigonometric", or a name given to `register_feature_map`.
        degree: highest total degree of the monomials, or highest frequency.

    Raises:
        LayerError: unknown features, or a degree below 1.
    """

    features: str
    degree: int = 2

    def __post_init__(self) -> None:
        if self.features not in list(_FEATURES):
            raise LayerError(f"FeatureMap: {one_of('feature map', self.features, _FEATURES)}")
        object.__setattr__(self, "degree", whole_number("FeatureMap", "degree", self.degree))

    def output_maps(self, inputs: Maps) -> Maps:
        return Maps((_FEATURES[self.features].size(inputs.points, self.degree),))

    def codomain(self, inputs: Interval) -> Interval:
        return REALS

    def needs(self, inputs: Maps) -> frozenset[str]:
        users_own = _FEATURES[self.features].function is not None
        return super().needs(inputs) | ({"feature_functions"} if users_own else set())
