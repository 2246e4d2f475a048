"""Samples from a table in text, plain or packed by gzip: one a line, in columns.

The delimiter is the comma, semicolon or tab that the first line has most of. The first line gives names where none of its
fields is a number, targets aside. The target is the last column, unless another is asked for.

A single target column is one of classes where it holds text, or whole numbers of at most 100 different values that occur twice
each on average; whole means written so: 3, and neither 3.0 nor 03. All other targets are numbers to fit, and so are several.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from gcnn.data.classes import MOST_CLASSES, WHOLE, check_classes, sorted_names, suitable_model
from gcnn.data.columns import Columns
from gcnn.data.dataset import Dataset
from gcnn.data.lines import Lines
from gcnn.data.samples import Batch, Samples
from gcnn.errors import DataError
from gcnn.maps import Array

MOST_NUMBERED_CLASSES = 100
"""Different whole numbers of a target column that are taken for classes."""


def open_csv(path: Path, target: str | None = None) -> Dataset:
    """The samples of a table, each line checked now and read again when it is asked for; features are float64.

    Args:
        path: of the file.
        target: the column to predict: its name, its number from 0, or from -1 backwards; several, separated by commas, for
            numbers to fit. None is the last.

    Raises:
        FormatError: not a table of UTF-8 text, or with lines of differing length.
        DataError: a field that is empty or no finite number; the message gives its line and column. No such target.
        OSError: the file is missing or cannot be read.
    """
    lines = Lines(path)
    first = [text for text, _ in zip(lines.scan(), range(2), strict=False)]
    if not first:
        raise DataError(f"{path}: empty; expected a line a sample.")
    columns = Columns.of(path, first, target)
    header = 0 if columns.names is None else 1
    values = _Values(columns) if len(columns.targets) == 1 else None
    number = 0
    for number, line in enumerate(lines.scan(), 1):
        if number > header:
            fields = columns.split(line, number)
            columns.numbers(fields, columns.features, number)
            if values is None:
                columns.numbers(fields, columns.targets, number)
            else:
                values.add(fields[columns.targets[0]], number)
    if number == header:
        raise DataError(f"{path}: names of columns, but no samples.")
    classes = None if values is None else values.classes(number - header)
    samples = _Rows(lines, columns, header, number - header, classes)
    model, source = suitable_model(samples.shape), _source(columns, classes)
    return Dataset(str(path), samples, None, classes, model, source, columns.feature_names)


class _Rows(Samples):
    def __init__(
        self, lines: Lines, columns: Columns, header: int, count: int, classes: tuple[str, ...] | None
    ) -> None:
        self._lines, self._columns, self._header, self._count = lines, columns, header, count
        self._labels = None if classes is None else {name: label for label, name in enumerate(classes)}
        self.shape = (len(columns.features),)

    def __len__(self) -> int:
        return self._count

    def read(self, rows: Array) -> Batch:
        columns, features = self._columns, self._columns.features
        x = np.empty((len(rows), *self.shape))
        t = np.empty((len(rows), len(columns.targets))) if self._labels is None else np.empty(len(rows), np.intp)
        numbers = rows + (1 + self._header)
        for place, line in enumerate(self._lines.read(numbers)):
            fields = columns.split(line, numbers[place])
            x[place] = columns.numbers(fields, features, numbers[place])
            if self._labels is None:
                t[place] = columns.numbers(fields, columns.targets, numbers[place])
            else:
                t[place] = self._label(fields[columns.targets[0]].strip(), numbers[place])
        return x, t

    def _label(self, name: str, line: int) -> int:
        assert self._labels is not None
        if name not in self._labels:
            raise DataError(f"{self._columns.where(self._columns.targets[0], line)}: changed since it was opened.")
        return self._labels[name]


class _Values:
    """The different values of a target column, and the kinds of them: whole, other numbers, and text."""

    def __init__(self, columns: Columns) -> None:
        self._columns, self._column = columns, columns.targets[0]
        self._found: set[str] = set()
        self._lines: dict[str, int] = {}

    def add(self, field: str, line: int) -> None:
        value = field.strip()
        if value in self._found:
            return
        self._lines.setdefault(self._kind(value, line), line)
        if len(self._found) <= MOST_CLASSES:
            self._found.add(value)

    def _kind(self, value: str, line: int) -> str:
        if WHOLE.fullmatch(value):
            return "whole"
        try:
            float(value)
        except ValueError:
            if value:
                return "text"
        self._columns.number(value, self._column, line)
        return "number"

    def classes(self, samples: int) -> tuple[str, ...] | None:
        """The names of the classes; None where the values are numbers to fit."""
        count, where = len(self._found), self._columns.where(self._column)
        if "text" in self._lines:
            if "number" in self._lines:
                raise DataError(
                    f"{where}: text in line {self._lines['text']} and a number in line {self._lines['number']}, so it "
                    "holds neither names of classes nor numbers to fit."
                )
            check_classes(count, where)
        elif "number" in self._lines or count > min(MOST_NUMBERED_CLASSES, samples // 2):
            return None
        else:
            check_classes(count, where)
        return sorted_names(self._found)


def _source(columns: Columns, classes: tuple[str, ...] | None) -> str:
    mark = {"\t": "tabs", ";": "semicolons", ",": "commas"}[columns.delimiter]
    names = "no header" if columns.names is None else "a header"
    kind = "numbers to fit" if classes is None else f"{len(classes)} classes"
    which = ", ".join(str(i) if columns.names is None else f"{i} ({columns.names[i]})" for i in columns.targets)
    return f"{columns.path}: {mark}, {names}, {len(columns.features)} features; target: column {which}, {kind}"
