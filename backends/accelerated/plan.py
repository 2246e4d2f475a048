"""A program on a device, as lists of launches that are bound once. See `gcnn.backend.Plan` for the contract."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial, wraps
from typing import Any, Concatenate, ParamSpec, TypeVar

import numpy as np

from gcnn.backend import Device, Program, UpdateRule
from gcnn.backends.accelerated import profile
from gcnn.backends.accelerated.binding import BoundNetwork, Maker
from gcnn.backends.accelerated.lanes import VECTORS, Lanes
from gcnn.backends.accelerated.launches import Launches
from gcnn.backends.accelerated.parts import samples_of_part
from gcnn.backends.accelerated.per_unit import Shares, blocks_together
from gcnn.backends.accelerated.place import Kernels
from gcnn.backends.accelerated.planner import fused
from gcnn.backends.accelerated.runtime import Runtime
from gcnn.backends.accelerated.tuning.choosers import Chooser, Ladder
from gcnn.backends.accelerated.tuning.layout import PlanTrial, layout_problem, layout_space
from gcnn.backends.accelerated.updates import RULES, DeviceUpdate
from gcnn.backends.accelerated.vectors import DeviceVector, DeviceVectors
from gcnn.errors import DataError, GcnnError
from gcnn.maps import Array
from gcnn.plan import apply_rule, penalty

FUSED, NARROW = "fused", "narrow"
"""The variants of plans that put layers and launches together: on the widest vectors, and on vectors no wider than a small batch needs."""


MOST_SIZES = 8
"""Numbers of samples whose launches are kept: a full batch, a ragged last one, and some that callers mix."""
_MEMORY = {"vectors", "theta", "gradient", "slots", "_update", "_launches", "_shares", "_bound"}
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
            try:
                return method(self, *args, **kwargs)
            finally:
                self._bound.gates.let_go()

    return alone


class AcceleratedPlan:
    """Layers bound to their places, and launch lists for every number of samples that comes. Safe for threads.

    Args:
        name: of the backend.
        runtime: where it runs.
        device: the same, as the backend describes it.
        makers: what makes a bound layer, by the class of its specification.
        program, dtype, batch: what is planned.
        variant: against the rule: "fused", which is "vectors" with layers and launches put together, "narrow", the same on vectors that
            suit the batch, or a way to lay out samples, "vectors", "scalars" or "planes"; without one, as the chooser chooses.
        chooser: chooses the layout and the parameters of kernels; by default the ladder of tuning.
        lanes: the layout itself.
        part: samples that are computed at a time, in whole blocks, against the rule (`samples_of_part`).
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
        part: int | None = None,
    ) -> None:
        self._name, self.program, self.device, self.dtype, self.batch = name, program, device, dtype, batch
        self._runtime = runtime
        self._chooser = chooser or Ladder(runtime, dtype)
        itemsize = np.dtype(dtype).itemsize
        if lanes is None and variant is None:
            make = partial(AcceleratedPlan, name, runtime, device, makers, program, dtype, batch, variant, None)
            trial = partial(PlanTrial, make, program, dtype, batch)
            space = layout_space(runtime, itemsize, batch)
            chosen = self._chooser.choose(space, layout_problem(program, batch), "plan", trial)
            lanes = Lanes(chosen["LANES"], chosen["V"])
        style = VECTORS if variant in (FUSED, NARROW) else variant
        self._lanes = lanes or Lanes.of(runtime, itemsize, style, batch if variant == NARROW else None)
        self._fused = variant in (None, FUSED, NARROW) and self._lanes.style == VECTORS
        self._stages = fused(program.stages) if self._fused else program.stages
        trained = [n for n, stage in enumerate(self._stages) if stage.parameters.stop > stage.parameters.start]
        self._lowest = trained[0] if trained else len(self._stages) - 1
        part = part or samples_of_part(runtime.limits, self._lanes, self._stages, itemsize, batch)
        self._part = min(batch, self._lanes.blocks(part) * self._lanes.count)
        self.vectors = DeviceVectors(runtime, dtype)
        count = program.parameter_count
        self.theta, self.gradient = self.vectors.zeros(count), self.vectors.zeros(count)
        rule = program.update
        self.slots = {name: self.vectors.zeros(n) for name, n in rule.slot_sizes(count).items()} if rule else {}
        self.hyperparameters = dict(rule.hyperparameters) if rule else {}
        self.count = 0
        kernels = Kernels(runtime, np.dtype(dtype), self._lanes, self._chooser, strict=program.precision == "strict")
        self._shares = Shares.of(kernels, batch, self._part, self.gradient.buffer) if self._fused else None
        blocks = self._lanes.blocks(self._part)
        together = blocks_together(blocks, runtime.limits.compute_units, self._shares) if self._fused else 0
        self._kernels = replace(kernels, chained=together)
        memory = self._shares.units * self._shares.blocks if self._shares else blocks
        of = self.theta.buffer, self.gradient.buffer
        self._bound = BoundNetwork(self._kernels, makers, program, self._stages, batch, self._part, memory, *of)
        self._update: DeviceUpdate | None = None
        if rule is not None and rule.kind in RULES:
            buffers = [slot.buffer for slot in self.slots.values()]
            self._update = DeviceUpdate(self._kernels, rule, count, *of, buffers, self._shares)
        self._launches: dict[int, Launches] = {}
        self._lock = threading.RLock()
        self._closed = False

    def _parts(self, samples: int, to: int | None) -> Iterator[Launches]:
        """What to enqueue for each part of so many samples, in order, after what `Launches.preparation` gives."""
        self._begin(samples)
        for first in range(0, samples, self._part):
            self._bound.begin_part(first)
            launches = self._for(min(self._part, samples - first))
            if first == 0:
                self._enqueue(launches.preparation(to))
            yield launches

    def _begin(self, samples: int) -> None:
        if self._bound.loss is not None:
            self._bound.loss.begin(samples)

    def _for(self, samples: int) -> Launches:
        """The launch lists for so many samples of a part; those that were used last are kept."""
        launches = self._launches.pop(samples, None)
        if launches is None:
            bound, together = self._bound, self._kernels.chained
            launches = Launches(
                bound.layers, bound.loss, bound.gates, self._lowest, samples, together, self._shares, self._update
            )
        while len(self._launches) >= MOST_SIZES:
            del self._launches[next(iter(self._launches))]
        self._launches[samples] = launches
        return launches

    @_exclusive
    def forward(self, x: Array, out: Array | None = None) -> Array:
        self._upload_inputs(x)
        self._bound.gates.y.begin(self.program.outputs.shape, len(x), out)
        for launches in self._parts(len(x), to=None):
            self._enqueue(launches.inference)
        self._linger(len(x))
        return self._bound.gates.y.finish()

    @_exclusive
    def loss(self, x: Array, t: Array) -> float:
        self._upload(x, t)
        for launches in self._parts(len(x), to=None):
            self._enqueue(launches.evaluation)
        self._linger(len(x))
        return self._mean(self._losses(len(x)), len(x))

    @_exclusive
    def loss_gradient(self, x: Array, t: Array) -> float:
        self._upload(x, t)
        return self._form_gradient(len(x))

    @_exclusive
    def vjp(self, x: Array, v: Array) -> Array:
        self._upload_inputs(x)
        self._bound.gates.v.upload(v, len(x))
        self._bound.gates.dx.begin(self.program.inputs.shape, len(x), None)
        for launches in self._parts(len(x), to=0):
            self._enqueue(launches.reverse)
        return self._bound.gates.dx.finish()

    @_exclusive
    def step(self, x: Array, t: Array) -> float:
        rule = self.program.update
        if rule is None:
            raise GcnnError(
                "this plan was made without an update rule; give one in Program(update=...) or use gcnn.training_step."
            )
        if self._update is None:
            loss = penalty(rule, self.vectors.download(self.theta) if rule.l2 else None) + self.loss_gradient(x, t)
            self.count += 1
            self._update_on_host(rule)
            return loss
        self._upload(x, t)
        self._update.begin(self.hyperparameters, self.count + 1)
        loss = self._form_gradient(len(x), self._update)
        self.count += 1
        return self._update.penalty() + loss

    @_exclusive
    def sample_gradients(self, x: Array, v: Array) -> Array:
        self._upload_inputs(x)
        self._bound.gates.v.upload(v, len(x))
        host = np.empty((len(x), self.program.parameter_count), self.dtype)
        rows = self._kernels.alloc(min(self._part, len(x)) * host.shape[1], "gradients of the samples")
        for number, launches in enumerate(self._parts(len(x), to=self._lowest + 1)):
            self._enqueue(launches.sample_gradients(rows, host.shape[1]))
            self._runtime.download(rows, host[number * self._part :][: self._part])
        return host

    @_exclusive
    def report(self) -> dict[str, Any]:
        """See `gcnn.backend.Plan`; besides, for the gradient of a full part, what is launched, and "works", their kernels."""
        launches = self._for(self._part)
        return {
            "backend": self._name,
            "device": self.device.name,
            "dtype": self.dtype,
            "batch": self.batch,
            "part": self._part,
            "precision": self.program.precision,
            "variant": self._variant,
            "lanes": self._lanes.count,
            "layers": [
                {"layer": str(stage.layer), "kernel": type(layer).__name__}
                for stage, layer in zip(self._stages, self._bound.layers, strict=True)
            ],
            "launches": [work.label for work in launches.of_gradient],
            "tuning": list(getattr(self._chooser, "log", ())),
            "on_host": ["update"] if self.program.update and self._update is None else [],
            "works": profile.rows(launches, self._stages, self._part),
        }

    @property
    def _variant(self) -> str:
        if not self._fused:
            return self._lanes.style
        return FUSED if self._lanes == Lanes.of(self._runtime, np.dtype(self.dtype).itemsize, VECTORS) else NARROW

    @_exclusive
    def profile(self) -> dict[str, Any]:
        """The report's "works" with their "seconds" and what they reach "of_ceiling"; "ceiling", the device's FLOPs a second; and "seconds"
        of the launches. See `gcnn.backends.accelerated.profile.timed`.
        """
        self._bound.gates.stand_alone()
        if self._shares is not None:
            self._shares.samples.change(np.int32(self._part))
        return profile.timed(self._for(self._part), self._stages, self._part, self._kernels)

    @_exclusive
    def synchronize(self) -> None:
        self._runtime.synchronize()

    def close(self) -> None:
        with self._lock:
            self._closed = True
            for held in _MEMORY:
                self.__dict__.pop(held, None)

    def _form_gradient(self, samples: int, update: DeviceUpdate | None = None) -> float:
        """Enqueue the gradient and the update. The loss, which the device has before it is done with them: it goes on beside the host."""
        launches, parts = self._for(self._part), range(0, samples, self._part)
        in_shares = launches.dealt is not None
        if self._shares is not None and in_shares:
            self._shares.samples.change(np.int32(samples))
            self._begin(samples)
            self._enqueue(launches.preparation(self._lowest + 1))
            first, rest = launches.to_losses
            self._enqueue(first)
        else:
            for begin, launches in zip(parts, self._parts(samples, to=self._lowest + 1), strict=True):
                joined = launches.updating if update is not None and len(parts) == 1 else None
                update = None if joined else update
                first, rest = joined or launches.to_losses
                self._enqueue(first if begin == parts[-1] else [*first, *rest])
        in_shares &= update is not None and update.adds_up
        beside: list[Callable[[], None]] = [*rest, *([] if in_shares else launches.add_up)]
        if update is not None:
            beside.append(partial(update.apply, in_shares))
        if self._runtime.waits_for_all:
            losses = self._losses(samples)
            self._enqueue(beside)
        else:
            self._enqueue(beside)
            if in_shares:
                self._linger(samples)
            losses = self._losses(samples)
        return self._mean(losses, samples)

    def _upload(self, x: Array, t: Array) -> None:
        self._upload_inputs(x)
        if self._bound.gates.t is None:
            raise GcnnError("this plan was made without a loss.")
        self._bound.gates.t.upload(t, len(x))

    def _upload_inputs(self, x: Array) -> None:
        if not 1 <= len(x) <= self.batch:
            raise DataError(f"the plan takes 1 to {self.batch} samples at a time, got {len(x)}.")
        self._bound.gates.x.upload(x, len(x))

    def _enqueue(self, launches: Sequence[Callable[[], None]]) -> None:
        for launch in launches:
            launch()

    def _linger(self, samples: int) -> None:
        """After the last launch of a call which each unit has blocks of; where units share works, the next waits longer so."""
        if self._lanes.blocks(samples) >= self._runtime.limits.compute_units:
            self._runtime.linger()

    def _losses(self, samples: int) -> Array:
        """Waits for the losses of the samples."""
        assert self._bound.loss is not None
        return self._bound.loss.read(samples)

    def _mean(self, losses: Array, samples: int) -> float:
        """The loss of a batch, as the loss says how to reduce it."""
        assert self._bound.loss is not None
        return float(losses.sum(dtype=np.float64)) * self._bound.loss.scale(samples)

    def _update_on_host(self, rule: UpdateRule) -> None:
        """A rule that has no kernel: the vectors go to the host and back."""
        vectors: dict[str, DeviceVector] = {"theta": self.theta, **self.slots}
        host = {name: self.vectors.download(vector) for name, vector in vectors.items()}
        theta = host.pop("theta")
        apply_rule(rule, theta, self.vectors.download(self.gradient), host, self.hyperparameters, self.count)
        for name, value in {"theta": theta, **host}.items():
            self.vectors.copy(self.vectors.upload(value), vectors[name])
