"""Vanilla sub-sampling on a device (kernels/vanilla_subsampling.cl)."""

from __future__ import annotations

from typing import cast

from gcnn.backends.accelerated.place import Place
from gcnn.backends.accelerated.windows import DeviceWindows
from gcnn.backends.accelerated.work import Work
from gcnn.layers import VanillaSubsampling


class DeviceVanillaSubsampling(DeviceWindows):
    """The first cell of every window, which is as wide as the step."""

    file = "vanilla_subsampling.cl"

    def __init__(self, place: Place) -> None:
        super().__init__(place, cast(VanillaSubsampling, place.stage.layer).steps(place.stage.inputs))

    def combine(self, samples: int) -> list[Work]:
        return [self.bind_rows("forward", self.output_rows, samples, (self.place.y_in, self.place.y))]

    def backpropagate(self, samples: int) -> list[Work]:
        return [self.bind_rows("backpropagate", self.input_rows, samples, (self.place.dy, self.place.dy_in))]
