"""What happened in a training, one entry an epoch."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class History:
    """What happened, one entry an epoch.

    Attributes:
        loss: the training loss over an epoch, with its reduction and with the penalty; each batch is measured before its update.
        validation_loss: the loss on the validation data after the epoch, without the penalty; empty without such data.
        accuracy: on the validation data; empty without any, or where targets are no classes.
        seconds: how long the epoch took, validation included; no part of what makes two histories equal.
    """

    loss: list[float] = field(default_factory=list)
    validation_loss: list[float] = field(default_factory=list)
    accuracy: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list, compare=False)

    @property
    def epochs(self) -> int:
        """How many epochs were completed."""
        return len(self.loss)
