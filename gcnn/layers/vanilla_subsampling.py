"""Vanilla sub-sampling (Hedberg 2015, Eqs. 101-103 and Table 8).

y_i(x) = y_i(K x),   S_i = {x : K x ∈ S_i of the input}, that is ceil(X / K) cells
"""

from __future__ import annotations

from dataclasses import dataclass

from gcnn.activations import Interval
from gcnn.layers.base import Layer, per_axis, register_layer, whole_numbers
from gcnn.layers.windows import like_window_maps, window_maps
from gcnn.maps import Maps, Size


@register_layer
@dataclass(frozen=True)
class VanillaSubsampling(Layer):
    """Keep every K-th cell, starting with the first; map i from map i.

    Args:
        step: K per axis.

    Raises:
        LayerError: a step below 1.
    """

    spatial = True
    step: int | Size

    def __post_init__(self) -> None:
        object.__setattr__(self, "step", whole_numbers("VanillaSubsampling", "step", self.step))

    def steps(self, inputs: Maps) -> Size:
        """K per axis."""
        return per_axis(str(self), "step", self.step, inputs.dimensions)

    def output_maps(self, inputs: Maps) -> Maps:
        cell = (1,) * inputs.dimensions
        if inputs.uniform:
            return like_window_maps(str(self), inputs, inputs.count, cell, self.steps(inputs))
        return window_maps(str(self), inputs, [[(i, cell)] for i in range(inputs.count)], self.steps(inputs))

    def codomain(self, inputs: Interval) -> Interval:
        return inputs
