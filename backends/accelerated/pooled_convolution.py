"""A convolution and the max pooling after it as one layer: what is not a maximum is never written, and φ is taken of maxima only."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import prod
from typing import cast

from gcnn.backends.accelerated.convolution import DeviceConvolution
from gcnn.backends.accelerated.fused import FusedLayer
from gcnn.backends.accelerated.layer import activation_delta
from gcnn.backends.accelerated.max_pooling import DeviceMaxPooling
from gcnn.backends.accelerated.place import Place
from gcnn.backends.accelerated.tuning import cost
from gcnn.backends.accelerated.tuning.space import Parameters
from gcnn.backends.accelerated.tuning.trial import LayerMaker
from gcnn.backends.accelerated.windows import as_volume
from gcnn.backends.accelerated.work import Work
from gcnn.layers import Convolution, Layer, MaxPooling
from gcnn.layers.base import Parameter
from gcnn.maps import Maps
from gcnn.network import Stage

MONOTONE = frozenset({"identity", "logistic", "tanh", "scaled_tanh", "relu"})
"""Activations that do not decrease, so that φ of the maximum is the maximum of φ, and whose φ' is formed from y."""


@dataclass(frozen=True)
class PooledConvolution(FusedLayer):
    """What a planner puts in place of the two."""

    convolution: Convolution
    pooling: MaxPooling

    @property
    def activation(self) -> str:
        return self.convolution.activation

    @property
    def layers(self) -> tuple[Layer, ...]:
        return self.convolution, self.pooling

    def output_maps(self, inputs: Maps) -> Maps:
        return self.pooling.output_maps(self.convolution.output_maps(inputs))

    def parameters(self, inputs: Maps) -> tuple[Parameter, ...]:
        return self.convolution.parameters(inputs)

    def __str__(self) -> str:
        return f"{self.convolution} + {self.pooling}"


def pooled(first: Stage, second: Stage) -> Stage | None:
    """The two stages as one, where they can be."""
    convolution, pooling = first.layer, second.layer
    if not isinstance(convolution, Convolution) or not isinstance(pooling, MaxPooling):
        return None
    window = as_volume(pooling.windows(second.inputs))
    if convolution.activation not in MONOTONE or window[0] > 1 or prod(window) > cost.REGISTERS:
        return None
    return Stage(PooledConvolution(convolution, pooling), first.inputs, second.outputs, first.parameters)


class DevicePooledConvolution(DeviceConvolution):
    """The forward kernel keeps which cell of a window won; on the way back δ of the maxima is spread over the windows first."""

    def __init__(self, place: Place) -> None:
        layer = cast(PooledConvolution, place.stage.layer)
        inputs, outputs = place.stage.inputs, place.stage.outputs
        whole = layer.convolution.output_maps(inputs)
        self._maxima = place
        slopes = place.values(whole.points, name="slopes")
        self._window = as_volume(layer.pooling.windows(whole))
        self._pooling = DeviceMaxPooling(
            replace(place, stage=Stage(layer.pooling, whole, outputs, slice(0, 0)), dy_in=slopes)
        )
        stage = Stage(layer.convolution, inputs, whole, place.stage.parameters)
        super().__init__(replace(place, stage=stage, dy=slopes))

    def on_trial(self, kernel: str) -> tuple[LayerMaker, Place]:
        """The way back is the convolution's own."""
        return (type(self), self._maxima) if kernel.endswith(".forward") else (DeviceConvolution, self.place)

    @classmethod
    def awkward(cls, layer: Layer, own: Maps, parameters: Parameters) -> list[tuple[Layer, Maps]]:
        """A row and a column of windows more than a tile, and cells that are in none."""
        both = cast(PooledConvolution, layer)
        small = super().awkward(both.convolution, own, parameters)
        return [(replace(both, convolution=convolution), maps) for convolution, maps in small]  # type: ignore[arg-type]

    @property
    def _forward_options(self) -> dict[str, object]:
        _, rows, columns = self._window
        return {"ACTIVATION": self.fused, "POOL_Y": rows, "POOL_X": columns, "WINNER_BITS": self._pooling.bits}

    @property
    def _unit(self) -> tuple[int, int]:
        return self._window[1], self._window[2]

    @property
    def _computed(self) -> tuple[int, int]:
        return tuple(n // w * w for n, w in zip(self._geometry.made[1:], self._window[1:], strict=True))  # type: ignore[return-value]

    def combine(self, samples: int) -> list[Work]:
        return [*self._points(samples), self._bind_forward(samples, self._pooling.winners, self.place.y)]

    def delta(self, samples: int, sloped: bool = False) -> list[Work]:
        slopes = [] if sloped else activation_delta(self._maxima, self.activation, samples)
        return slopes + self._pooling.backpropagate(samples)
