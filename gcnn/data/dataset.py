"""The data sets that commands know by name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from gcnn.data.digits import load_digits
from gcnn.data.samples import Batch


@dataclass(frozen=True)
class Dataset:
    """Labelled samples, and what to train on them when nothing else is said.

    Attributes:
        load: gives inputs (samples, *shape) and integer labels (samples,).
        classes: how many labels there are, 0 to classes - 1.
        model: the name in `gcnn.models.MODELS` of a network that suits them.
    """

    load: Callable[[], Batch]
    classes: int
    model: str


DATASETS = {"digits": Dataset(load_digits, classes=10, model="digits-conv")}
