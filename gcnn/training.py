"""Training by mini-batches: one step, and the loop over epochs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from gcnn.errors import DataError, NetworkError, OptimizerError
from gcnn.maps import Array
from gcnn.model import Model
from gcnn.network import checked_seed, is_integer
from gcnn.optimizers import Adam, Optimizer


class TrainingStep:
    """One step of an optimizer on a model, planned together so that a backend may fuse the update.

    Args:
        model: the model; its plan is made again with the update rule, its parameters stay.
        optimizer: the method; its hyper-parameters are read at every step, so `optimizer.lr = ...` takes effect;
            its L2 penalty is fixed here.
            Without a mask of its own, its L2 penalty pulls on weights and not on biases.
    """

    def __init__(self, model: Model, optimizer: Optimizer) -> None:
        if not isinstance(optimizer, Optimizer):
            raise OptimizerError(f"expected an optimizer such as gcnn.optimizers.Adam(), got {optimizer!r}.")
        optimizer.check_length(model.network.parameter_count)
        self.model, self.optimizer = model, optimizer
        self._plan = model.plan_with(optimizer.rule(model.network.decay_mask()))

    def __call__(self, x: Array, t: Array) -> float:
        """Update θ on one batch of at most `model.batch` samples; the loss before the update, with the penalty."""
        x, t = self.model.check_pair(x, t)
        if len(x) > self.model.batch:
            raise DataError(
                f"a step takes at most batch={self.model.batch} samples, got {len(x)}. Bind with a larger batch."
            )
        if self._plan is not self.model.plan:
            raise NetworkError("another training step was made on this model since; use that one, or make a new one.")
        self._plan.hyperparameters.update(self.optimizer.values(self._plan.count))
        return self._plan.step(x, t)


def training_step(model: Model, optimizer: Optimizer) -> TrainingStep:
    """The fast path of training: a callable that updates the model on one batch."""
    return TrainingStep(model, optimizer)


@dataclass
class History:
    """What happened, one entry an epoch.

    Attributes:
        loss: the training loss over an epoch, with its reduction and with the penalty; each batch is measured before its update.
        validation_loss: the loss on the validation data after the epoch, without the penalty; empty without such data.
        accuracy: on the validation data; empty without any, or where outputs are no classes.
    """

    loss: list[float] = field(default_factory=list)
    validation_loss: list[float] = field(default_factory=list)
    accuracy: list[float] = field(default_factory=list)


class Callback(Protocol):
    """Called after every epoch with (epoch from 1, model, history); returns True to stop."""

    def __call__(self, epoch: int, model: Model, history: History) -> bool | None: ...


Data = tuple[Array, Array]


def train(
    model: Model,
    data: Data,
    optimizer: Optimizer | None = None,
    epochs: int = 10,
    validation: Data | None = None,
    callbacks: Sequence[Callback] = (),
    seed: int | None = None,
    progress: Callable[[Iterable[Any], int], Iterable[Any]] | None = None,
) -> History:
    """Train a model on (inputs, targets).

    Args:
        model: from `Network.bind`; its `batch` is the mini-batch size.
        data: inputs (samples, *inputs) and targets (samples, *outputs) or integer labels.
        optimizer: None is `Adam()`.
        epochs: passes over the data, each in a fresh seeded order; a last short batch is kept (decision "order").
        validation: held-back data, evaluated after every epoch.
        callbacks: called after every epoch; one that returns True ends the training.
        seed: of the order; None takes the network's.
        progress: wraps the batches of an epoch, `progress(batches, epoch)`, for a progress bar.

    Raises:
        DataError: data of the wrong shape, dtype or values. FloatingPointError: the loss is no longer finite.
    """
    if not isinstance(model, Model):
        raise DataError(
            f"train takes a model, got {type(model).__name__}: bind the network first, network.bind(batch=32)."
        )
    if not is_integer(epochs) or epochs < 1:
        raise DataError(f"epochs must be an integer of at least 1, got {epochs!r}.")
    x, t = model.check_pair(*_pair(data, "data"))
    held_back = None if validation is None else model.check_pair(*_pair(validation, "validation"))
    step = training_step(model, Adam() if optimizer is None else optimizer)
    rng = np.random.default_rng(model.network.seed if seed is None else checked_seed(seed))
    history = History()
    for epoch in range(1, epochs + 1):
        order = rng.permutation(len(x))
        batches = [order[start : start + model.batch] for start in range(0, len(x), model.batch)]
        loss_of_epoch = 0.0
        for rows in batches if progress is None else progress(batches, epoch):
            # What overflows is told below, in words.
            with np.errstate(over="ignore", invalid="ignore"):
                loss = step(x[rows], t[rows])
            if not np.isfinite(loss):
                raise FloatingPointError(f"the loss became {loss} in epoch {epoch}. Use a smaller learning rate.")
            loss_of_epoch += loss * (1.0 if model.network.loss.reduction == "sum" else len(rows) / len(x))
        if not np.isfinite(model.theta).all():
            raise FloatingPointError(f"parameters became infinite in epoch {epoch}. Use a smaller learning rate.")
        history.loss.append(loss_of_epoch)
        if held_back is not None:
            history.validation_loss.append(model.loss(*held_back))
            if classifies(model):
                history.accuracy.append(accuracy(model, *held_back))
        stops = [callback(epoch, model, history) for callback in callbacks]
        if any(stops):
            break
    return history


def _pair(data: Any, name: str) -> Data:
    if not isinstance(data, list | tuple) or len(data) != 2:
        raise DataError(f"{name} must be a pair (inputs, targets), got {type(data).__name__}.")
    return data[0], data[1]


def classifies(model: Model) -> bool:
    """Whether the network's loss says that its outputs are classes."""
    return model.network.loss.name in ("cross_entropy", "binary_cross_entropy")


def accuracy(model: Model, x: Array, t: Array) -> float:
    """The fraction of samples whose class is predicted; targets as labels, one-hot rows, or 0 and 1."""
    x, t = model.check_pair(x, t)
    rows = t.reshape(len(t), -1)
    labels = (rows[:, 0] >= 0.5).astype(np.intp) if rows.shape[1] == 1 else rows.argmax(axis=1)
    return float((model.predict(x) == labels).mean())
