"""A network bound to memory: what its layers read, make and send back, for as many samples as are computed at a time."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from gcnn.backend import Program
from gcnn.backends.accelerated.flatten import DeviceFlatten
from gcnn.backends.accelerated.gates import Inlet, Outlet
from gcnn.backends.accelerated.launches import Gates
from gcnn.backends.accelerated.layer import SOFTMAX, DeviceLayer, reads_z
from gcnn.backends.accelerated.losses import CLOSED, DeviceLoss
from gcnn.backends.accelerated.place import Below, Kernels, Place
from gcnn.backends.accelerated.planner import stays_in_chain
from gcnn.backends.accelerated.runtime import Buffer
from gcnn.backends.accelerated.work import Setting
from gcnn.network import Stage

Maker = Callable[[Place], DeviceLayer]


class BoundNetwork:
    """The layers of a plan in their places, its loss, and where samples come in and leave.

    Args:
        kernels: what compiles; `kernels.chained` is for layers that stay in a chain.
        makers: what makes a bound layer, by the class of its specification.
        program: what is planned.
        stages: its layers, as they are put together.
        batch: the most samples of a call.
        part: the most of them that are computed at a time.
        blocks: for how many blocks there is memory.
        theta, gradient: the flat vectors.

    Attributes:
        values: y of the input and of every layer.
        slopes: ∂r/∂y of the same, which become δ in place.
        layers: bound, in order.
        loss: bound to the last layer; `None` where there is none.
        gates: for samples.
        first, add: the first sample of a part, and whether its gradient is added to that of the parts before.
    """

    def __init__(
        self,
        kernels: Kernels,
        makers: Mapping[type[Any], Maker],
        program: Program,
        stages: Sequence[Stage],
        batch: int,
        part: int,
        blocks: int,
        theta: Buffer,
        gradient: Buffer,
    ) -> None:
        self._kernels, self._makers, self._program, self._stages = kernels, makers, program, stages
        self._part, self._blocks, self._theta, self._gradient = part, blocks, theta, gradient
        self.first, self.add = Setting(np.int32(0), "first"), Setting(np.int32(0), "add")
        self.values, self.slopes = self._memory(), self._memory()
        self.layers: list[DeviceLayer] = []
        for number, stage in enumerate(stages):
            self.layers.append(makers[type(stage.layer)](self._place(number)))
        self.loss = DeviceLoss(program, self.layers[-1], batch, self.first) if program.loss else None
        inputs, outputs = program.inputs.points, program.outputs.points
        self.gates = Gates(
            x=Inlet(kernels, batch, inputs, self.values[0], self.first),
            t=Inlet(kernels, batch, outputs, self.loss.targets, self.first) if self.loss else None,
            y=Outlet(kernels, batch, outputs, self.values[-1], self.first),
            v=Inlet(kernels, batch, outputs, self.slopes[-1], self.first),
            dx=Outlet(kernels, batch, inputs, self.slopes[0], self.first),
        )

    def begin_part(self, first: int) -> None:
        """Launches that follow compute the part that begins with this sample."""
        self.first.change(np.int32(first))
        self.add.change(np.int32(first > 0))

    def _memory(self) -> list[Buffer]:
        """A value a layer, and one of the input; what only renames its points shares its input's memory."""
        buffers = [self._value(self._program.inputs.points)]
        for stage in self._stages:
            shared = self._makers[type(stage.layer)] is DeviceFlatten
            buffers.append(buffers[-1] if shared else self._value(stage.outputs.points))
        return buffers

    def _value(self, points: int) -> Buffer:
        return self._kernels.alloc(self._blocks * points * self._kernels.lanes.count, "a layer's values")

    def _place(self, number: int) -> Place:
        stage, y = self._stages[number], self.values[number + 1]
        activation = stage.layer.activation
        loss, is_last = self._program.loss, number == len(self._stages) - 1
        closed = loss is not None and is_last and (loss.name, activation) in CLOSED
        chained = self._kernels.chained if stays_in_chain(stage, self._part, self._kernels) else 0
        return Place(
            kernels=replace(self._kernels, chained=chained),
            stage=stage,
            batch=self._blocks * self._kernels.lanes.count,
            y_in=self.values[number],
            z=self._value(stage.outputs.points) if reads_z(activation) or closed else y,
            y=y,
            dy=self.slopes[number + 1],
            dy_in=self.slopes[number],
            theta=self._theta,
            gradient=self._gradient,
            add=self.add,
            below=self._below(number),
        )

    def _below(self, number: int) -> Below | None:
        """The layer below, where φ' of it may be put into the way back of a layer."""
        if not self._kernels.chained or number == 0:
            return None
        layer, y = self.layers[number - 1], self.values[number]
        if layer.activation in ("identity", SOFTMAX):
            return None
        return Below(layer.activation, layer.place.z if reads_z(layer.activation) else y, y)
