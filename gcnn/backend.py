"""The backend protocol: the one file to read before writing a backend.

A backend turns a `Program` (layers, loss, perhaps an update rule) into a `Plan` on one of its devices. Everything that
can be refused is refused there, all of it at once. Afterwards a step is only launches:

    Backend.devices()                       what is there, and why something is not
    Backend.plan(program, device, ...)      fixes shapes, allocates, chooses kernels  ->  Plan
    Plan.forward, loss_gradient, vjp, step  the work

You rarely write a `Plan` yourself. Give `LayerwiseBackend` (gcnn/plan.py) one `LayerImplementation` a layer, for as
few layers as you like, say in `capabilities` which, and you have a backend. `docs/backends.md` walks through it.

Backends are found by name: through the entry point group "gcnn.backends" of installed packages, or `register_backend`.
GCNN_BACKEND and GCNN_DEVICE choose one (`select`). An explicit choice never degrades: it works, or it raises.
"""

from __future__ import annotations

import fnmatch
import importlib
import logging
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import entry_points
from typing import Any, NamedTuple, Protocol, runtime_checkable

import numpy as np

from gcnn import activations
from gcnn.errors import BackendUnavailable, DataError, Unsupported, one_of
from gcnn.losses import Loss
from gcnn.maps import Array, Maps
from gcnn.network import Network, Stage

API_VERSION = 1
"""Backends carry the version they were written for; another major number is refused when the backend is loaded."""

ENTRY_POINTS = "gcnn.backends"
Vector = Any
"""A flat vector in a backend's own memory; only the backend's `VectorAlgebra` looks inside."""
Value = Any
"""A layer's value, (sample, *maps.shape), in a backend's own memory."""

_log = logging.getLogger("gcnn")


@dataclass(frozen=True)
class Device:
    """Something that a backend can run on.

    Attributes:
        backend: the backend's name.
        index: its number among the backend's devices.
        name: what the maker calls it.
        kind: "cpu", "gpu" or "accelerator".
        dtypes: what it computes in.
        details: driver and versions, for certificates.
    """

    backend: str
    index: int
    name: str
    kind: str
    dtypes: tuple[str, ...]
    details: Mapping[str, str] = field(default_factory=dict, hash=False)


@dataclass(frozen=True)
class Unavailable:
    """Something that a backend would run on if it could: why not, and what to do."""

    backend: str
    name: str
    reason: str
    remedy: str


@dataclass(frozen=True)
class Capabilities:
    """What a backend claims. Conformance tests all of it; a plan for anything else is refused.

    Attributes:
        dtypes: "float32", "float64".
        layers: class names of layer specifications.
        activations, losses, updates: names; losses and updates that are missing run on the host, and `report` says so.
        features: beyond the plain layers: "tables", "shared_kernels", "mixed_kernels", "strides", "padding",
            "irregular_maps", "bias_free", "radial_functions", "feature_functions", "sample_gradients".
        most_dimensions: of the maps of a layer that works along their axes (`Layer.spatial`); `None` is any number.
        deterministic: whether equal calls give equal bits.
        variants: ways to make the same plan, such as layouts, that `plan(..., variant=)` can be told to take; conformance
            tests every one. Empty where `plan` takes no `variant`.
        minimal: whether convolutions may be computed by minimal algorithms (Winograd's), of 3x3 taps or of rows of taps, where a program's
            precision is not "strict"; conformance then allows for what these round.
    """

    dtypes: tuple[str, ...]
    layers: frozenset[str]
    activations: frozenset[str]
    losses: frozenset[str] = frozenset()
    updates: frozenset[str] = frozenset()
    features: frozenset[str] = frozenset()
    most_dimensions: int | None = None
    deterministic: bool = True
    variants: tuple[str, ...] = ()
    minimal: bool = False

    def missing(self, program: Program, dtype: str) -> list[str]:
        """Everything in the program that these capabilities lack, by layer and reason."""
        reasons = [] if dtype in self.dtypes else [f"dtype {dtype} (it computes in {', '.join(self.dtypes)})"]
        for number, (layer, inputs, _, _) in enumerate(program.stages):
            kind, where = type(layer).__name__, f"layer {number}, {layer}"
            if kind not in self.layers:
                reasons.append(f"{where}: {kind} layers are not implemented")
                continue
            if activations.get(layer.activation).name not in self.activations:
                reasons.append(f"{where}: activation {layer.activation!r} is not implemented")
            if layer.spatial and self.most_dimensions is not None and inputs.dimensions > self.most_dimensions:
                reasons.append(
                    f"{where}: maps of {inputs.dimensions} dimensions, more than {self.most_dimensions}, are not implemented"
                )
            reasons += [
                f"{where}: {need.replace('_', ' ')} not implemented"
                for need in sorted(layer.needs(inputs) - self.features)
            ]
        return reasons


