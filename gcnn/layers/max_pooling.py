"""Max pooling (Hedberg 2015, Eqs. 98-100 and Table 7).

    y_i(x) = max over u < K of y_i(K x + u)

The first maximum of a window, in row-major order, gets the whole gradient (Eq. 100 as printed gives it to every tied cell).
"""

from __future__ import annotations

from dataclasses import dataclass

from gcnn.activations import Interval
from gcnn.layers.base import Layer, per_axis, register_layer, whole_numbers
from gcnn.layers.windows import like_window_maps, window_maps
from gcnn.maps import Maps, Size


@register_layer
@dataclass(frozen=True)
class MaxPooling(Layer):
    """Keep the largest value of each window; complete windows only, map i from map i.

    Args:
        window: window size K per axis, which is also the step.

    Raises:
        LayerError: a window below 1 or larger than a map.
    """

    spatial = True
    window: int | Size

    def __post_init__(self) -> None:
        object.__setattr__(self, "window", whole_numbers("MaxPooling", "window", self.window))

    def windows(self, inputs: Maps) -> Size:
        """Window size K per axis."""
        return per_axis(str(self), "window", self.window, inputs.dimensions)

    def output_maps(self, inputs: Maps) -> Maps:
        window = self.windows(inputs)
        if inputs.uniform:
            return like_window_maps(str(self), inputs, inputs.count, window, window)
        return window_maps(str(self), inputs, [[(i, window)] for i in range(inputs.count)], window)

    def codomain(self, inputs: Interval) -> Interval:
        return inputs
