"""Layer by layer: a plan composed of a backend's layer implementations, and the backend base class that makes it.

This is all a stranger needs to have a working backend, and it is exactly what the NumPy oracle is. A backend that
fuses layers writes its own `Plan` instead; the protocol is the same.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from gcnn.backend import (
    API_VERSION,
    Capabilities,
    Device,
    LayerImplementation,
    LossImplementation,
    Program,
    SampleGradients,
    Saved,
    Unavailable,
    UpdateRule,
    Value,
    VectorAlgebra,
    get_backend,
    refuse,
)
from gcnn.errors import DataError, GcnnError, Unsupported
from gcnn.maps import Array
from gcnn.network import Stage


class LayerwiseBackend(ABC):
    """A backend that is a set of layers.

    Subclasses set `name`, say in `capabilities` what they have, and implement `devices`, `vectors` and `layer`.
    Losses and update rules may stay on the host: the plan then moves what is needed, and `report` says so.
    """

    name: str
    api_version: int = API_VERSION

    @property
    @abstractmethod
    def capabilities(self) -> Capabilities:
        """What is implemented; everything else is refused at plan time."""

    @abstractmethod
    def devices(self) -> Sequence[Device | Unavailable]:
        """Everything this backend could run on, first choice first; never raises."""

    @abstractmethod
    def vectors(self, device: Device, dtype: str) -> VectorAlgebra:
        """The memory and vector algebra of a device."""

    @abstractmethod
    def layer(self, stage: Stage, device: Device, dtype: str) -> LayerImplementation:
        """The implementation of one layer, made for its maps."""

    def loss(self, program: Program, device: Device, dtype: str) -> LossImplementation:
        """The loss of a program on the device; asked for those in `capabilities.losses` only."""
        raise NotImplementedError(f"{type(self).__name__} claims the loss {program.loss} and must define loss(...)")

    def update(self, rule: UpdateRule, plan: LayerwisePlan) -> None:
        """Apply an update rule on the device; asked for those in `capabilities.updates` only."""
        raise NotImplementedError(f"{type(self).__name__} claims the update {rule.kind!r} and must define update(...)")

    def plan(self, program: Program, device: Device, dtype: str, batch: int) -> LayerwisePlan:
        """A plan, or `Unsupported` with everything that is missing."""
        refuse(self.name, self.capabilities, program, device, dtype)
        return LayerwisePlan(self, program, device, dtype, batch)


class LayerwisePlan:
    """A program run one layer at a time (Hedberg 2015, Eqs. 1, 6, 7 and 8). See `gcnn.backend.Plan` for the contract."""

    def __init__(self, backend: LayerwiseBackend, program: Program, device: Device, dtype: str, batch: int) -> None:
        self.program, self.device, self.dtype, self.batch = program, device, dtype, batch
        self._backend = backend
        self.vectors = backend.vectors(device, dtype)
        self.theta = self.vectors.zeros(program.parameter_count)
        self.gradient = self.vectors.zeros(program.parameter_count)
        sizes = program.update.slot_sizes(program.parameter_count) if program.update else {}
        self.slots = {name: self.vectors.zeros(size) for name, size in sizes.items()}
        self.hyperparameters = dict(program.update.hyperparameters) if program.update else {}
        self.count = 0
        self._layers = [backend.layer(stage, device, dtype) for stage in program.stages]
        loss, rule, claims = program.loss, program.update, backend.capabilities
        host = {"loss": loss and loss.name not in claims.losses, "update": rule and rule.kind not in claims.updates}
        self._on_host = [name for name, on_host in host.items() if on_host]
        self._loss: LossImplementation | None = None
        if loss:
            on_host = "loss" in self._on_host
            self._loss = _HostLoss(program, dtype, self.vectors) if on_host else backend.loss(program, device, dtype)
        self._closed = False

    def forward(self, x: Array, out: Array | None = None) -> Array:
        y = self.vectors.download(self._forward(x)[-1].y)
        if out is None:
            return y
        out[...] = y
        return out

    def loss(self, x: Array, t: Array) -> float:
        return self._evaluate_loss(self._forward(x)[-1], t)[0]

    def loss_gradient(self, x: Array, t: Array) -> float:
        saved = self._forward(x)
        loss, delta = self._evaluate_loss(saved[-1], t)
        self._backward(delta, saved, to_input=False)
        return loss

    def vjp(self, x: Array, v: Array) -> Array:
        saved = self._forward(x)
        delta = self._layers[-1].delta(self._upload(v), saved[-1])
        return self.vectors.download(self._backward(delta, saved, to_input=True))

    def step(self, x: Array, t: Array) -> float:
        rule = self.program.update
        if rule is None:
            raise GcnnError(
                "this plan was made without an update rule; give one in Program(update=...) or use gcnn.training_step."
            )
        loss = self.loss_gradient(x, t) + penalty(rule, self.vectors.download(self.theta) if rule.l2 else None)
        self.count += 1
        if "update" in self._on_host:
            self._update_on_host(rule)
        else:
            self._backend.update(rule, self)
        return loss

    def sample_gradients(self, x: Array, v: Array) -> Array:
        if "sample_gradients" not in self._backend.capabilities.features:
            raise Unsupported(self._backend.name, ["sample gradients (the rows of a Jacobian)"])
        saved = self._forward(x)
        blocks: list[Array] = []
        dy = self._upload(v)
        for layer, kept, stage in reversed(list(zip(self._layers, saved, self.program.stages, strict=True))):
            theta = self.vectors.view(self.theta, stage.parameters)
            delta = layer.delta(dy, kept)
            dy = layer.backpropagate(delta, kept, theta)
            if not isinstance(layer, SampleGradients):
                raise Unsupported(self._backend.name, [f"sample gradients of {stage.layer}"])
            blocks.append(self.vectors.download(layer.sample_gradients(delta, kept, theta)))
        return np.concatenate(blocks[::-1], axis=1)

    def report(self) -> dict[str, Any]:
        return {
            "backend": self._backend.name,
            "device": self.device.name,
            "dtype": self.dtype,
            "batch": self.batch,
            "layers": [
                {"layer": str(stage.layer), "kernel": type(layer).__name__}
                for stage, layer in zip(self.program.stages, self._layers, strict=True)
            ],
            "on_host": self._on_host,
        }

    def synchronize(self) -> None:
        """Layer implementations here answer when they are done: nothing to wait for."""

    def close(self) -> None:
        self._closed = True
        for held in ("theta", "gradient", "slots"):
            self.__dict__.pop(held, None)

    def _forward(self, x: Array) -> list[Saved]:
        """Eq. 1, layer after layer; what each keeps for the way back."""
        if self._closed:
            raise GcnnError("this plan is closed; bind the network again.")
        if not 1 <= len(x) <= self.batch:
            raise DataError(f"the plan takes 1 to {self.batch} samples at a time, got {len(x)}.")
        y, saved = self._upload(x), []
        for layer, stage in zip(self._layers, self.program.stages, strict=True):
            saved.append(layer.forward(y, self.vectors.view(self.theta, stage.parameters)))
            y = saved[-1].y
        return saved

    def _backward(self, delta: Value, saved: list[Saved], to_input: bool) -> Value:
        """Eqs. 7 and 8 from the last layer's δ; ∂r/∂x is formed only where asked for."""
        for number in reversed(range(len(self._layers))):
            layer, kept, part = self._layers[number], saved[number], self.program.stages[number].parameters
            theta = self.vectors.view(self.theta, part)
            if part.stop > part.start:
                self.vectors.copy(layer.gradient(delta, kept, theta), self.vectors.view(self.gradient, part))
            if number == 0 and not to_input:
                return None
            dy = layer.backpropagate(delta, kept, theta)
            delta = self._layers[number - 1].delta(dy, saved[number - 1]) if number else dy
        return delta

    def _evaluate_loss(self, saved: Saved, t: Array) -> tuple[float, Value]:
        if self._loss is None:
            raise GcnnError("this plan was made without a loss.")
        return self._loss.evaluate(saved, np.asarray(t, dtype=self.dtype))

    def _upload(self, host: Array) -> Value:
        return self.vectors.upload(np.asarray(host, dtype=self.dtype))

    def _update_on_host(self, rule: UpdateRule) -> None:
        names = ("theta", "gradient")
        host = {name: self.vectors.download(getattr(self, name)) for name in names}
        slots = {name: self.vectors.download(slot) for name, slot in self.slots.items()}
        apply_rule(rule, host["theta"], host["gradient"], slots, self.hyperparameters, self.count)
        self.vectors.copy(self.vectors.upload(host["theta"]), self.theta)
        for name, slot in slots.items():
            self.vectors.copy(self.vectors.upload(slot), self.slots[name])