@dataclass(frozen=True)
class UpdateRule:
    """An update rule as data, so that a planner may fuse it into its weight-gradient kernels.

    Attributes:
        kind: "gradient_descent", "momentum", "adam", ...
        hyperparameters: names and values at the start, such as {"lr": 0.01}; `Plan.hyperparameters` holds the current ones.
        slots: names of the state vectors, each as long as θ and zero at the start.
        l2: λ of the penalty ½ λ Σ mask (θ - centre)² (delmas, Eqs. 3-4).
        l2_centre, l2_mask: (parameters,) arrays, or None for the origin and for all parameters.
        apply: the rule itself on NumPy vectors, in place: (theta, gradient, slots, hyperparameters, count).
        matrices: names of state that is parameters x parameters, flat in C order; in `Plan.slots` with the others.
        clip_value: every component of the gradient, the penalty's pull included, is kept within ± this.
        clip_norm: then the gradient is scaled down to this Euclidean norm, over all parameters, where it is longer.
            A gradient within both limits is used as it is, bit for bit; None is no limit.
    """

    kind: str
    hyperparameters: Mapping[str, float]
    slots: tuple[str, ...]
    apply: Callable[[Array, Array, Mapping[str, Array], Mapping[str, float], int], None]
    l2: float = 0.0
    l2_centre: Array | None = None
    l2_mask: Array | None = None
    matrices: tuple[str, ...] = ()
    clip_norm: float | None = None
    clip_value: float | None = None

    def slot_sizes(self, parameters: int) -> dict[str, int]:
        """How long each slot of `Plan.slots` is, vectors first."""
        return dict.fromkeys(self.slots, parameters) | dict.fromkeys(self.matrices, parameters**2)


PRECISIONS = ("default", "strict")


@dataclass(frozen=True)
class Program:
    """What a plan is made for.

    Attributes:
        stages: layers in order, each with its input and output maps and its slice of the flat parameter vector.
        loss: the loss; `None` plans forward and vjp only.
        update: the update rule that `Plan.step` applies; `None` plans no step.
        precision: "default", or "strict" for sums of the equations' own products only: nothing as Winograd's convolution, which
            adds inputs before it multiplies and so rounds more.

    Raises:
        DataError: another precision.
    """

    stages: tuple[Stage, ...]
    loss: Loss | None = None
    update: UpdateRule | None = None
    precision: str = PRECISIONS[0]

    def __post_init__(self) -> None:
        if self.precision not in PRECISIONS:
            raise DataError(one_of("precision", self.precision, PRECISIONS))

    @classmethod
    def of(cls, network: Network, update: UpdateRule | None = None, precision: str = PRECISIONS[0]) -> Program:
        """The program of a network."""
        return cls(network.stages, network.loss, update, precision)

    @property
    def inputs(self) -> Maps:
        """What the first layer reads."""
        return self.stages[0].inputs

    @property
    def outputs(self) -> Maps:
        """What the last layer makes."""
        return self.stages[-1].outputs

    @property
    def parameter_count(self) -> int:
        """Length of θ."""
        return self.stages[-1].parameters.stop


class Saved(NamedTuple):
    """What a layer's forward pass leaves for its backward pass.

    Attributes:
        y_in: the layer's input.
        z: the combinator's value, before φ.
        y: the layer's output φ(z).
        extra: whatever else the layer wants to keep, such as the winners of max pooling.
    """

    y_in: Value
    z: Value
    y: Value
    extra: Any = None


def refuse(name: str, capabilities: Capabilities, program: Program, device: Device, dtype: str) -> None:
    """Raise `Unsupported` with everything in a program that a backend, or its device, lacks."""
    if reasons := _missing(capabilities, program, device, dtype):
        raise Unsupported(name, reasons)


