"""What is in a data set, found by going through it once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from gcnn.data.dataset import Dataset
from gcnn.data.samples import Samples
from gcnn.maps import Array


@dataclass(frozen=True)
class Values:
    """Least, mean and greatest of some numbers, each (n,)."""

    least: Array
    mean: Array
    most: Array

    def to_json(self) -> dict[str, list[float]]:
        """The same as lists."""
        return {name: values.tolist() for name, values in vars(self).items()}


@dataclass(frozen=True)
class Part:
    """The samples for training, or those of a test set.

    Attributes:
        samples: how many there are.
        inputs: of every feature of vectors; of all values of other samples together.
        counts: (classes,) samples of each class; None where targets are numbers.
        targets: of every number to fit; None where there are classes.
    """

    samples: int
    inputs: Values
    counts: Array | None
    targets: Values | None

    def to_json(self) -> dict[str, Any]:
        """As JSON has it."""
        return {
            "samples": self.samples,
            "inputs": self.inputs.to_json(),
            "counts": None if self.counts is None else self.counts.tolist(),
            "targets": None if self.targets is None else self.targets.to_json(),
        }


def describe(dataset: Dataset) -> tuple[Part, Part | None]:
    """What there is for training, and in the test set where there is one; read in parts.

    Raises:
        DataError, FormatError: what was found where a sample should be. OSError: a file cannot be read.
    """
    classes = None if dataset.classes is None else len(dataset.classes)
    test = None if dataset.test is None else _describe(dataset.test, classes)
    return _describe(dataset.training, classes), test


def _describe(samples: Samples, classes: int | None) -> Part:
    vectors = len(samples.shape) == 1
    inputs, targets = _Running(), _Running()
    counts = np.zeros(classes or 0, np.intp)
    for x, t in samples.chunks():
        inputs.add(x if vectors else x.reshape(-1, 1))
        if classes is None:
            targets.add(t.reshape(len(t), -1))
        else:
            counts += np.bincount(t, minlength=classes)
    known = classes is not None
    return Part(len(samples), inputs.values(), counts if known else None, None if known else targets.values())


class _Running:
    """Least, mean and greatest of the columns of arrays that come one by one."""

    def __init__(self) -> None:
        self._count = 0
        self._total = self._least = self._most = np.zeros(0)

    def add(self, values: Array) -> None:
        least, most = values.min(axis=0), values.max(axis=0)
        total = values.sum(axis=0, dtype=np.float64)
        if self._count:
            least, most = np.minimum(least, self._least), np.maximum(most, self._most)
            total += self._total
        self._least, self._most, self._total = least, most, total
        self._count += len(values)

    def values(self) -> Values:
        return Values(self._least.astype(np.float64), self._total / self._count, self._most.astype(np.float64))