def penalty(rule: UpdateRule, theta: Array | None) -> float:
    """½ λ Σ mask (θ - centre)² (delmas, Eq. 3), in float64; θ is not needed without a penalty."""
    if theta is None:
        return 0.0
    distance = theta.astype(np.float64) - (0.0 if rule.l2_centre is None else rule.l2_centre)
    pull = distance if rule.l2_mask is None else distance * rule.l2_mask
    return 0.5 * rule.l2 * float(pull @ distance)


def apply_rule(
    rule: UpdateRule,
    theta: Array,
    gradient: Array,
    slots: dict[str, Array],
    hyperparameters: Mapping[str, float],
    count: int,
) -> None:
    """One step of a rule on NumPy vectors: θ and the slots change in place.

    The rule sees the gradient with the penalty's pull added, and clipped as a whole after that.
    """
    if rule.l2:
        pull = theta if rule.l2_centre is None else theta - rule.l2_centre.astype(theta.dtype)
        gradient = gradient + rule.l2 * (pull if rule.l2_mask is None else pull * rule.l2_mask)
    rule.apply(theta, clipped(rule, gradient), slots, hyperparameters, count)


def clipped(rule: UpdateRule, gradient: Array) -> Array:
    """The gradient within ±clip_value, then no longer than clip_norm; one that already is comes back bit for bit."""
    if rule.clip_value is not None:
        gradient = np.clip(gradient, -rule.clip_value, rule.clip_value)
    if rule.clip_norm is not None:
        norm = float(np.linalg.norm(gradient.astype(np.result_type(gradient, np.float64))))
        if norm > rule.clip_norm:
            gradient = gradient * (rule.clip_norm / norm)
    return gradient


class _HostLoss:
    """The oracle's loss for a backend without one: downloads the last layer's value, uploads its δ."""

    def __init__(self, program: Program, dtype: str, vectors: VectorAlgebra) -> None:
        oracle: Any = get_backend("numpy")
        self._loss: LossImplementation = oracle.loss(program, oracle.devices()[0], dtype)
        self._vectors = vectors

    def evaluate(self, saved: Saved, t: Array) -> tuple[float, Value]:
        z, y = self._vectors.download(saved.z), self._vectors.download(saved.y)
        loss, delta = self._loss.evaluate(Saved(None, z, y), t)
        return loss, self._vectors.upload(delta)
