"""A network bound to a backend: NumPy arrays in, NumPy arrays out, every input checked."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from gcnn.arrays import check_finite, check_numbers, check_samples, dtype_name, one_hot
from gcnn.backend import Plan, Program, UpdateRule, select
from gcnn.documents import json_object, json_text
from gcnn.errors import DataError, FormatError, Unsupported
from gcnn.layers import RadialBasis
from gcnn.maps import Array
from gcnn.network import Network, checked_seed, is_integer
from gcnn.tensors import CHECKPOINT, DTYPES, MODEL, read_tensors, write_tensors


class Model:
    """What `Network.bind` gives: the network with parameters, on a device.

    Attributes:
        network: the network.
        backend, device: what was chosen.
        dtype: what it computes in.
        batch: the most samples of one pass; larger arrays are split and their losses and gradients put together.
        precision: "default" or "strict".
        notes: whatever should be saved with the model, as JSON has it; the commands keep there how inputs were prepared.
    """

    def __init__(
        self,
        network: Network,
        backend: str | None,
        device: str | int | None,
        dtype: str,
        batch: int,
        precision: str = "default",
    ) -> None:
        if not is_integer(batch) or batch < 1:
            raise DataError(f"batch must be an integer of at least 1, got {batch!r}.")
        self.network, self.dtype, self.batch = network, dtype_name(dtype), int(batch)
        self.precision = precision
        program = Program.of(network, precision=precision)
        self._backend, self.device = select(backend, device, program, self.dtype)
        self.backend = self._backend.name
        self.plan: Plan = self._backend.plan(program, self.device, self.dtype, self.batch)
        self.theta = network.initial_parameters()
        self.notes: dict[str, Any] = {}
        self._steps = False  # whether a training step holds the plan

    @property
    def theta(self) -> Array:
        """(parameters,) the flat parameter vector, in the order of the layers; assign to set it."""
        return self.plan.vectors.download(self.plan.theta)

    @theta.setter
    def theta(self, value: Array) -> None:
        value = check_numbers(value, "theta")
        if value.shape != (self.network.parameter_count,):
            raise DataError(f"theta has shape {value.shape}, expected ({self.network.parameter_count},).")
        self.plan.vectors.copy(self.plan.vectors.upload(check_finite(value, "theta", self.dtype)), self.plan.theta)

    def forward(self, x: Array) -> Array:
        """(samples, *inputs) to (samples, *outputs), in the model's dtype."""
        x = self.check_inputs(x)
        y = np.empty((len(x), *self.network.outputs.shape), self.dtype)
        for part in self._parts(len(x)):
            self.plan.forward(x[part], y[part])
        return y

    def predict(self, x: Array) -> Array:
        """(samples,) the index of each sample's largest output; with a single output, whether it is at least ½."""
        y = self.forward(x).reshape(len(x), -1)
        return (y[:, 0] >= 0.5).astype(np.intp) if y.shape[1] == 1 else y.argmax(axis=1)

    def loss(self, x: Array, t: Array) -> float:
        """The network's loss over all samples, with its reduction."""
        x, t = self.check_pair(x, t)
        return sum(self._share(part, len(x)) * self.plan.loss(x[part], t[part]) for part in self._parts(len(x)))

    def loss_and_gradient(self, x: Array, t: Array) -> tuple[float, Array]:
        """The loss over all samples, and its (parameters,) gradient."""
        x, t = self.check_pair(x, t)
        total, gradient = 0.0, np.zeros(self.network.parameter_count, dtype=self.dtype)
        for part in self._parts(len(x)):
            share = self._share(part, len(x))
            total += share * self.plan.loss_gradient(x[part], t[part])
            gradient += share * self.plan.vectors.download(self.plan.gradient)
        return total, gradient

    def vjp(self, x: Array, v: Array) -> tuple[Array, Array]:
        """For a cotangent `v` of the output, (gradient of <v, y> by θ, gradient by x)."""
        x = self.check_inputs(x)
        v = check_samples(v, self.network.outputs, "v", self.dtype)
        if len(v) != len(x):
            raise DataError(f"x has {len(x)} samples, v has {len(v)}.")
        gradient, dx = np.zeros(self.network.parameter_count, dtype=self.dtype), []
        for part in self._parts(len(x)):
            dx.append(self.plan.vjp(x[part], v[part]))
            gradient += self.plan.vectors.download(self.plan.gradient)
        return gradient, np.concatenate(dx)

    def report(self) -> dict[str, Any]:
        """What the backend planned: per layer who computes it, and what runs on the host."""
        return self.plan.report()

    def profile(self) -> dict[str, Any]:
        """Where the time of a gradient of a full batch goes, as the backend tells; takes seconds, and writes the plan's gradient.

        Raises:
            Unsupported: the backend does not measure its plans.
        """
        measure = getattr(self.plan, "profile", None)
        if measure is None:
            raise Unsupported(self._backend.name, ["it does not measure its plans, which Model.profile() asks for"])
        return dict(measure())

    def initialize_from(self, x: Array, seed: int | None = None) -> None:
        """Place the centres of radial basis layers on random samples of their own inputs, with widths to match (decision "centres")."""
        x = self.check_inputs(x)
        rng = np.random.default_rng(self.network.seed if seed is None else checked_seed(seed))
        theta = self.theta
        for number, (layer, _, _, part) in enumerate(self.network.stages):
            if isinstance(layer, RadialBasis):
                below = Network(self.network.layers[:number], self.network.inputs, "mse") if number else None
                y = x
                if below is not None:
                    model = below.bind("numpy", dtype="float64")
                    model.theta = theta[: part.start]
                    y = model.forward(x)
                theta[part] = layer.initialize_from(y, rng)
        self.theta = theta

    def save(self, path: str | Path) -> None:
        """Write parameters and network to one safetensors file, whole or not at all.

        Raises:
            DataError: a complex model, which is for derivatives only, or notes that JSON has not.
            OSError: the folder is missing or not writable, or the disk is full; what was there stays.
        """
        self.check_saved()
        metadata = {"network": self.network.to_json(), "notes": json_text(self.notes, "model.notes")}
        write_tensors(Path(path), MODEL, {"theta": self.theta}, metadata)

    def check_saved(self) -> None:
        """Raise `DataError` where files cannot hold what this model computes in."""
        if self.dtype not in DTYPES.values():
            raise DataError(
                f"a model in {self.dtype} cannot be saved; files hold {' or '.join(DTYPES.values())}. "
                "Bind the network in one of them, set its theta, and save that."
            )

    def check_inputs(self, x: Array) -> Array:
        """`x` as an array of the model's dtype and the network's input shape, all finite; raises `DataError`."""
        return check_samples(x, self.network.inputs, "x", self.dtype)

    def check_pair(self, x: Array, t: Array) -> tuple[Array, Array]:
        """Inputs and targets, checked; class labels become one-hot rows."""
        x, t = self.check_inputs(x), self.check_targets(t)
        if len(x) != len(t):
            raise DataError(f"x has {len(x)} samples, t has {len(t)}.")
        return x, t

    def check_targets(self, t: Array) -> Array:
        """Targets as an array of the network's output shape: given so, or (samples,) integer class labels."""
        t = check_numbers(t, "t")
        outputs = self.network.outputs
        if t.ndim == 1 and t.dtype.kind in "iu" and outputs.points > 1:
            t = one_hot(t, outputs.points).reshape(len(t), *outputs.shape)
        elif t.ndim == 1 and outputs.points > 1:
            raise DataError(f"t has shape {t.shape} and dtype {t.dtype}; class labels must be integers: t.astype(int).")
        if t.ndim == 1 and outputs.points == 1:
            t = t.reshape(len(t), *outputs.shape)
        t = check_samples(t, outputs, "t", self.dtype)
        self.network.loss.check_targets(t)
        return t

    def plan_with(self, update: UpdateRule) -> Plan:
        """Plan again with an update rule, θ carried over; `gcnn.training_step` calls this. What is refused leaves the model as it was."""
        theta, before = self.theta, self.plan
        if not self._steps:
            before.close()  # first, since two plans need twice the memory; a step that is there may go on where this is refused
        try:
            self.plan = self._planned(update, theta)
        except BaseException:
            if not self._steps:
                self.plan = self._planned(None, theta)
            raise
        if self._steps:
            before.close()
        self._steps = True
        return self.plan

    def _planned(self, update: UpdateRule | None, theta: Array) -> Plan:
        program = Program.of(self.network, update, self.precision)
        plan = self._backend.plan(program, self.device, self.dtype, self.batch)
        plan.vectors.copy(plan.vectors.upload(theta), plan.theta)
        return plan

    def _parts(self, n: int) -> Iterator[slice]:
        return (slice(start, min(start + self.batch, n)) for start in range(0, n, self.batch))

    def _share(self, part: slice, n: int) -> float:
        return 1.0 if self.network.loss.reduction == "sum" else (part.stop - part.start) / n

    def __repr__(self) -> str:
        return f"Model({self.network.parameter_count:,} parameters, {self.backend} on {self.device.name}, {self.dtype}, batch {self.batch})"


