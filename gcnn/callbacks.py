"""What may be called after every epoch."""

from __future__ import annotations

from math import isnan
from typing import Any, Protocol, runtime_checkable

import numpy as np

from gcnn.documents import field
from gcnn.errors import DataError, FormatError, one_of
from gcnn.history import History
from gcnn.maps import Array
from gcnn.model import Model
from gcnn.network import is_integer


class Callback(Protocol):
    """Called after every epoch with (epoch from 1, model, history); returns True to stop."""

    def __call__(self, epoch: int, model: Model, history: History) -> bool | None: ...


@runtime_checkable
class Lasting(Protocol):
    """A callback with a state that a checkpoint keeps."""

    def state(self) -> tuple[dict[str, Array], dict[str, Any]]:
        """Arrays in float32 or float64, and the rest as JSON has it."""

    def restore(self, tensors: dict[str, Array], document: dict[str, Any]) -> None:
        """Go on from a state; raises `FormatError` where it is none."""


@runtime_checkable
class Finishing(Protocol):
    """A callback that has something to do when training is over."""

    def finish(self, model: Model, history: History) -> None:
        """Called once, after the last epoch and after the last checkpoint."""


class EarlyStopping:
    """Stop when epochs bring no improvement, and keep the best parameters.

    Args:
        patience: epochs without improvement that are waited for.
        monitor: "validation_loss", "accuracy" (of the validation data) or "loss".
        least: more than this must be gained to count as better.
        keep_best: whether the model ends with the parameters of the best epoch, and not with the last.

    Raises:
        DataError: a setting outside its range.
    """

    MONITORS = ("validation_loss", "accuracy", "loss")

    def __init__(
        self, patience: int = 5, monitor: str = "validation_loss", least: float = 0.0, keep_best: bool = True
    ) -> None:
        if not is_integer(patience) or patience < 1:
            raise DataError(f"EarlyStopping: patience must be an integer of at least 1, got {patience!r}.")
        if monitor not in self.MONITORS:
            raise DataError(f"EarlyStopping: {one_of('monitor', monitor, self.MONITORS)}")
        if not isinstance(least, int | float) or not 0 <= least < float("inf"):
            raise DataError(f"EarlyStopping: least must be a number of at least 0, got {least!r}.")
        self.patience, self.monitor, self.least, self.keep_best = int(patience), monitor, float(least), keep_best
        self.best: float | None = None
        self.best_epoch = 0
        self._theta = np.zeros(0)

    def __call__(self, epoch: int, model: Model, history: History) -> bool:
        """Compare the epoch with the best so far; the first epoch of a training begins anew."""
        if epoch == 1:
            self.best, self.best_epoch, self._theta = None, 0, np.zeros(0)
        values = getattr(history, self.monitor)
        if len(values) < epoch:
            raise DataError(f"EarlyStopping looks at {self.monitor}, but there is none: give train validation data.")
        value, sign = float(values[-1]), 1 if self.monitor == "accuracy" else -1
        # A loss that is nan is none to be better than, nor better than any.
        if not isnan(value) and (self.best is None or (value - self.best) * sign > self.least):
            self.best, self.best_epoch = value, epoch
            if self.keep_best:
                self._theta = model.theta
        return epoch - self.best_epoch >= self.patience

    def finish(self, model: Model, history: History) -> None:
        """Give the model the parameters of the best epoch."""
        if self.keep_best and self.best is not None:
            model.theta = self._theta

    def state(self) -> tuple[dict[str, Array], dict[str, Any]]:
        """The best parameters, their value and epoch."""
        return {"theta": self._theta}, {"best": self.best, "best_epoch": self.best_epoch}

    def restore(self, tensors: dict[str, Array], document: dict[str, Any]) -> None:
        """Go on from a state."""
        best, epoch = field(document, "best", float, type(None)), field(document, "best_epoch", int)
        theta = tensors.get("theta")
        kept = self.keep_best and best is not None
        if theta is None or (theta.size > 0) != kept or not np.isfinite(theta).all():
            raise FormatError("EarlyStopping: the best parameters are missing or damaged.")
        self.best, self.best_epoch, self._theta = best, epoch, theta

    def __repr__(self) -> str:
        return f"EarlyStopping(patience={self.patience}, monitor={self.monitor!r}, least={self.least}, keep_best={self.keep_best})"
