"""Max pooling on a device (kernels/max_pooling.cl)."""

from __future__ import annotations

from typing import cast

from gcnn.backends.accelerated.place import Place
from gcnn.backends.accelerated.windows import DeviceWindows
from gcnn.backends.accelerated.work import Work
from gcnn.layers import Layer, MaxPooling
from gcnn.maps import Maps, Size


class DeviceMaxPooling(DeviceWindows):
    """The forward pass keeps which cell of each window won, in as few bytes as number its cells.

    Attributes:
        winners: (blocks, outputs, lanes) unsigned integers.
        bits: of each.
    """

    file = "max_pooling.cl"
    remembers = True

    def __init__(self, place: Place) -> None:
        layer = cast(MaxPooling, place.stage.layer)
        super().__init__(place, self.window(layer, place.stage.inputs))
        self.bits = next(bits for bits in (8, 16, 32) if self.cells <= 2**bits)
        count = place.blocks() * place.outputs * place.kernels.lanes.count
        self.winners = place.kernels.runtime.zeros(count * self.bits // 8, f"winners of {layer}")
        self._options = {"WINNER_BITS": self.bits}
        self._forward = self.rows_tile("forward", self.output_rows, self._options)
        self._back = self.rows_tile("backpropagate", self.input_rows, self._options)

    @staticmethod
    def window(layer: Layer, inputs: Maps) -> Size:
        return cast(MaxPooling, layer).windows(inputs)

    def combine(self, samples: int) -> list[Work]:
        place = self.place
        arguments = (place.y_in, place.y, self.winners)
        return [self.bind_rows("forward", self.output_rows, samples, arguments, self._options, self._forward)]

    def backpropagate(self, samples: int) -> list[Work]:
        place = self.place
        arguments = (place.dy, self.winners, place.dy_in)
        return [self.bind_rows("backpropagate", self.input_rows, samples, arguments, self._options, self._back)]
