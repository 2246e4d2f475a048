"""Vanilla sub-sampling on a device (kernels/vanilla_subsampling.cl)."""

from __future__ import annotations

from typing import cast

from gcnn.backends.accelerated.place import Place
from gcnn.backends.accelerated.windows import DeviceWindows
from gcnn.backends.accelerated.work import Work
from gcnn.layers import Layer, VanillaSubsampling
from gcnn.maps import Maps, Size


class DeviceVanillaSubsampling(DeviceWindows):
    """The first cell of every window, which is as wide as the step."""

    file = "vanilla_subsampling.cl"

    def __init__(self, place: Place) -> None:
        super().__init__(place, self.window(place.stage.layer, place.stage.inputs))
        self._forward = self.rows_tile("forward", self.output_rows, {})
        self._back = self.rows_tile("backpropagate", self.input_rows, {})

    @staticmethod
    def window(layer: Layer, inputs: Maps) -> Size:
        return cast(VanillaSubsampling, layer).steps(inputs)

    def combine(self, samples: int) -> list[Work]:
        arguments = (self.place.y_in, self.place.y)
        return [self.bind_rows("forward", self.output_rows, samples, arguments, {}, self._forward)]

    def backpropagate(self, samples: int) -> list[Work]:
        arguments = (self.place.dy, self.place.dy_in)
        return [self.bind_rows("backpropagate", self.input_rows, samples, arguments, {}, self._back)]
