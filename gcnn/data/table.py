"""The inputs in a table, for a model that is trained: its columns found by name, or counted.

Columns are found by the names that they had in training, in whatever order they stand; other columns are not read. Where the
table or the model has no names, the columns must be those of the training in number: all of them, or all but the target.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from gcnn.data.columns import Columns
from gcnn.data.lines import Lines
from gcnn.errors import DataError, one_of
from gcnn.maps import Array


class Table:
    """The inputs in the lines of a table, each checked when it is opened and read again when it is asked for.

    Attributes:
        shape: (features,).
        unread: names of columns that are not read.

    Args:
        lines: of the file.
        columns: how they are read.
        features: the columns of the model's features, in its order.
    """

    def __init__(self, lines: Lines, columns: Columns, features: tuple[int, ...]) -> None:
        self._lines, self._columns, self._features = lines, columns, features
        self._header = 0 if columns.names is None else 1
        self.shape = (len(features),)
        self.unread = tuple(name for column, name in enumerate(columns.names or ()) if column not in features)
        self._count = -self._header
        for number, line in enumerate(lines.scan(), 1):
            self._count += 1
            if number > self._header:
                self._values(line, number)
        if self._count < 1:
            raise DataError(f"{lines.path}: names of columns, but no samples.")

    def __len__(self) -> int:
        return self._count

    def read(self, rows: Array) -> Array:
        """(n, features) float64 values of the samples numbered in `rows`."""
        numbers = rows + (1 + self._header)
        lines = zip(self._lines.read(numbers), numbers, strict=True)
        return np.array([self._values(line, number) for line, number in lines]).reshape(len(rows), *self.shape)

    def _values(self, line: str, number: int) -> list[float]:
        return self._columns.numbers(self._columns.split(line, number), self._features, number)


def open_table(path: Path, count: int, names: tuple[str, ...] | None, target: str | None) -> Table:
    """The inputs of a model in a table.

    Args:
        path: of the file.
        count: of features.
        names: of the features; None where the training had none.
        target: of the training, see `gcnn.data.csv.open_csv`.

    Raises:
        FormatError: not a table of UTF-8 text, or with lines of differing length.
        DataError: columns are missing or too many; a field that is empty or no finite number.
        OSError: the file is missing or cannot be read.
    """
    lines = Lines(path)
    first = [text for text, _ in zip(lines.scan(), range(2), strict=False)]
    if not first:
        raise DataError(f"{path}: empty; expected a line a sample.")
    columns = Columns.of_inputs(path, first, count, target)
    if names is None or columns.names is None:
        return Table(lines, columns, _counted(columns, count))
    return Table(lines, columns, _named(columns, names))


def _counted(columns: Columns, count: int) -> tuple[int, ...]:
    if len(columns.features) != count:
        raise DataError(f"{columns.path}: {columns.count} columns, but the model reads {count} features.")
    return columns.features


def _named(columns: Columns, names: tuple[str, ...]) -> tuple[int, ...]:
    assert columns.names is not None
    found = [name.strip() for name in columns.names]
    for name in names:
        if found.count(name) != 1:
            reason = "there are several of this name" if name in found else one_of("column", name, found)
            raise DataError(f"{columns.path}: the model reads a column {name!r}: {reason}")
    return tuple(map(found.index, names))
