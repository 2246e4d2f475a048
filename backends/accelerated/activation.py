"""Activation as a layer of its own, on a device (kernels/activation.cl)."""

from __future__ import annotations

from gcnn.backends.accelerated.layer import POINTS, SOFTMAX, DeviceLayer
from gcnn.backends.accelerated.place import tiles
from gcnn.backends.accelerated.work import Work


class DeviceActivation(DeviceLayer):
    """y = φ(y_in); z is the input itself."""

    def combine(self, samples: int) -> list[Work]:
        place = self.place
        groups = (tiles(place.outputs, POINTS), place.blocks(samples))
        targets = [place.z] * self.keeps_z + [place.y] * (self.activation != SOFTMAX)
        numbers = [0] * self.keeps_z + [self.fused] * (self.activation != SOFTMAX)
        return [
            place.kernels.bind(
                "activation.cl",
                "apply",
                groups,
                (place.y_in, target),
                POINTS=place.outputs,
                TILE=POINTS,
                ACTIVATION=number,
            )
            for target, number in zip(targets, numbers, strict=True)
        ]

    def backpropagate(self, samples: int) -> list[Work]:
        place = self.place
        groups = (tiles(place.outputs, POINTS), place.blocks(samples))
        sizes = {"POINTS": place.outputs, "TILE": POINTS, "ACTIVATION": 0}
        return [place.kernels.bind("activation.cl", "apply", groups, (place.dy, place.dy_in), **sizes)]
