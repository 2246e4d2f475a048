"""What readers of files share: names of classes in order, limits on their number, and a network to begin with."""

from __future__ import annotations

import re
from collections.abc import Iterable

from gcnn.errors import DataError

MOST_CLASSES = 2**16
"""Three times those of the largest labelled sets of pictures; each is an output of the network and a column of one-hot targets."""
WHOLE = re.compile(r"0|-?[1-9][0-9]{0,17}")
"""A whole number as it is written to count or to name: no sign +, no leading 0, no point, below 10^18."""


def sorted_names(names: Iterable[str]) -> tuple[str, ...]:
    """Names in the order of their labels: as numbers where all are whole, otherwise as text."""
    names = list(names)
    return tuple(sorted(names, key=int) if all(map(WHOLE.fullmatch, names)) else sorted(names))


def check_classes(count: int, where: str) -> None:
    """Raise `DataError` for fewer than two classes, or more than `MOST_CLASSES`."""
    if count < 2:
        raise DataError(f"{where}: every sample has the same class, so there is nothing to tell apart.")
    if count > MOST_CLASSES:
        raise DataError(f"{where}: {count} classes; at most {MOST_CLASSES} are read.")


def suitable_model(shape: tuple[int, ...]) -> str:
    """The name in `gcnn.models.MODELS` of a network that classifies samples of this shape, without its sample axis."""
    smallest = {28: "lenet5", 16: "lenet", 4: "digits-conv"}
    images = len(shape) == 3
    return next((name for side, name in smallest.items() if images and min(shape[1:]) >= side), "mlp")
