"""How the columns of a table are read: what separates them, whether they have names, and which is the target."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from gcnn.errors import DataError, FormatError, one_of

DELIMITERS = "\t;,"
"""In the order in which they are taken where a line has equally many of several: commas may be part of numbers."""


@dataclass(frozen=True)
class Columns:
    """The columns of a table, counted from 0.

    Attributes:
        path: of the table, for messages.
        delimiter: what stands between two fields.
        names: from the header; None without one.
        count: of all columns.
        targets: the columns to predict.
        features: the others, in order.
    """

    path: Path
    delimiter: str
    names: tuple[str, ...] | None
    count: int
    targets: tuple[int, ...]

    @property
    def features(self) -> tuple[int, ...]:
        return tuple(column for column in range(self.count) if column not in self.targets)

    @property
    def feature_names(self) -> tuple[str, ...] | None:
        """Names of the features, by which they can be found again; None where there are none, or two are equal."""
        names = tuple(self.names[column].strip() for column in self.features) if self.names else ()
        return names if names and len(set(names)) == len(names) else None

    @classmethod
    def of(cls, path: Path, lines: list[str], target: str | None) -> Columns:
        """Find out from the first two lines; `lines` are those that there are.

        Raises:
            FormatError: a single column, or a first line that is neither names nor numbers. DataError: no such target.
        """
        delimiter = _delimiter(lines[0])
        if _width(lines[0], delimiter) < 2:
            raise FormatError(
                f"{path}, line 1: a single column. Columns are separated by commas, semicolons or tabs, and at least "
                "two are needed: one to learn from and one to predict."
            )
        first, *others = (_split(line, delimiter, f"{path}, line {number}") for number, line in enumerate(lines, 1))
        wanted = _wanted(target)
        by_number = all(map(_is_index, wanted))
        targets = _numbered(path, wanted, len(first)) if by_number else ()
        names = first if not by_number or _is_header(path, first, others[0] if others else [], targets) else None
        if names is not None and target is not None and (not by_number or target in names):
            targets = _named(path, [target] if target in names else wanted, names)
        if len(set(targets)) < len(targets) or len(targets) == len(first):
            raise DataError(
                f"{path}: target={target!r} must name different columns, and leave at least one to learn from; "
                f"there are {len(first)}."
            )
        return cls(path, delimiter, None if names is None else tuple(names), len(first), targets)

    @classmethod
    def of_inputs(cls, path: Path, lines: list[str], count: int, target: str | None) -> Columns:
        """The columns of a table that may lack its targets: they are there where their names are, or where there is room.

        Args:
            path: of the table, for messages.
            lines: its first two, or those that there are.
            count: of features.
            target: as for `of`.

        Raises:
            FormatError: a first line that is neither names nor numbers.
        """
        delimiter = _delimiter(lines[0])
        first, *others = (_split(line, delimiter, f"{path}, line {number}") for number, line in enumerate(lines, 1))
        wanted = _wanted(target)
        targets: tuple[int, ...] = ()
        if set(wanted) <= set(first):
            targets = _named(path, wanted, first)
        elif all(map(_is_index, wanted)) and len(first) == count + len(wanted):
            targets = _numbered(path, wanted, len(first))
        is_header = _is_header(path, first, others[0] if others else [], targets)
        return cls(path, delimiter, tuple(first) if is_header else None, len(first), targets)

    def split(self, line: str, number: int) -> list[str]:
        """The fields of a line; raises `FormatError` where their quotes are wrong or their count is another."""
        fields = _split(line, self.delimiter, f"{self.path}, line {number}")
        if len(fields) != self.count:
            raise FormatError(f"{self.path}, line {number}: {len(fields)} columns, where line 1 has {self.count}.")
        return fields

    def numbers(self, fields: list[str], columns: Iterable[int], line: int) -> list[float]:
        """The fields of these columns, each a finite number; raises `DataError` with line and column of one that is none."""
        try:
            values = [float(fields[column]) for column in columns]
            if math.isfinite(sum(values)):
                return values
        except ValueError:
            pass
        return [self.number(fields[column], column, line) for column in columns]

    def where(self, column: int, line: int | None = None) -> str:
        """Where a field stands, for messages."""
        name = "" if self.names is None else f" ({self.names[column]})"
        return f"{self.path}, {'' if line is None else f'line {line}, '}column {column}{name}"

    def number(self, field: str, column: int, line: int) -> float:
        """One field as a number; see `numbers`."""
        value = _value(field)
        if value is None:
            point = " Decimals are written with a point." if _value(field.replace(",", ".")) is not None else ""
            what = f"{_short(field)} is not a number.{point}" if field.strip() else "empty."
            raise DataError(f"{self.where(column, line)}: {what} Mend the field, or leave the line away.")
        if not math.isfinite(value):
            raise DataError(
                f"{self.where(column, line)}: {_short(field)} is not a finite number. Mend the field, or leave the line away."
            )
        return value


def _delimiter(line: str) -> str:
    return max(DELIMITERS, key=lambda mark: _width(line, mark))


def _wanted(target: str | None) -> list[str]:
    """The columns to predict, each by its name or number."""
    return ["-1"] if target is None else [part.strip() for part in target.split(",")]


def _numbered(path: Path, wanted: list[str], count: int) -> tuple[int, ...]:
    for part in wanted:
        if not -count <= int(part) < count:
            raise DataError(
                f"{path}: target column {part} of {count}; columns are counted from 0, or -1, -2 ... from the end."
            )
    return tuple(int(part) % count for part in wanted)


def _named(path: Path, wanted: list[str], names: list[str]) -> tuple[int, ...]:
    for name in wanted:
        if names.count(name) != 1:
            reason = "there are several of this name" if name in names else one_of("column", name, map(_short, names))
            raise DataError(f"{path}: target: {reason}")
    return tuple(map(names.index, wanted))


def _is_header(path: Path, first: list[str], second: list[str], targets: tuple[int, ...]) -> bool:
    """Whether the first line gives names: no field is a number, but for targets, which may be text in every line."""
    numbers = [_value(field) is not None for field in first]
    features = [column for column in range(len(first)) if column not in targets]
    if not any(numbers[column] for column in features):
        return True
    for column in features:
        if not numbers[column]:
            raise FormatError(
                f"{path}, line 1, column {column}: {_short(first[column])} is no number but other fields are, so the line "
                "is neither names nor a sample. Name every column, or make all but the target numbers."
            )
    return len(second) == len(first) and any(not numbers[i] and _value(second[i]) is not None for i in targets)


def _split(line: str, delimiter: str, where: str) -> list[str]:
    try:
        return next(csv.reader([line], delimiter=delimiter, strict=True))
    except csv.Error as error:
        raise FormatError(f"{where}: {error}. A quoted field ends in its line, and its quotes are doubled.") from error


def _width(line: str, delimiter: str) -> int:
    try:
        return len(next(csv.reader([line], delimiter=delimiter, strict=True)))
    except csv.Error:
        return 0


def _value(field: str) -> float | None:
    try:
        return float(field)
    except ValueError:
        return None


def _is_index(text: str) -> bool:
    return text.removeprefix("-").isdecimal() and len(text) < 10


def _short(text: str) -> str:
    return repr(text if len(text) <= 40 else text[:40] + "...")
