"""Radial basis layer (Hedberg 2015, Eqs. 46-55).

    z_i = ρ(β_i ‖y - c_i‖^p),   ρ(s) = exp(-s) unless another is given;   φ = identity

p = 1 is Eq. 54 as printed, p = 2 the usual Gaussian. A linear output of radial functions with connections (Eq. 55) is this layer
followed by `Dense(units, table=..., bias=False)`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import inf
from typing import NamedTuple

import numpy as np

from gcnn.activations import REALS, Interval
from gcnn.errors import GcnnError, LayerError, one_of
from gcnn.layers.base import Layer, Parameter, map_count, register_layer
from gcnn.maps import Array, Maps


class RadialFunction(NamedTuple):
    """ρ and ρ' of s = β r^p ≥ 0, on NumPy arrays, and where ρ's values lie."""

    function: Callable[[Array], Array]
    derivative: Callable[[Array], Array]
    codomain: Interval


_RADIAL_FUNCTIONS = {
    "exp": RadialFunction(lambda s: np.exp(-s), lambda s: -np.exp(-s), Interval(0, 1, high_reached=True))
}


def register_radial_function(
    name: str,
    function: Callable[[Array], Array],
    derivative: Callable[[Array], Array],
    codomain: tuple[float, float] = REALS[:2],
) -> None:
    """Add a radial function ρ(s), s ≥ 0, with its derivative; `RadialBasis(..., rho=name)` then uses it."""
    if name in _RADIAL_FUNCTIONS:
        raise GcnnError(f"a radial function named {name!r} exists already; choose another name.")
    _RADIAL_FUNCTIONS[name] = RadialFunction(function, derivative, Interval(*codomain))


def radial_function(name: str | None) -> RadialFunction:
    """The radial function of that name; None is exp(-s)."""
    return _RADIAL_FUNCTIONS[name or "exp"]


@register_layer
@dataclass(frozen=True)
class RadialBasis(Layer):
    """Units that answer to the distance between the input and a learned centre.

    Args:
        units: number of centres.
        power: p, 1 or 2.
        beta: "log" trains log β, which keeps β > 0; "plain" trains β itself.
        rho: name of a function registered with `register_radial_function`; None is exp(-s).

    Raises:
        LayerError: units below 1, another power, an unknown beta or rho.

    Parameters, in flat order: centres c_i by unit, then by input; then β_i (or log β_i).
    Initial values: centres from N(0, 1), β = N^(-p/2) for N inputs, so that typical distances give s near 1;
    `Model.initialize_from` places the centres on data instead (decision "centres").
    """

    units: int
    power: int = 1
    beta: str = "log"
    rho: str | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "units", map_count("RadialBasis", "units", self.units))
        if isinstance(self.power, bool) or not isinstance(self.power, int) or self.power not in (1, 2):
            raise LayerError(f"RadialBasis: power must be 1 or 2, got {self.power!r}.")
        if self.beta not in ("log", "plain"):
            raise LayerError(f'RadialBasis: beta must be "log" or "plain", got {self.beta!r}.')
        if self.rho is not None and self.rho not in list(_RADIAL_FUNCTIONS):
            raise LayerError(f"RadialBasis: {one_of('radial function', self.rho, _RADIAL_FUNCTIONS)}")
        if self.rho == "exp":
            object.__setattr__(self, "rho", None)  # one name for what has two

    def output_maps(self, inputs: Maps) -> Maps:
        return Maps((self.units,))

    def parameters(self, inputs: Maps) -> tuple[Parameter, ...]:
        return (
            Parameter("centres", self.units * inputs.points, decays=False),
            Parameter("beta", self.units, decays=False),
        )

    def initialize(self, inputs: Maps, rng: np.random.Generator) -> Array:
        centres = rng.standard_normal(self.units * inputs.points)
        return np.concatenate([centres, self._stored(np.full(self.units, inputs.points ** (-self.power / 2)))])

    def initialize_from(self, y: Array, rng: np.random.Generator) -> Array:
        """Centres at random samples of the layer's own input `y`, each as wide as the nearest other is far (decision "centres")."""
        values = y.reshape(len(y), -1).astype(np.float64)
        if len(values) < self.units:
            raise LayerError(f"{self}: {self.units} centres need as many samples, got {len(values)}.")
        centres = values[rng.choice(len(values), self.units, replace=False)]
        width = _nearest_distances(centres)
        beta = 1 / (2 * width**2) if self.power == 2 else 1 / width
        return np.concatenate([centres.ravel(), self._stored(beta)])

    def _stored(self, beta: Array) -> Array:
        return np.log(beta) if self.beta == "log" else beta

    def multiply_adds(self, inputs: Maps) -> int:
        return self.units * inputs.points

    def codomain(self, inputs: Interval) -> Interval:
        if self.rho is None and self.beta == "plain":
            return Interval(0, inf)  # exp(-β r) for a β that may become negative
        return radial_function(self.rho).codomain

    def needs(self, inputs: Maps) -> frozenset[str]:
        return super().needs(inputs) | ({"radial_functions"} if self.rho else set())


def _nearest_distances(centres: Array) -> Array:
    """(units,) the distance of each centre to the nearest one that is elsewhere; the largest of these, or 1, where there is none."""
    nearest = np.full(len(centres), np.inf)
    for i, centre in enumerate(centres):
        distances = np.linalg.norm(centres - centre, axis=1)
        nearest[i] = distances[distances > 0].min(initial=np.inf)
    found = nearest[np.isfinite(nearest)]
    return np.where(np.isfinite(nearest), nearest, found.max() if len(found) else 1.0)
