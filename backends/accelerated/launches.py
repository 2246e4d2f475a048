"""What a plan enqueues for a number of samples, in order."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

from gcnn.backends.accelerated.layer import DeviceLayer
from gcnn.backends.accelerated.losses import DeviceLoss
from gcnn.backends.accelerated.runtime import Buffer, Launch
from gcnn.backends.accelerated.stitching import can_be_stitched, chained, side_by_side
from gcnn.backends.accelerated.work import Work


class Launches:
    """Lists of launches, each bound when first asked for: what is never called is never compiled.

    Args:
        layers: bound to their places.
        loss: bound to the last; `None` where there is none.
        lowest: the first layer with parameters; below it slopes are formed for ∂r/∂x only.
        samples: how many.
    """

    def __init__(self, layers: Sequence[DeviceLayer], loss: DeviceLoss | None, lowest: int, samples: int) -> None:
        self._layers, self._loss, self._lowest, self._samples = layers, loss, lowest, samples
        self._blocks = layers[0].place.blocks(samples)

    @cached_property
    def forward(self) -> list[Work]:
        """From the input to the last layer's y."""
        return [launch for layer in self._layers for launch in layer.forward(self._samples)]

    @cached_property
    def loss(self) -> list[Work]:
        """Each sample's loss and the last layer's δ."""
        return self._loss.evaluate(self._samples) if self._loss else []

    @cached_property
    def output_delta(self) -> list[Work]:
        """The last layer's δ from ∂r/∂y, where a cotangent is given."""
        return self._layers[-1].delta(self._samples)

    @cached_property
    def backward(self) -> list[Work]:
        """From the last layer's δ to the gradient."""
        launches: list[Work] = []
        for number in reversed(range(self._lowest, len(self._layers))):
            launches += self._layers[number].gradient(self._samples) + self._below(number, self._lowest)
        return launches

    @cached_property
    def to_input(self) -> list[Work]:
        """∂r/∂x, after `backward`."""
        return [launch for number in reversed(range(self._lowest + 1)) for launch in self._below(number)]

    @cached_property
    def training(self) -> list[Launch]:
        """From the input to the gradient: two launches where works can be stitched."""
        apart = [*self.forward, *self.loss, *self.backward]
        slopes: list[Work] = []
        gradients: list[Work] = []
        afterwards: list[Work] = []
        for number in reversed(range(self._lowest, len(self._layers))):
            first, *rest = [*self._layers[number].gradient(self._samples), None]
            gradients += [first] if first else []
            afterwards += [work for work in rest if work]
            slopes += self._below(number, self._lowest)
        chain = [*self.forward, *self.loss, *slopes]
        if not can_be_stitched(apart):
            return list(apart)
        return [chained(chain, self._blocks), side_by_side(gradients), *afterwards]

    def sample_gradients(self, rows: Buffer, width: int) -> list[Work]:
        """From the last layer's δ to one row of parameters a sample."""
        launches: list[Work] = []
        for number in reversed(range(self._lowest, len(self._layers))):
            launches += self._layers[number].sample_gradients(self._samples, rows, width)
            launches += self._below(number, self._lowest)
        return launches

    def _below(self, number: int, lowest: int = -1) -> list[Work]:
        """∂r/∂y_in of a layer, and δ of the one below; nothing of the lowest."""
        if number == lowest:
            return []
        launches = self._layers[number].backpropagate(self._samples)
        return launches + self._layers[number - 1].delta(self._samples) if number else launches
