"""What a plan enqueues for a number of samples, in order."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from itertools import chain as chain_of
from itertools import zip_longest

from gcnn.backends.accelerated.inlet import Inlet
from gcnn.backends.accelerated.layer import DeviceLayer
from gcnn.backends.accelerated.losses import DeviceLoss
from gcnn.backends.accelerated.runtime import Buffer
from gcnn.backends.accelerated.stitching import Chained, SideBySide, Stitched, can_be_stitched
from gcnn.backends.accelerated.work import Work

MOST_WORKS = 10
"""Of one chain: the time to compile grows faster than its length, and beside ten works a launch costs little."""


class Launches:
    """Lists of launches, each bound when first asked for: what is never called is never compiled.

    Args:
        layers: bound to their places.
        loss: bound to the last; `None` where there is none.
        x: where inputs come in.
        t: where targets do; `None` without a loss.
        lowest: the first layer with parameters; below it slopes are formed for ∂r/∂x only.
        samples: how many.
    """

    def __init__(
        self,
        layers: Sequence[DeviceLayer],
        loss: DeviceLoss | None,
        x: Inlet,
        t: Inlet | None,
        lowest: int,
        samples: int,
    ) -> None:
        self._layers, self._loss, self._x, self._t = layers, loss, x, t
        self._lowest, self._samples = lowest, samples
        self._blocks = layers[0].place.blocks(samples)
        self._chained = layers[0].place.kernels.chained

    @cached_property
    def forward(self) -> list[Work]:
        """From the input to the last layer's y."""
        return [self._x.pack(self._samples)] + [
            launch for layer in self._layers for launch in layer.forward(self._samples)
        ]

    @cached_property
    def loss(self) -> list[Work]:
        """Each sample's loss and the last layer's δ."""
        if self._loss is None or self._t is None:
            return []
        return [self._t.pack(self._samples), *self._loss.evaluate(self._samples)]

    @cached_property
    def output_delta(self) -> list[Work]:
        """The last layer's δ from ∂r/∂y, where a cotangent is given."""
        return self._layers[-1].delta(self._samples)

    @cached_property
    def slopes(self) -> list[Work]:
        """From the last layer's δ to the δ of every layer with parameters."""
        numbers = reversed(range(self._lowest, len(self._layers)))
        return [work for number in numbers for work in self._below(number, self._lowest)]

    @cached_property
    def gradients(self) -> list[list[Work]]:
        """From all δ to the gradient: first what depends on them alone, then what depends on that."""
        of_layers = [layer.gradient(self._samples) for layer in self._layers[self._lowest :]]
        return [[work for work in row if work] for row in zip_longest(*of_layers)]

    @cached_property
    def to_input(self) -> list[Work]:
        """∂r/∂x, after `backward`."""
        return [launch for number in reversed(range(self._lowest + 1)) for launch in self._below(number)]

    @cached_property
    def training(self) -> Sequence[Work | Stitched]:
        """From the input and targets to the losses and the gradient; in few launches where works can be stitched."""
        chain, rows = [*self.forward, *self.loss, *self.slopes], self.gradients
        if not self._chained or not can_be_stitched([*chain, *chain_of(*rows)]):
            return [*chain, *chain_of(*rows)]
        chains = [chain[first : first + MOST_WORKS] for first in range(0, len(chain), MOST_WORKS)]
        return [*(Chained(part, self._blocks) for part in chains), *(SideBySide(row) for row in rows)]

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