def load(
    path: str | Path,
    backend: str | None = None,
    device: str | int | None = None,
    dtype: str | None = None,
    batch: int = 64,
) -> Model:
    """Read a model that `Model.save` wrote, or the model of a training's checkpoint, and bind it.

    Args:
        path: the file.
        backend: as for `Network.bind`.
        device: as for `Network.bind`.
        dtype: None keeps the dtype that the parameters were saved in.
        batch: as for `Network.bind`.

    Raises:
        FormatError: no safetensors file, neither model nor checkpoint, from a later version, or parameters that do not fit.
        OSError: the file is not there or cannot be read.
    """
    path = Path(path)
    kind, tensors, metadata = read_tensors(path, MODEL, CHECKPOINT)
    if "theta" not in tensors or (kind == MODEL and len(tensors) > 1):
        raise FormatError(f"{path}: a gcnn model holds one tensor, theta; this file holds {sorted(tensors)}.")
    theta = tensors["theta"]
    try:
        network = Network.from_json(metadata.get("network", ""))
        notes = json_object(metadata.get("notes", "{}"))
    except FormatError as error:
        raise FormatError(f"{path}: {error}") from error
    if theta.shape != (network.parameter_count,):
        raise FormatError(
            f"{path}: holds parameters of shape {theta.shape}, but its network has {network.parameter_count}."
        )
    if not np.isfinite(theta).all():
        raise FormatError(f"{path}: holds parameters that are not finite.")
    model = network.bind(backend, device, dtype or str(theta.dtype), batch)
    model.theta, model.notes = theta, notes
    return model
