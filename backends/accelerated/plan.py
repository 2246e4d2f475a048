"""A program on a device, as lists of launches that are bound once. See `gcnn.backend.Plan` for the contract."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from functools import partial, wraps
from math import prod
from typing import Any, Concatenate, ParamSpec, TypeVar

import numpy as np

from gcnn.backend import Device, Program, UpdateRule
from gcnn.backends.accelerated.flatten import DeviceFlatten
from gcnn.backends.accelerated.lanes import Lanes
from gcnn.backends.accelerated.launches import Launches
from gcnn.backends.accelerated.layer import DeviceLayer, reads_z
from gcnn.backends.accelerated.losses import CLOSED, DeviceLoss
from gcnn.backends.accelerated.place import Kernels, Place
from gcnn.backends.accelerated.runtime import Buffer, Launch, Runtime
from gcnn.backends.accelerated.tuning.choosers import Chooser, Ladder
from gcnn.backends.accelerated.tuning.layout import PlanTrial, layout_problem, layout_space
from gcnn.backends.accelerated.updates import RULES, DeviceUpdate
from gcnn.backends.accelerated.vectors import DeviceVector, DeviceVectors
from gcnn.errors import DataError, GcnnError
from gcnn.maps import Array
from gcnn.plan import apply_rule, penalty

Maker = Callable[[Place], DeviceLayer]


MOST_SIZES = 8
"""Numbers of samples whose launches are kept: a full batch, a ragged last one, and some that callers mix."""
_MEMORY = {"vectors", "theta", "gradient", "slots", "_layers", "_values", "_slopes", "_loss", "_update", "_launches"}
"""What `close` lets go."""
P = ParamSpec("P")
R = TypeVar("R")


def _exclusive(method: Callable[Concatenate[AcceleratedPlan, P], R]) -> Callable[Concatenate[AcceleratedPlan, P], R]:
    """One call at a time, of an open plan: threads that share a plan share the memory of its values."""

    @wraps(method)
    def alone(self: AcceleratedPlan, /, *args: P.args, **kwargs: P.kwargs) -> R:
        with self._lock:
            if self._closed:
                raise GcnnError("this plan is closed; bind the network again.")
            return method(self, *args, **kwargs)

    return alone


class AcceleratedPlan:
    """Layers bound to their places, and launch lists for every number of samples that comes. Safe for threads.

    Args:
        name: of the backend.
        runtime: where it runs.
        device: the same, as the backend describes it.
        makers: what makes a bound layer, by the class of its specification.
        program, dtype, batch: what is planned.
        variant: a way to lay out samples: "vectors", "scalars" or "planes"; without one, as the chooser chooses.
        chooser: chooses the layout and the parameters of kernels; by default the ladder of tuning.
        lanes: the layout itself.
    """

    def __init__(
        self,
        name: str,
        runtime: Runtime,
        device: Device,
        makers: Mapping[type[Any], Maker],
        program: Program,
        dtype: str,
        batch: int,
        variant: str | None = None,
        chooser: Chooser | None = None,
        lanes: Lanes | None = None,
    ) -> None:
        self._name, self.program, self.device, self.dtype, self.batch = name, program, device, dtype, batch
        self._runtime = runtime
        self._chooser = chooser or Ladder(runtime, dtype)
        itemsize = np.dtype(dtype).itemsize
        if lanes is None and variant is None:
            make = partial(AcceleratedPlan, name, runtime, device, makers, program, dtype, batch, variant, None)
            trial = partial(PlanTrial, make, program, dtype, batch)
            space = layout_space(runtime, itemsize)
            chosen = self._chooser.choose(space, layout_problem(program, batch), "plan", trial)
            lanes = Lanes(chosen["LANES"], chosen["V"])
        self._lanes = lanes or Lanes.of(runtime, itemsize, variant)
        self._kernels = Kernels(runtime, np.dtype(dtype), self._lanes, self._chooser)
        self.vectors = DeviceVectors(runtime, dtype)
        count = program.parameter_count
        self.theta, self.gradient = self.vectors.zeros(count), self.vectors.zeros(count)
        rule = program.update
        self.slots = {name: self.vectors.zeros(n) for name, n in rule.slot_sizes(count).items()} if rule else {}
        self.hyperparameters = dict(rule.hyperparameters) if rule else {}
        self.count = 0
        self._values, self._slopes = self._memory(makers), self._memory(makers)
        self._layers = [makers[type(stage.layer)](self._place(number)) for number, stage in enumerate(program.stages)]
        self._loss = DeviceLoss(program, self._layers[-1]) if program.loss else None
        self._update: DeviceUpdate | None = None
        if rule is not None and rule.kind in RULES:
            buffers = [slot.buffer for slot in self.slots.values()]
            self._update = DeviceUpdate(self._kernels, rule, count, self.theta.buffer, self.gradient.buffer, buffers)
        self._launches: dict[int, Launches] = {}
        self._lock = threading.RLock()
        self._closed = False

    def _memory(self, makers: Mapping[type[Any], Maker]) -> list[Buffer]:
        """A value a layer, and one of the input; what only renames its points shares its input's memory."""
        buffers = [self._value(self.program.inputs.points)]
        for stage in self.program.stages:
            shared = makers[type(stage.layer)] is DeviceFlatten
            buffers.append(buffers[-1] if shared else self._value(stage.outputs.points))
        return buffers

    def _value(self, points: int) -> Buffer:
        blocks = self._lanes.blocks(self.batch)
        return self._kernels.alloc(blocks * points * self._lanes.count, "a layer's values")

    def _place(self, number: int) -> Place:
        stage, y = self.program.stages[number], self._values[number + 1]
        activation = stage.layer.activation
        loss, is_last = self.program.loss, number == len(self.program.stages) - 1
        closed = loss is not None and is_last and (loss.name, activation) in CLOSED
        return Place(
            kernels=self._kernels,
            stage=stage,
            batch=self.batch,
            y_in=self._values[number],
            z=self._value(stage.outputs.points) if reads_z(activation) or closed else y,
            y=y,
            dy=self._slopes[number + 1],
            dy_in=self._slopes[number],
            theta=self.theta.buffer,
            gradient=self.gradient.buffer,
        )

    def _for(self, samples: int) -> Launches:
        """The launch lists for so many samples; those that were used last are kept."""
        launches = self._launches.pop(samples, None)
        if launches is None:
            stages = self.program.stages
            trained = [n for n, stage in enumerate(stages) if stage.parameters.stop > stage.parameters.start]
            launches = Launches(self._layers, self._loss, trained[0] if trained else len(stages) - 1, samples)
        while len(self._launches) >= MOST_SIZES:
            del self._launches[next(iter(self._launches))]
        self._launches[samples] = launches
        return launches

    @_exclusive
    def forward(self, x: Array, out: Array | None = None) -> Array:
        launches = self._start(x)
        self._enqueue(launches.forward)
        return self._download(self._values[-1], self.program.outputs.shape, len(x), out)

    @_exclusive
    def loss(self, x: Array, t: Array) -> float:
        launches = self._start(x)
        self._enqueue(launches.forward)
        return self._evaluate_loss(launches, len(x), t)

    @_exclusive
    def loss_gradient(self, x: Array, t: Array) -> float:
        launches = self._start(x)
        self._enqueue(launches.forward)
        loss = self._evaluate_loss(launches, len(x), t)
        self._enqueue(launches.backward)
        return loss

    @_exclusive
    def vjp(self, x: Array, v: Array) -> Array:
        launches = self._start(x)
        self._enqueue(launches.forward)
        self._upload(v, self._slopes[-1], len(x), self.program.outputs.points)
        self._enqueue(launches.output_delta + launches.backward + launches.to_input)
        return self._download(self._slopes[0], self.program.inputs.shape, len(x), None)

    @_exclusive
    def step(self, x: Array, t: Array) -> float:
        rule = self.program.update
        if rule is None:
            raise GcnnError(
                "this plan was made without an update rule; give one in Program(update=...) or use gcnn.training_step."
            )
        loss = self._penalty(rule) + self.loss_gradient(x, t)
        self.count += 1
        if self._update is not None:
            self._update.apply(self.hyperparameters, self.count)
        else:
            self._update_on_host()
        return loss

    @_exclusive
    def sample_gradients(self, x: Array, v: Array) -> Array:
        launches = self._start(x)
        samples, width = len(x), self.program.parameter_count
        rows = self._kernels.alloc(samples * width, "gradients of the samples")
        self._enqueue(launches.forward)
        self._upload(v, self._slopes[-1], len(x), self.program.outputs.points)
        self._enqueue(launches.output_delta + launches.sample_gradients(rows, width))
        host = np.empty((samples, width), self.dtype)
        self._runtime.download(rows, host)
        return host

    @_exclusive
    def report(self) -> dict[str, Any]:
        return {
            "backend": self._name,
            "device": self.device.name,
            "dtype": self.dtype,
            "batch": self.batch,
            "variant": self._lanes.style,
            "lanes": self._lanes.count,
            "layers": [
                {"layer": str(stage.layer), "kernel": type(layer).__name__}
                for stage, layer in zip(self.program.stages, self._layers, strict=True)
            ],
            "tuning": list(getattr(self._chooser, "log", ())),
            "on_host": ["update"] if self.program.update and self._update is None else [],
        }

    @_exclusive
    def synchronize(self) -> None:
        self._runtime.synchronize()

    def close(self) -> None:
        with self._lock:
            self._closed = True
            for held in _MEMORY:
                self.__dict__.pop(held, None)

    def _start(self, x: Array) -> Launches:
        """The input on the device, and what to enqueue for so many samples."""
        if not 1 <= len(x) <= self.batch:
            raise DataError(f"the plan takes 1 to {self.batch} samples at a time, got {len(x)}.")
        self._upload(x, self._values[0], len(x), self.program.inputs.points)
        return self._for(len(x))

    def _enqueue(self, launches: list[Launch]) -> None:
        for launch in launches:
            launch()

    def _evaluate_loss(self, launches: Launches, samples: int, t: Array) -> float:
        if self._loss is None:
            raise GcnnError("this plan was made without a loss.")
        self._upload(t, self._loss.targets, samples, self.program.outputs.points)
        self._enqueue(launches.loss)
        losses = np.empty(self._lanes.blocks(samples) * self._lanes.count, self._kernels.wide)
        self._runtime.download(self._loss.samples, losses)
        return float(losses.sum(dtype=np.float64)) * self._loss.scale(samples)

    def _upload(self, values: Array, target: Buffer, samples: int, points: int) -> None:
        values = np.asarray(values, dtype=self.dtype)
        if len(values) != samples or values.size != samples * points:
            raise DataError(f"expected {samples} samples of {points} values, got an array of shape {values.shape}.")
        packed = self._lanes.empty(samples, points, np.dtype(self.dtype))
        self._lanes.pack(values, packed)
        self._runtime.upload(packed, target)

    def _download(self, source: Buffer, shape: tuple[int, ...], samples: int, out: Array | None) -> Array:
        if out is not None and out.shape != (samples, *shape):
            raise DataError(f"out must have the shape {(samples, *shape)}, got {out.shape}.")
        packed = self._lanes.empty(samples, prod(shape), np.dtype(self.dtype))
        self._runtime.download(source, packed)
        plain = out is not None and out.flags.c_contiguous and out.dtype == packed.dtype
        result = out if out is not None and plain else np.empty((samples, *shape), self.dtype)
        self._lanes.unpack(packed, result)
        if out is None or plain:
            return result
        out[...] = result
        return out

    def _penalty(self, rule: UpdateRule) -> float:
        if self._update is not None:
            return self._update.penalty()
        return penalty(rule, self.vectors.download(self.theta) if rule.l2 else None)

    def _update_on_host(self) -> None:
        """A rule that has no kernel: the vectors go to the host and back."""
        rule = self.program.update
        assert rule is not None
        vectors: dict[str, DeviceVector] = {"theta": self.theta, **self.slots}
        host = {name: self.vectors.download(vector) for name, vector in vectors.items()}
        theta = host.pop("theta")
        apply_rule(rule, theta, self.vectors.download(self.gradient), host, self.hyperparameters, self.count)
        for name, value in {"theta": theta, **host}.items():
            self.vectors.copy(self.vectors.upload(value), vectors[name])
