"""Max pooling on a device (kernels/max_pooling.cl)."""

from __future__ import annotations

from typing import cast

from gcnn.backends.accelerated.place import Place
from gcnn.backends.accelerated.windows import DeviceWindows
from gcnn.backends.accelerated.work import Work
from gcnn.layers import MaxPooling


class DeviceMaxPooling(DeviceWindows):
    """The forward pass keeps which cell of each window won, in as few bytes as number its cells.

    Attributes:
        winners: (blocks, outputs, lanes) unsigned integers.
    """

    file = "max_pooling.cl"

    def __init__(self, place: Place) -> None:
        layer = cast(MaxPooling, place.stage.layer)
        super().__init__(place, layer.windows(place.stage.inputs))
        bits = next(bits for bits in (8, 16, 32) if self.cells <= 2**bits)
        self.sizes["WINNER_BITS"] = bits
        count = place.blocks() * place.outputs * place.kernels.lanes.count
        self.winners = place.kernels.runtime.zeros(count * bits // 8, f"winners of {layer}")

    def combine(self, samples: int) -> list[Work]:
        place = self.place
        return [self.bind_rows("forward", self.output_rows, samples, (place.y_in, place.y, self.winners))]

    def backpropagate(self, samples: int) -> list[Work]:
        place = self.place
        return [self.bind_rows("backpropagate", self.input_rows, samples, (place.dy, self.winners, place.dy_in))]
