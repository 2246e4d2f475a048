"""Which classes are taken for which: a matrix where it fits the terminal, else the pairs that are confused most."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table
from rich.text import Text

from gcnn.maps import Array

SHORT = 6
"""Names of at most so many characters head their columns; longer ones are numbered."""
LABEL = 20
"""Characters of a name beside its row."""
MOST_ROWS = 20
"""Pairs, or classes, that are listed where there are too many for a matrix."""
FIGURES = 29
"""Columns that recall, precision and the number of samples take."""


@dataclass(frozen=True)
class ClassFigures:
    """What was found of every class.

    Attributes:
        names: of the classes.
        confusion: (classes, classes) counts, row the true class, column the predicted one.
    """

    names: tuple[str, ...]
    confusion: Array

    @property
    def samples(self) -> Array:
        """(classes,) samples of each."""
        return self.confusion.sum(axis=1)

    @property
    def recall(self) -> list[float | None]:
        """The share of each class's samples that are recognised; None where there are none."""
        return _shares(self.confusion.diagonal(), self.samples)

    @property
    def precision(self) -> list[float | None]:
        """The share of what is taken for each class that is of it; None where nothing is."""
        return _shares(self.confusion.diagonal(), self.confusion.sum(axis=0))

    def pairs(self) -> list[tuple[int, int, int]]:
        """(samples, class, class that they are taken for), the most frequent confusion first."""
        wrong = self.confusion - np.diag(self.confusion.diagonal())
        found = [(int(wrong[true, taken]), int(true), int(taken)) for true, taken in np.argwhere(wrong)]
        return sorted(found, key=lambda pair: (-pair[0], pair[1:]))

    def to_json(self) -> list[dict[str, Any]]:
        """An object a class."""
        rows = zip(self.names, self.samples.tolist(), self.recall, self.precision, strict=True)
        return [dict(zip(("name", "samples", "recall", "precision"), row, strict=True)) for row in rows]


def _shares(counts: Array, of: Array) -> list[float | None]:
    return [float(count / total) if total else None for count, total in zip(counts, of, strict=True)]


def show(console: Console, figures: ClassFigures) -> None:
    """Print the matrix with recall and precision of every class, or what matters most of it."""
    count = len(figures.names)
    short = all(len(name) <= SHORT for name in figures.names)
    heads = [name if short else str(label) for label, name in enumerate(figures.names)]
    widest = max(len(text) for text in (*heads, str(figures.confusion.max())))
    if min(LABEL, max(map(len, figures.names))) + 4 + count * (widest + 1) + FIGURES <= console.width:
        _show_matrix(console, figures, heads, short)
        return
    _show_pairs(console, figures)
    _show_worst(console, figures)


def _show_matrix(console: Console, figures: ClassFigures, heads: list[str], short: bool) -> None:
    table = Table(box=None, padding=(0, 1, 0, 0), title="true class, and what it is taken for", title_justify="left")
    table.add_column("")
    for head in heads:
        table.add_column(Text(head), justify="right")
    for head in (" samples", "recall", "precision"):
        table.add_column(head, justify="right")
    for label, name in enumerate(figures.names):
        row = [Text(str(count) if count else ".") for count in figures.confusion[label]]
        for column, text in enumerate(row):
            text.stylize("bold" if column == label else "red" if text.plain != "." else "dim")
        title = _short(name) if short else f"{label} {_short(name)}"
        shares = map(_percent, (figures.recall[label], figures.precision[label]))
        table.add_row(Text(title), *row, str(figures.samples[label]), *shares)
    console.print(table)


def _show_pairs(console: Console, figures: ClassFigures) -> None:
    pairs = figures.pairs()
    if not pairs:
        return
    table = Table(box=None, padding=(0, 2, 0, 0), title="confused most", title_justify="left")
    for head, justify in (("samples", "right"), ("of class", "left"), ("taken for", "left")):
        table.add_column(head, justify=justify)  # type: ignore[arg-type]  # a str, not its literal
    for samples, true, taken in pairs[:MOST_ROWS]:
        table.add_row(str(samples), Text(_short(figures.names[true])), Text(_short(figures.names[taken])))
    console.print(table)
    console.print(f"{len(pairs)} pairs in all; --json has every one.\n")


def _show_worst(console: Console, figures: ClassFigures) -> None:
    """The classes with the lowest recall; those without samples are left out."""
    recalls = [(recall, label) for label, recall in enumerate(figures.recall) if recall is not None]
    table = Table(box=None, padding=(0, 2, 0, 0), title="recognised worst", title_justify="left")
    table.add_column("class")
    for head in ("samples", "recall", "precision"):
        table.add_column(head, justify="right")
    for recall, label in sorted(recalls)[:MOST_ROWS]:
        shares = map(_percent, (recall, figures.precision[label]))
        table.add_row(Text(_short(figures.names[label])), str(figures.samples[label]), *shares)
    console.print(table)
    console.print(f"{len(figures.names)} classes in all; --json has every one.")


def _short(name: str) -> str:
    return name if len(name) <= LABEL else name[: LABEL - 1] + "…"


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{share:.1%}"
