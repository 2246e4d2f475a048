"""Predictions as they are written: CSV, a JSON object a line, or arrays; batch by batch, so that there may be any number."""

from __future__ import annotations

import csv
import io
import json
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO

import numpy as np
from numpy.lib import format as npy

from gcnn.maps import Array
from gcnn.metrics import ranked

Batches = Iterable[tuple[list[str | int], Array]]
"""What samples are called, and (n, outputs) what the network puts out."""


@dataclass(frozen=True)
class Layout:
    """What is written of every sample: the likeliest classes, or numbers.

    Attributes:
        classes: their names; None for numbers.
        top: how many classes a sample.
        value: what the number beside a class is called.
        outputs: of the network.
    """

    classes: tuple[str, ...] | None
    top: int
    value: str
    outputs: int

    @property
    def header(self) -> list[str]:
        """Names of the columns."""
        if self.classes is None:
            return ["sample", *_numbered("value", self.outputs)]
        pairs = zip(_numbered("class", self.top), _numbered(self.value, self.top), strict=True)
        return ["sample", *(name for pair in pairs for name in pair)]

    def rows(self, batches: Batches) -> Iterator[list[Any]]:
        """The columns of each sample; numbers with as many digits as tell them apart in the model's dtype."""
        for names, y in batches:
            if self.classes is None:
                yield from ([name, *values] for name, values in zip(names, y, strict=True))
                continue
            order, scores = ranked(y)[:, : self.top], scores_of(y)
            for name, labels, row in zip(names, order, scores, strict=True):
                yield [name, *(part for label in labels for part in (self.classes[label], row[label]))]


def _numbered(name: str, count: int) -> list[str]:
    return [name] if count == 1 else [f"{name}_{number}" for number in range(1, count + 1)]


def scores_of(y: Array) -> Array:
    """(n, classes) a number a class; a single output is that of the second of two."""
    return np.concatenate([1 - y, y], axis=1) if y.shape[1] == 1 else y


def as_csv(layout: Layout, batches: Batches) -> Iterator[str]:
    """The lines of a CSV file, in parts."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(layout.header)
    for batch in batches:
        writer.writerows(layout.rows([batch]))
        yield text.getvalue()
        text.seek(0)
        text.truncate()


def as_json(layout: Layout, batches: Batches) -> Iterator[str]:
    """A JSON object a sample and line, in parts."""
    for batch in batches:
        lines = []
        for name, *values in layout.rows([batch]):
            if layout.classes is None:
                rest: dict[str, Any] = {"values": [float(value) for value in values]}
            else:
                pairs = zip(values[::2], values[1::2], strict=True)
                rest = {"classes": [{"class": label, layout.value: float(value)} for label, value in pairs]}
            lines.append(json.dumps({"sample": name} | rest) + "\n")
        yield "".join(lines)


def write_npz(file: BinaryIO, layout: Layout, batches: Batches, samples: int, dtype: str) -> None:
    """Write arrays: sample, output (samples, outputs), and for classes label and classes, their names."""
    names, labels = list[str | int](), list[Array]()
    with zipfile.ZipFile(file, "w") as archive:
        with _member(archive, "output") as member:
            shape = (samples, layout.outputs)
            header = {"descr": np.dtype(dtype).str, "fortran_order": False, "shape": shape}
            npy.write_array_header_1_0(member, header)
            for called, y in batches:
                member.write(np.ascontiguousarray(y, dtype).tobytes())
                names += called
                if layout.classes is not None:
                    labels.append(ranked(y)[:, 0])
        arrays = {"sample": np.array(names)}
        if layout.classes is not None:
            arrays |= {"label": np.concatenate(labels), "classes": np.array(layout.classes)}
        for name, array in arrays.items():
            with _member(archive, name) as member:
                npy.write_array(member, array, allow_pickle=False)


def _member(archive: zipfile.ZipFile, name: str) -> Any:
    return archive.open(zipfile.ZipInfo(f"{name}.npy"), "w", force_zip64=True)
