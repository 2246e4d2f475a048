"""A layer's kernel on trial: right on awkward shapes and on its own, and ready to be timed.

Numbers are small and whole, so that sums are exact in any order: every candidate must give the oracle's numbers to the bit.
Only activations round, and algorithms that say so.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Protocol

import numpy as np

from gcnn import activations
from gcnn.backend import Program, get_backend
from gcnn.backends.accelerated.fused import linear, stages_of
from gcnn.backends.accelerated.place import Kernels, Place
from gcnn.backends.accelerated.runtime import Buffer
from gcnn.backends.accelerated.stitching import Chained, can_be_stitched
from gcnn.backends.accelerated.tuning.choosers import Defaults, Forced
from gcnn.backends.accelerated.tuning.errors import WrongResult
from gcnn.backends.accelerated.tuning.space import Parameters
from gcnn.backends.accelerated.tuning.timing import DeviceClock
from gcnn.backends.accelerated.work import Work
from gcnn.layers import Layer
from gcnn.maps import Array, Maps
from gcnn.network import Stage

LARGEST = 2
"""The largest of the whole numbers: float32 adds four million products of two exactly."""
MARGIN = 64
"""Numbers before and after what a kernel may write, which it must leave alone."""
ROUNDING = 32
"""Units in the last place that an activation may be off by: OpenCL allows its functions up to 5, and a few are composed."""
REARRANGED = 256
"""The same, of the largest number, for algorithms that form other products than the equations'."""


Enqueued = Callable[[], None]


class TunableLayer(Protocol):
    """What a bound layer gives to have its kernels tuned: its equations, each with kernels of its own.

    Attributes:
        remembers: whether its way back reads what its forward pass leaves in memory of its own.
    """

    remembers: bool

    def rounds(self, kernel: str) -> bool: ...
    def prepare(self, back: bool = False) -> Sequence[Work]: ...
    def combine(self, samples: int) -> Sequence[Work]: ...
    def backpropagate(self, samples: int) -> Sequence[Work]: ...
    def gradient(self, samples: int) -> Sequence[Work]: ...


class LayerMaker(Protocol):
    """A class of such layers."""

    def __call__(self, place: Place) -> TunableLayer: ...

    def awkward(self, layer: Layer, own: Maps, parameters: Parameters) -> list[tuple[Layer, Maps]]:
        """Small problems that these parameters do not divide."""


PASSES: dict[str, Callable[[TunableLayer, int], tuple[Sequence[Work], Sequence[Work]]]] = {
    "forward": lambda layer, samples: (layer.prepare(), layer.combine(samples)),
    "backpropagate": lambda layer, samples: (layer.prepare(back=True), layer.backpropagate(samples)),
    "gradient": lambda layer, samples: (layer.gradient(samples), []),
}
"""The works that a kernel's parameters change, by the problem's kernel: others, and those that go block by block."""


@dataclass(frozen=True)
class Oracle:
    """Whole numbers for a layer, and what the oracle makes of them.

    Attributes:
        x, theta, delta: the layer's input, parameters, and δ.
        z, y: what it makes of the input, before and after φ; y is z where φ is softmax, which has a kernel of its own.
        dy_in, gradient: of δ.
    """

    x: Array
    theta: Array
    delta: Array
    z: Array
    y: Array
    dy_in: Array
    gradient: Array

    @classmethod
    def of(cls, layer: Layer, inputs: Maps, samples: int) -> Oracle:
        """For so many samples; always the same numbers."""
        draw = np.random.default_rng(samples).integers
        outputs, count = layer.output_maps(inputs), layer.parameter_count(inputs)
        x, theta, delta = (
            draw(-LARGEST, LARGEST + 1, shape).astype(np.float64)
            for shape in ((samples, *inputs.shape), (count,), (samples, *outputs.shape))
        )
        stages = stages_of(layer, inputs)
        z, dy_in, gradient = cls._run(linear(stages), x, theta, delta)
        rounds = layer.activation != "identity" and activations.get(layer.activation).elementwise
        y = cls._run(stages, x, theta, delta)[0] if rounds else z
        return cls(x, theta, delta, z, y, dy_in, gradient)

    @staticmethod
    def _run(stages: Sequence[Stage], x: Array, theta: Array, delta: Array) -> tuple[Array, Array, Array]:
        backend = get_backend("numpy")
        plan = backend.plan(Program(tuple(stages)), backend.devices()[0], "float64", len(x))  # type: ignore[arg-type]
        plan.vectors.copy(plan.vectors.upload(theta), plan.theta)
        y, dy_in = plan.forward(x), plan.vjp(x, delta)
        return y, dy_in, plan.vectors.download(plan.gradient)


