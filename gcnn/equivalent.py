"""The same function of the same parameters by other layers, which compute less, or are faster on the same numbers."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

from gcnn.layers import Convolution, Dense, VanillaSubsampling
from gcnn.network import Stage


def simplified(stages: Iterable[Stage]) -> tuple[Stage, ...]:
    """The stages, with a convolution and the vanilla sub-sampling after it as a convolution that computes what is kept.

    Windows that move by k, of which every K-th is kept, are windows that move by k K (Hedberg 2015, Eqs. 62 and 101): the same sums of
    the same parameters. φ is taken cell by cell, so that it may come before or after.
    """
    return merged(stages, _strided)


def merged(stages: Iterable[Stage], both: Callable[[Stage, Stage], Stage | None]) -> tuple[Stage, ...]:
    """The stages, with neighbours as the one that `both` makes of them, where it makes one."""
    found: list[Stage] = []
    for stage in stages:
        one = both(found[-1], stage) if found else None
        if one is None:
            found.append(stage)
        else:
            found[-1] = one
    return tuple(found)


def flattened(stage: Stage) -> Stage:
    """A convolution whose kernels fill its maps, of one output each, as the dense layer that it is: their weights have one order."""
    layer, inputs = stage.layer, stage.inputs
    if (
        not isinstance(layer, Convolution)
        or layer.needs(inputs) - {"strides"}
        or not inputs.uniform
        or layer.output is not None
    ):
        return stage
    if layer.kernel_box(inputs) != inputs.box:
        return stage
    return stage._replace(layer=Dense(layer.maps, activation=layer.activation))


def _strided(first: Stage, second: Stage) -> Stage | None:
    convolution, subsampling = first.layer, second.layer
    if not isinstance(convolution, Convolution) or not isinstance(subsampling, VanillaSubsampling):
        return None
    if convolution.output is not None or not first.inputs.uniform or not second.inputs.uniform:
        return None
    steps = zip(convolution.strides(first.inputs), subsampling.steps(second.inputs), strict=True)
    layer = replace(convolution, stride=tuple(k * every for k, every in steps), remainder="floor")
    return Stage(layer, first.inputs, second.outputs, first.parameters)