def _missing(capabilities: Capabilities, program: Program, device: Device, dtype: str) -> list[str]:
    reasons = capabilities.missing(program, dtype)
    if dtype not in device.dtypes and dtype in capabilities.dtypes:
        reasons.append(f"dtype {dtype} on {device.name}, which computes in {', '.join(device.dtypes)}")
    return reasons


class LayerImplementation(Protocol):
    """A layer on a backend, made for fixed maps and dtype: the fundamental equations, one method each.

    θ is the layer's own slice of the flat vector. δ is ∂r/∂z, formed once and used by both Eq. 7 and Eq. 8; a loss may
    give it directly for the last layer (Hedberg 2015, Table 3), which is why it has a method of its own.
    """

    def forward(self, y_in: Value, theta: Vector) -> Saved:
        """Eq. 1: z = Z(y_in, θ), y = φ(z)."""

    def delta(self, dy: Value, saved: Saved) -> Value:
        """Eq. 6: δ = ∂r/∂z from ∂r/∂y, through the layer's own φ'."""

    def backpropagate(self, delta: Value, saved: Saved, theta: Vector) -> Value:
        """Eq. 7 without the lower layer's φ': ∂r/∂y_in = Σ δ ∂z/∂y_in."""

    def gradient(self, delta: Value, saved: Saved, theta: Vector) -> Vector:
        """Eq. 8: ∂r/∂θ = Σ δ ∂z/∂θ, summed over the samples; length 0 without parameters."""


@runtime_checkable
class SampleGradients(Protocol):
    """The optional capability "sample_gradients" of a layer: the rows of a Jacobian."""

    def sample_gradients(self, delta: Value, saved: Saved, theta: Vector) -> Value:
        """Eq. 8 without the sum over samples: (sample, parameters)."""


class LossImplementation(Protocol):
    """A loss on a backend, made for fixed maps, dtype and last activation."""

    def evaluate(self, saved: Saved, t: Array) -> tuple[float, Value]:
        """The reduced loss, accumulated in float64 where the device can, and δ = ∂r/∂z of the last layer (Table 3)."""


class VectorAlgebra(Protocol):
    """What optimisers need of a backend's flat vectors. Scalars are host floats; every `dot`, `norm`, `amax` waits."""

    def upload(self, host: Array) -> Vector:
        """A copy of a NumPy array, of any shape, in the backend's memory."""

    def download(self, x: Vector) -> Array:
        """A copy of a vector or value as a NumPy array."""

    def zeros(self, n: int) -> Vector: ...
    def view(self, x: Vector, part: slice) -> Vector:
        """A part of a vector that shares its memory: a layer's own θ."""

    def copy(self, source: Vector, target: Vector) -> None:
        """Target := source."""

    def axpy(self, a: float, x: Vector, y: Vector) -> None:
        """Y := a x + y, in place."""

    def scale(self, a: float, x: Vector) -> None:
        """X := a x, in place."""

    def dot(self, x: Vector, y: Vector) -> float: ...
    def norm(self, x: Vector) -> float:
        """Euclidean norm."""

    def amax(self, x: Vector) -> float:
        """Largest absolute value."""


class Plan(Protocol):
    """A program on a device, ready to run. Arrays in and out are NumPy's; θ and gradient stay on the device.

    `n ≤ batch` samples may be given to every call: a ragged last batch needs no plan of its own.
    """

    theta: Vector
    gradient: Vector
    vectors: VectorAlgebra
    slots: dict[str, Vector]
    hyperparameters: dict[str, float]
    """The update rule's current values: `step` reads them every time, so a schedule may change them."""
    count: int
    """Updates done. With θ and the slots it is all that later steps depend on: setting these resumes a run."""

    def forward(self, x: Array, out: Array | None = None) -> Array:
        """(n, *inputs.shape) to (n, *outputs.shape); written into `out` where given."""

    def loss(self, x: Array, t: Array) -> float:
        """The loss of a batch, reduced over these n samples."""

    def loss_gradient(self, x: Array, t: Array) -> float:
        """The loss; its gradient overwrites `gradient`."""

    def vjp(self, x: Array, v: Array) -> Array:
        """For a cotangent v of the output: ∂<v, y>/∂x is returned, ∂<v, y>/∂θ overwrites `gradient`."""

    def step(self, x: Array, t: Array) -> float:
        """One step of the program's update rule; the loss before it, with the rule's penalty."""

    def sample_gradients(self, x: Array, v: Array) -> Array:
        """Optional: (n, parameters), row s is ∂<v_s, y_s>/∂θ. Raises `Unsupported` where not claimed."""

    def report(self) -> dict[str, Any]:
        """What was planned: per layer who computes it, and what runs on the host."""

    def synchronize(self) -> None:
        """Wait until everything asked for is done."""

    def close(self) -> None:
        """Release the plan's memory; calls other than `close` are then errors."""