class Bench:
    """A layer alone on a device, with memory around it that nobody may touch.

    Args:
        maker: makes the bound layer.
        kernels: what compiles.
        layer, inputs: the problem.
        batch: the most samples.
        keeps_z: whether z is kept beside y.
    """

    def __init__(
        self, maker: LayerMaker, kernels: Kernels, layer: Layer, inputs: Maps, batch: int, keeps_z: bool
    ) -> None:
        self._maker, self._kernels, self._lanes = maker, kernels, kernels.lanes
        count = layer.parameter_count(inputs)
        stage = Stage(layer, inputs, layer.output_maps(inputs), slice(MARGIN, MARGIN + count))
        self._batch, self._rounds = batch, False
        y = self._values(stage.outputs.points)
        self._place = Place(
            kernels=kernels,
            stage=stage,
            batch=batch,
            y_in=self._values(stage.inputs.points),
            z=self._values(stage.outputs.points) if keeps_z else y,
            y=y,
            dy=self._values(stage.outputs.points),
            dy_in=self._values(stage.inputs.points),
            theta=kernels.alloc(count + 2 * MARGIN, "theta on trial"),
            gradient=kernels.alloc(count + 2 * MARGIN, "gradient on trial"),
        )

    def _values(self, points: int) -> Buffer:
        return self._kernels.alloc(self._lanes.blocks(self._batch) * points * self._lanes.count + MARGIN, "on trial")

    def launches(self, kernel: str, parameters: Parameters, samples: int) -> Sequence[Enqueued]:
        """The kernel with these parameters, compiled and bound; what it reads of a forward pass on `load`ed numbers is there."""
        kernels = replace(self._kernels, chooser=Forced(kernel, parameters))
        what, layer = kernel.partition(".")[2], self._maker(replace(self._place, kernels=kernels))
        self._rounds = layer.rounds(what)
        if layer.remembers and what != "forward":
            for launch in self._passed("forward", layer, samples):
                launch()
        return self._passed(what, layer, samples)

    def _passed(self, what: str, layer: TunableLayer, samples: int) -> Sequence[Enqueued]:
        """Several works that go block by block are one launch where they are in a plan, lest a candidate of fewer seems quicker."""
        others, chain = PASSES[what](layer, samples)
        together = self._kernels.chained
        if together and len(chain) > 1 and all(work.chained and can_be_stitched(work) for work in chain):
            return [*others, Chained(chain, self._lanes.blocks(samples), together)]
        return [*others, *chain]

    def load(self, oracle: Oracle) -> None:
        """Upload what kernels read, and put NaN wherever they may or may not write."""
        place, nan = self._place, self._kernels.real(np.nan)
        for buffer in (place.y_in, place.z, place.y, place.dy, place.dy_in, place.theta, place.gradient):
            self._kernels.runtime.fill(buffer, nan, buffer.nbytes // nan.nbytes)
        for values, buffer in self._read(oracle):
            self._kernels.runtime.upload(values, buffer)

    def check(self, kernel: str, oracle: Oracle) -> None:
        """Raises `WrongResult` where a kernel that has run on `oracle` left other numbers than it, or wrote elsewhere."""
        place, samples = self._place, len(oracle.x)
        what = kernel.partition(".")[2]
        written: dict[str, tuple[Buffer, Array, float]] = {}
        if what == "forward":
            if place.z is not place.y:
                written["z"] = place.z, oracle.z, 0.0
            if place.z is place.y or not self._is_softmax:
                written["y"] = place.y, oracle.y, 0.0 if oracle.y is oracle.z else ROUNDING
        elif what == "backpropagate":
            written["dy_in"] = place.dy_in, oracle.dy_in, 0.0
        for name, (buffer, expected, ulps) in written.items():
            flat = expected.reshape(samples, -1)
            found = np.empty((samples, flat.shape[1]), self._kernels.dtype)
            packed = self._lanes.empty(samples, flat.shape[1], self._kernels.dtype)
            host = self._download(buffer)
            packed[...] = host[: packed.size].reshape(packed.shape)
            self._lanes.unpack(packed, found)
            self._compare(name, found, flat, ulps)
            self._untouched(name, host[packed.size :])
        if what == "gradient":
            host = self._download(place.gradient)
            inside = slice(MARGIN, len(host) - MARGIN)
            self._compare("gradient", host[inside], oracle.gradient, 0.0)
            self._untouched("gradient", np.delete(host, inside))
        for values, buffer in self._read(oracle):
            if not np.array_equal(self._download(buffer)[: values.size], values.ravel(), equal_nan=True):
                raise WrongResult(f"it changed what it reads ({buffer.name})")

    @property
    def _is_softmax(self) -> bool:
        return not activations.get(self._place.stage.layer.activation).elementwise

    def _read(self, oracle: Oracle) -> Iterator[tuple[Array, Buffer]]:
        """What kernels read, packed as they read it."""
        place, dtype = self._place, self._kernels.dtype
        for values, buffer in ((oracle.x, place.y_in), (oracle.delta, place.dy)):
            flat = values.reshape(len(values), -1)
            packed = self._lanes.empty(len(flat), flat.shape[1], dtype)
            self._lanes.pack(flat.astype(dtype), packed)
            yield packed, buffer
        yield np.pad(oracle.theta, MARGIN, constant_values=np.nan).astype(dtype), place.theta

    def _download(self, buffer: Buffer) -> Array:
        host = np.empty(buffer.nbytes // self._kernels.dtype.itemsize, self._kernels.dtype)
        self._kernels.runtime.download(buffer, host)
        return host

    def _compare(self, name: str, found: Array, expected: Array, ulps: float) -> None:
        size = np.abs(expected)
        largest = REARRANGED * size.max(initial=0.0) if self._rounds else 0.0
        allowed = float(np.finfo(self._kernels.dtype).eps) * (ulps * (1 + size) + largest)
        wrong = np.argwhere(~(np.abs(found.astype(np.float64) - expected) <= allowed))
        if len(wrong):
            first = tuple(wrong[0])
            raise WrongResult(
                f"{name} of {self._place.stage.layer} on {self._place.stage.inputs}: {len(wrong)} of {expected.size} numbers, "
                f"at {', '.join(map(str, first))} it is {found[first]} and the oracle has {expected[first]}"
            )

    def _untouched(self, name: str, outside: Array) -> None:
        if not np.isnan(outside).all():
            raise WrongResult(f"{name} of {self._place.stage.layer}: it wrote outside of what it was given")


class LayerTrial:
    """See `search.Trial`; for one kernel of a bound layer.

    Args:
        maker: makes the bound layer.
        place: where it stands in a plan, of which this trial has copies of its own.
        kernel: the name of the problem, such as "dense.forward".
    """

    def __init__(self, maker: LayerMaker, place: Place, kernel: str) -> None:
        self._maker, self._kernel = maker, kernel
        self._kernels = replace(place.kernels, chooser=Defaults())
        self._layer, self._inputs, self._batch = place.stage.layer, place.stage.inputs, place.batch
        self._keeps_z = place.z is not place.y
        self._oracles: dict[tuple[Layer, Maps, int], Oracle] = {}

    def prepare(self, parameters: Parameters) -> Callable[[int], float]:
        lanes = self._kernels.lanes.count
        for layer, inputs in self._maker.awkward(self._layer, self._inputs, parameters):
            # Three blocks, of which the second is not full, where lanes allow that, and the third is not used.
            bench = Bench(self._maker, self._kernels, layer, inputs, 2 * lanes + 1, self._keeps_z)
            for samples in (1, min(lanes + 3, 2 * lanes)):
                self._check(bench, layer, inputs, samples, parameters)
        launches = self._check(self._own, self._layer, self._inputs, self._batch, parameters)
        return DeviceClock(self._kernels.runtime, launches)

    @cached_property
    def _own(self) -> Bench:
        """Candidates share the memory of the layer's own problem."""
        return Bench(self._maker, self._kernels, self._layer, self._inputs, self._batch, self._keeps_z)

    def _check(
        self, bench: Bench, layer: Layer, inputs: Maps, samples: int, parameters: Parameters
    ) -> Sequence[Enqueued]:
        case: Any = (layer, inputs, samples)
        if case not in self._oracles:
            self._oracles[case] = Oracle.of(*case)
        bench.load(self._oracles[case])
        launches = bench.launches(self._kernel, parameters, samples)
        for launch in launches:
            launch()
        bench.check(self._kernel, self._oracles[case])
        return launches
