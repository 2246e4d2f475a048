"""Layers that a planner puts in place of several."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, replace

from gcnn.layers import Layer
from gcnn.maps import Maps
from gcnn.network import Stage


class FusedLayer(Layer):
    """One layer for several that follow one another. It belongs to no network and has no name there."""

    @property
    def layers(self) -> tuple[Layer, ...]:
        """Those that it stands for, in order."""
        raise NotImplementedError(f"{type(self).__name__} must define layers")


def stages_of(layer: Layer, inputs: Maps, first: int = 0) -> list[Stage]:
    """A layer, or those that it stands for, in their places; parameters begin at `first`."""
    stages = []
    for part in layer.layers if isinstance(layer, FusedLayer) else (layer,):
        outputs, last = part.output_maps(inputs), first + part.parameter_count(inputs)
        stages.append(Stage(part, inputs, outputs, slice(first, last)))
        inputs, first = outputs, last
    return stages


def linear(stages: Sequence[Stage]) -> list[Stage]:
    """The same without activations."""
    return [
        stage._replace(layer=replace(stage.layer, activation="identity"))  # type: ignore[call-arg]
        if "activation" in {field.name for field in fields(stage.layer)}
        else stage
        for stage in stages
    ]