class Backend(Protocol):
    """What `register_backend` and the entry point group "gcnn.backends" take."""

    name: str
    api_version: int

    @property
    def capabilities(self) -> Capabilities: ...

    def devices(self) -> Sequence[Device | Unavailable]:
        """Everything this backend could run on, first choice first; never raises."""

    def plan(self, program: Program, device: Device, dtype: str, batch: int) -> Plan:
        """Raises `Unsupported` with all reasons where the program is more than the backend claims."""


class VariedBackend(Backend, Protocol):
    """A backend whose capabilities list variants."""

    def plan(self, program: Program, device: Device, dtype: str, batch: int, variant: str | None = None) -> Plan:
        """As `Backend.plan`; a variant forces one way to make the plan, and `Plan.report` names the one taken."""


_BUILT_IN = {"numpy": "gcnn.backends.numpy:BACKEND", "opencl": "gcnn.backends.opencl.backend:BACKEND"}
"""Found without an installation, so that a plain checkout works."""

_RANKING = (("cuda", "gpu"), ("opencl", "gpu"), ("opencl", "cpu"), ("numpy", "cpu"))
"""What "auto" tries, in order: (backend, kind of device). Third parties are chosen by name only."""

_registered: dict[str, Backend] = {}


def register_backend(backend: Backend) -> None:
    """Make a backend known in this process; an entry point does the same for an installed package."""
    _check_version(backend)
    _registered[backend.name] = backend


def backend_names() -> list[str]:
    """All names that `get_backend` knows, installed or registered."""
    return sorted({*_BUILT_IN, *_registered, *(point.name for point in entry_points(group=ENTRY_POINTS))})


def get_backend(name: str) -> Backend:
    """The backend of that name.

    Raises:
        BackendUnavailable: no such backend (the message names the nearest), or it does not import or was written for
            another version of the protocol.
    """
    if not isinstance(name, str):
        raise BackendUnavailable(f"a backend is chosen by its name, got {name!r}.")
    if name in _registered:
        return _registered[name]
    # What comes with gcnn cannot be replaced by an installed package, the oracle least of all.
    targets = {point.name: point.value for point in entry_points(group=ENTRY_POINTS)} | _BUILT_IN
    if name not in targets:
        raise BackendUnavailable(one_of("backend", name, backend_names()))
    module, _, attribute = targets[name].partition(":")
    try:
        backend = getattr(importlib.import_module(module), attribute)
        if isinstance(backend, type) or not hasattr(backend, "plan"):
            backend = backend()
    except Exception as error:  # importing may touch a driver, which may fail in any way
        raise BackendUnavailable(
            f"backend {name!r} ({targets[name]}) does not load: {error}. Reinstall the package it comes from."
        ) from error
    _check_version(backend)
    if backend.name != name:
        raise BackendUnavailable(
            f"the entry point {name!r} ({targets[name]}) leads to a backend that calls itself {backend.name!r}; both must be one name."
        )
    _registered[name] = backend
    return backend


def _check_version(backend: Backend) -> None:
    version = getattr(backend, "api_version", None)
    if version != API_VERSION:
        raise BackendUnavailable(
            f"backend {getattr(backend, 'name', backend)!r} was written for protocol version {version}, this gcnn has {API_VERSION}. "
            f"Install the release of the backend that fits."
        )


