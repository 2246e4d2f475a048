"""Flatten (Hedberg 2015, section 3.1; delmas, Eqs. 41-42): images as one vector, in C order.

    x_I = y_i(j, k),   I = i X Y + j Y + k

Dense and radial basis layers read any maps this way by themselves; the layer is for those who want to say so.
"""

from __future__ import annotations

from dataclasses import dataclass

from gcnn.activations import Interval
from gcnn.layers.base import Layer, register_layer
from gcnn.maps import Maps


@register_layer
@dataclass(frozen=True)
class Flatten(Layer):
    """Lay all maps end to end: one map of one point for every input value."""

    def output_maps(self, inputs: Maps) -> Maps:
        return Maps((inputs.points,))

    def codomain(self, inputs: Interval) -> Interval:
        return inputs
