"""Training by mini-batches: the loop over epochs, which can be saved between any two steps and goes on bit-equal."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np

from gcnn.callbacks import Callback, Finishing
from gcnn.checkpoint import Checkpoint, write_checkpoint
from gcnn.data.samples import Batch, Samples
from gcnn.errors import CheckpointError, DataError, FormatError
from gcnn.history import History
from gcnn.interruption import Interrupted, Interruption
from gcnn.maps import Array
from gcnn.metrics import as_samples, evaluate
from gcnn.model import Model
from gcnn.network import checked_seed, is_integer
from gcnn.optimizers import Adam, Optimizer
from gcnn.snapshots import made_for, restore, snapshot
from gcnn.step import training_step

Augmentation = Callable[[Array, np.random.Generator], Array]
"""Changes a batch of inputs (n, *shape) at random, such as `gcnn.data.Shift`; all randomness from the generator."""
Progress = Callable[[Iterable[Any], int], Iterable[Any]]

_log = logging.getLogger("gcnn")


def train(
    model: Model,
    data: Batch | Samples,
    optimizer: Optimizer | None = None,
    epochs: int = 10,
    validation: Batch | Samples | None = None,
    callbacks: Sequence[Callback] = (),
    seed: int | None = None,
    progress: Progress | None = None,
    augment: Augmentation | None = None,
    checkpoint: Checkpoint | str | Path | None = None,
) -> History:
    """Train a model on samples.

    Args:
        model: from `Network.bind`; its `batch` is the mini-batch size.
        data: inputs (samples, *inputs) and targets (samples, *outputs) or integer labels; or `gcnn.data.Samples`, which
            are read batch by batch.
        optimizer: None is `Adam()`.
        epochs: passes over the data, each in a fresh seeded order; a last short batch is kept (decision "order").
        validation: held-back data, evaluated after every epoch.
        callbacks: called after every epoch; one that returns True ends the training.
        seed: of the order and of augmentation; None takes the network's.
        progress: wraps the batches of an epoch, `progress(batches, epoch)`, for a progress bar.
        augment: changes every batch of inputs at random.
        checkpoint: where to save the training so that it can go on (`gcnn.Checkpoint` says when); with it, Ctrl-C and
            SIGTERM end the training after a step, saved.

    Raises:
        DataError: data of the wrong shape, dtype or values. FloatingPointError: the loss is no longer finite.
        CheckpointError: the checkpoint is of another training, or there is one and nothing said to go on from it.
        Interrupted: Ctrl-C or SIGTERM; a `KeyboardInterrupt` that names the checkpoint.
    """
    return Training(model, data, optimizer, epochs, validation, callbacks, seed, progress, augment, checkpoint).run()


class Training:
    """A training between two steps; the arguments are those of `train`.

    Attributes:
        samples, size: what is learned from, and how many there are.
        history: the epochs that are complete.
        batches: steps done in the epoch that is not.
        loss: of those steps, their shares of the epoch's loss.
        seconds: that those steps took.
        stopped: whether a callback has ended the training.
        generator, epoch_start: the random generator, and its state when the epoch began.
        step: the training step.
        made_for: what a checkpoint of this training is for, as it was at the start; callbacks may have changed settings
            of the optimizer since.
        noted: called when a Ctrl-C was noted, to say that the step is being finished.
    """

    def __init__(
        self,
        model: Model,
        data: Batch | Samples,
        optimizer: Optimizer | None = None,
        epochs: int = 10,
        validation: Batch | Samples | None = None,
        callbacks: Sequence[Callback] = (),
        seed: int | None = None,
        progress: Progress | None = None,
        augment: Augmentation | None = None,
        checkpoint: Checkpoint | str | Path | None = None,
    ) -> None:
        if not isinstance(model, Model):
            raise DataError(
                f"train takes a model, got {type(model).__name__}: bind the network first, network.bind(batch=32)."
            )
        if not is_integer(epochs) or epochs < 1:
            raise DataError(f"epochs must be an integer of at least 1, got {epochs!r}.")
        self.model, self.epochs, self.callbacks = model, int(epochs), tuple(callbacks)
        self.samples = as_samples(model, data)
        self.size = len(self.samples)
        self.validation = None if validation is None else as_samples(model, validation, "validation")
        self.history, self.batches, self.stopped = History(), 0, False
        self.noted: Callable[[], None] | None = None
        self._progress, self.augment = progress, augment
        self.seed = model.network.seed if seed is None else checked_seed(seed)
        self.generator = np.random.default_rng(self.seed)
        self.epoch_start = self.generator.bit_generator.state
        self.loss, self.seconds = 0.0, 0.0
        self._checkpoint = _as_checkpoint(checkpoint)
        if self._checkpoint is not None:
            model.check_saved()
            # Callbacks may change the working directory.
            self._path = Path(self._checkpoint.path).absolute()
        found = None if self._checkpoint is None else self._checkpoint.found()
        optimizer = Adam() if optimizer is None else optimizer
        self.step = training_step(model, optimizer)
        self.made_for = {} if self._checkpoint is None else made_for(self)
        self._saved_at = time.monotonic()
        if found is not None:
            assert self._checkpoint is not None
            try:
                restore(self, found)
            except (FormatError, CheckpointError) as error:
                raise type(error)(f"{self._checkpoint.path}: {error}") from error

    def run(self) -> History:
        """Train until all epochs are done or a callback stops; what is done already is not done again."""
        interruption = Interruption(self.noted)
        with nullcontext() if self._checkpoint is None else interruption:
            if not self.batches + self.history.epochs:
                self._save()  # so that there is something to go on from at any time
            while self.history.epochs < self.epochs and not self.stopped:
                self._epoch(self.history.epochs + 1, interruption)
        for callback in self.callbacks:
            if isinstance(callback, Finishing):
                callback.finish(self.model, self.history)
        return self.history

    def _epoch(self, epoch: int, interruption: Interruption) -> None:
        started = time.perf_counter() - self.seconds
        batches = self._order()
        for rows in batches if self._progress is None else self._progress(batches, epoch):
            self._batch(rows, epoch)
            self.seconds = time.perf_counter() - started
            if interruption.signal is None and self._is_due():
                self._save()
            if interruption.signal is not None:
                self._interrupt(interruption.signal)
        self._check_finite(epoch)
        self.history.loss.append(self.loss)
        if self.validation is not None:
            with np.errstate(over="ignore", invalid="ignore"):
                found = evaluate(self.model, self.validation)
            self.history.validation_loss.append(found.loss)
            if found.accuracy is not None:
                self.history.accuracy.append(found.accuracy)
        self.history.seconds.append(time.perf_counter() - started)
        self.batches, self.loss, self.seconds = 0, 0.0, 0.0
        self.epoch_start = self.generator.bit_generator.state
        stops = [callback(epoch, self.model, self.history) for callback in self.callbacks]
        self.stopped = any(stops)
        self._save()
        if interruption.signal is not None:
            self._interrupt(interruption.signal)

    def _order(self) -> list[Array]:
        """The batches of the epoch that are still to do: of a seeded permutation, which is drawn again after a pause."""
        if len(self.samples) != self.size:
            raise DataError(f"the training began with {self.size} samples, but now there are {len(self.samples)}.")
        now = self.generator.bit_generator.state
        self.generator.bit_generator.state = self.epoch_start
        order = self.generator.permutation(self.size)
        if self.batches:
            self.generator.bit_generator.state = now
        size = self.model.batch
        return [order[start : start + size] for start in range(self.batches * size, len(order), size)]

    def _batch(self, rows: Array, epoch: int) -> None:
        x, t = self.samples.read(rows)
        if len(x) != len(rows):
            raise DataError(f"{self.samples!r} was asked for {len(rows)} samples and gave {len(x)}.")
        if self.augment is not None:
            x = self.augment(x, self.generator)
        # What overflows is told below, in words.
        with np.errstate(over="ignore", invalid="ignore"):
            loss = self.step(x, t)
        if not np.isfinite(loss):
            raise FloatingPointError(f"the loss became {loss} in epoch {epoch}. {self._remedy()}")
        self.loss += float(loss) * (1.0 if self.model.network.loss.reduction == "sum" else len(rows) / self.size)
        self.batches += 1

    def _check_finite(self, epoch: int) -> None:
        """Parameters may be finite yet where the optimizer's state is not, as where a gradient's square overflows."""
        for name, values in self.step.state().items():
            if not np.isfinite(values).all():
                what = "parameters" if name == "theta" else f"the optimizer's {name.removeprefix('slot.')}"
                raise FloatingPointError(f"{what} became infinite in epoch {epoch}. {self._remedy()}")

    def _remedy(self) -> str:
        saved = f" The last checkpoint, {self._checkpoint.path}, is from before." if self._checkpoint else ""
        return f"Use a smaller learning rate, or clip_norm.{saved}"

    def _is_due(self) -> bool:
        return self._checkpoint is not None and time.monotonic() - self._saved_at >= self._checkpoint.seconds

    def _save(self, must: bool = False) -> None:
        """Save the training, if it has a checkpoint. Where that fails, training goes on and tries again later, unless it must."""
        if self._checkpoint is None:
            return
        self._check_finite(self.history.epochs + 1)  # what is broken must not replace what is whole
        try:
            write_checkpoint(self._path, snapshot(self))
        except OSError as error:
            # At the first time and at the last one nobody would otherwise hear of it in time.
            if must or not self.batches + self.history.epochs or self.stopped or self.history.epochs == self.epochs:
                raise
            _log.warning("the checkpoint was not saved, and the one before it stays: %s. Training goes on.", error)
        self._saved_at = time.monotonic()

    def _interrupt(self, signal: int) -> None:
        assert self._checkpoint is not None
        self._save(must=True)
        raise Interrupted(Path(self._checkpoint.path), signal)


def _as_checkpoint(checkpoint: Checkpoint | str | Path | None) -> Checkpoint | None:
    if checkpoint is not None and not isinstance(checkpoint, Checkpoint | str | Path):
        raise DataError(f"checkpoint must be a path or a gcnn.Checkpoint, got {checkpoint!r}.")
    return Checkpoint(checkpoint) if isinstance(checkpoint, str | Path) else checkpoint