def find_device(
    backend: Backend, device: str | int | None, asked_by: str = "device", kind: str | None = None
) -> Device:
    """One device of a backend (of one kind, where given), by index, by a glob over names, or the first available.

    Raises:
        BackendUnavailable: none matches or none is there; reasons and remedies of all are listed.
    """
    found = list(backend.devices())
    available = [d for d in found if isinstance(d, Device) and kind in (None, d.kind)]
    if device is None or device == "":
        matches = available
    elif not isinstance(device, int | str) or isinstance(device, bool):
        raise BackendUnavailable(f"a device is chosen by its index or a glob over names, got {device!r}.")
    elif isinstance(device, int) or device.isdecimal():
        matches = [d for d in available if d.index == int(device)]
    else:
        matches = [d for d in available if fnmatch.fnmatch(d.name.lower(), device.lower())]
    if matches:
        return matches[0]
    wanted = f"no usable {kind or 'device'}" if device in (None, "") else f"no device matching {device!r} ({asked_by})"
    listed = "".join(f"\n  [{d.index}] {d.name}" for d in available)
    broken = "".join(f"\n  {d.name}: {d.reason}; {d.remedy}" for d in found if isinstance(d, Unavailable))
    raise BackendUnavailable(f"backend {backend.name!r} has {wanted}.{listed}{broken}\nSee: gcnn devices")


def select(
    backend: str | None = None, device: str | int | None = None, program: Program | None = None, dtype: str = "float32"
) -> tuple[Backend, Device]:
    """The backend and device to use: as given, else as GCNN_BACKEND and GCNN_DEVICE say, else "auto".

    "auto" takes the first of a fixed ranking (CUDA, OpenCL GPU, OpenCL CPU, NumPy) on which a tiny network gives the
    right answer, and logs which. Given a program, it passes over what declines it in this dtype, with a warning in the
    log that gives the reasons. A name given explicitly, here or by the environment, is never replaced.

    Raises:
        BackendUnavailable: with reason and remedy.
        Unsupported: whatever "auto" could take declines the program; the reasons are the last one's.
    """
    name = backend or os.environ.get("GCNN_BACKEND") or "auto"
    asked_by = "device" if device not in (None, "") else "GCNN_DEVICE"
    device = device if device not in (None, "") else os.environ.get("GCNN_DEVICE")
    if name != "auto":
        chosen = get_backend(name)
        return chosen, find_device(chosen, device, asked_by)
    known = backend_names()
    reasons: list[str] = []
    declined: Unsupported | None = None
    for candidate, kind in _RANKING:
        if candidate not in known:
            continue
        try:
            chosen = get_backend(candidate)
            found = find_device(chosen, device, asked_by, kind)
        except BackendUnavailable as error:
            reasons.append(str(error))
            continue
        if program is not None and (missing := _missing(chosen.capabilities, program, found, dtype)):
            declined = Unsupported(candidate, missing)
            reasons.append(f"{candidate} on {found.name}, which declines this program: {'; '.join(missing)}")
            continue
        if (fault := quick_check(chosen, found)) is not None:
            reasons.append(f"{candidate} on {found.name}: {fault}")
            continue
        passed_over = "".join(f"; passed over {reason}" for reason in dict.fromkeys(reasons))
        level = logging.INFO if declined is None else logging.WARNING
        _log.log(level, "backend auto: took %s on %s%s", candidate, found.name, passed_over)
        return chosen, found
    if declined is not None:
        raise declined
    raise BackendUnavailable("backend auto: nothing works.\n" + "\n".join(dict.fromkeys(reasons)))


def quick_check(backend: Backend, device: Device) -> str | None:
    """Run a tiny network whose answer is known; None where it is right, else what is wrong."""
    from gcnn.layers import Dense

    network = Network([Dense(2, activation="tanh"), Dense(1)], 2, loss="mse")
    theta = np.array([0.5, -0.4, 0.3, 0.8, 0.1, -0.2, 0.7, -0.6, 0.05])
    dtype = device.dtypes[0]
    try:
        plan = backend.plan(Program.of(network), device, dtype, 4)
        plan.vectors.copy(plan.vectors.upload(theta.astype(dtype)), plan.theta)
        y = plan.forward(np.array([[1.0, 0.0]], dtype=dtype))
        plan.close()
    except Exception as error:  # noqa: BLE001  # a driver may fail in any way; the reason is kept and reported
        return f"{type(error).__name__}: {error}"
    expected = 0.7 * np.tanh(0.6) - 0.6 * np.tanh(0.1) + 0.05
    return (
        None
        if abs(float(y[0, 0]) - expected) < 1e-5
        else f"a tiny network gave {float(y[0, 0])}, expected {expected:.6f}"
    )
