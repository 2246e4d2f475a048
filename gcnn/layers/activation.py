"""Activation as a layer of its own: y = φ(y_in).

With "softmax" this is the post-processing ζ of delmas' Eqs. 19-20, which may follow an already activated layer (Eqs. 30-33).
"""

from __future__ import annotations

from dataclasses import dataclass

from gcnn.layers.base import Layer, register_layer
from gcnn.maps import Maps


@register_layer
@dataclass(frozen=True)
class Activation(Layer):
    """Apply φ to every value; "softmax" acts over all values of a sample.

    Args:
        name: of φ.

    Raises:
        LayerError: an unknown activation.
    """

    name: str

    def __post_init__(self) -> None:
        self.check_activation("name")

    @property
    def activation(self) -> str:
        return self.name

    def output_maps(self, inputs: Maps) -> Maps:
        return inputs
