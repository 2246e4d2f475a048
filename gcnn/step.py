"""One step of training, planned as a whole."""

from __future__ import annotations

import numpy as np

from gcnn.errors import CheckpointError, DataError, NetworkError, OptimizerError
from gcnn.maps import Array
from gcnn.model import Model
from gcnn.optimizers import Optimizer


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
        self._check_current()
        self._plan.hyperparameters.update(self.optimizer.values(self._plan.count))
        return self._plan.step(x, t)

    @property
    def count(self) -> int:
        """Updates done."""
        return self._plan.count

    def state(self) -> dict[str, Array]:
        """Everything that the next step starts from but the count: θ, and the update rule's slots as "slot.NAME"."""
        self._check_current()
        download = self._plan.vectors.download
        slots = {f"slot.{name}": download(slot) for name, slot in self._plan.slots.items()}
        return {"theta": download(self._plan.theta)} | slots

    def restore(self, state: dict[str, Array], count: int) -> None:
        """Go on from a state and a count; the next steps are then the same, bit for bit.

        Raises:
            CheckpointError: arrays of other names, lengths or dtypes, or not finite.
        """
        self._check_current()
        vectors = {"theta": self._plan.theta} | {f"slot.{name}": slot for name, slot in self._plan.slots.items()}
        if state.keys() != vectors.keys():
            raise CheckpointError(f"expected the arrays {sorted(vectors)}, got {sorted(state)}.")
        now = self.state()
        for name, value in state.items():
            expected = now[name]
            if value.shape != expected.shape or value.dtype != expected.dtype or not np.isfinite(value).all():
                raise CheckpointError(
                    f"{name} must be {expected.size} finite numbers in {expected.dtype}, "
                    f"got shape {value.shape} in {value.dtype}."
                )
        for name, value in state.items():
            self._plan.vectors.copy(self._plan.vectors.upload(value), vectors[name])
        self._plan.count = count

    def _check_current(self) -> None:
        if self._plan is not self.model.plan:
            raise NetworkError("another training step was made on this model since; use that one, or make a new one.")


def training_step(model: Model, optimizer: Optimizer) -> TrainingStep:
    """The fast path of training: a callable that updates the model on one batch."""
    return TrainingStep(model, optimizer)
