"""A sheet with the first samples of every class. Needs matplotlib: pip install "gcnn[plot]"."""

from __future__ import annotations

import io
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from gcnn.data.dataset import Dataset
from gcnn.data.inputs import said
from gcnn.errors import DataError
from gcnn.files import write_atomically
from gcnn.maps import Array

COLUMNS = 10
"""Samples of a class that are shown, and pictures beside each other."""
FEW = 20
"""With more classes than this, each is shown by one sample, and its name stands above."""
MOST = 300
"""Classes, or samples with a number, that are shown; others are left out."""
SIDE, GAP, BORDER, HEAD = 96, 10, 20, 56
"""Dots: about the longer side of a picture, between two, around all, and for the title."""
ABOVE, LETTER = 24, 10
"""Dots: for a name above a picture, and for a letter of one beside it."""
LONGEST = 24
"""Letters of a name beside a row."""
DOTS_PER_INCH = 130

Picture = tuple[str, Array]
"""The name of a class, or a number to fit, and a sample (maps, height, width)."""


def draw_sheet(dataset: Dataset, path: Path) -> None:
    """Draw the first samples of every class, a row a class where classes are few, and write them as one PNG.

    Raises:
        DataError: samples that are no images. OSError: the file cannot be written.
    """
    shape, classes = dataset.training.shape, dataset.classes
    if len(shape) != 3:
        raise DataError(f"{dataset.name} has {said(shape)}, and only images can be drawn.")
    if classes is None:
        x, t = dataset.training[:MOST]
        rows = _in_rows(
            (", ".join(f"{number:.3g}" for number in target), image) for target, image in zip(t, x, strict=True)
        )
        title, beside = f"the first {len(x)} samples, with the numbers to fit", False
    elif len(classes) <= FEW:
        rows = _first_of_every_class(dataset, classes, COLUMNS)
        title, beside = "the first samples of every class", True
    else:
        rows = _in_rows(images[0] for images in _first_of_every_class(dataset, classes[:MOST], 1) if images)
        count = f"the first {MOST} of {len(classes)}" if len(classes) > MOST else f"all {len(classes)}"
        title, beside = f"the first sample of {count} classes", False
    maps = {1: "", 3: ""}.get(shape[0], f", map 0 of {shape[0]}")
    figure = _figure(rows, f"{dataset.name}: {title}{maps}", beside)
    picture = io.BytesIO()
    figure.savefig(picture, format="png")
    write_atomically(path, picture.getvalue())


def _first_of_every_class(dataset: Dataset, classes: tuple[str, ...], each: int) -> list[list[Picture]]:
    found: list[list[Picture]] = [[] for _ in classes]
    for x, t in dataset.training.chunks():
        for label in np.unique(t[t < len(classes)]):
            images = x[t == label][: each - len(found[label])]
            found[label] += [(classes[label], image) for image in images]
        if all(len(images) == each for images in found):
            break
    return found


def _in_rows(pictures: Iterable[Picture]) -> list[list[Picture]]:
    pictures = list(pictures)
    return [pictures[start : start + COLUMNS] for start in range(0, len(pictures), COLUMNS)]


def _figure(rows: list[list[Picture]], title: str, beside: bool) -> Figure:
    """The pictures in rows; names stand beside the rows, or above every picture."""
    images = [image for row in rows for _, image in row]
    height, width = _dots(*images[0].shape[1:])
    names = [row[0][0] if row else "" for row in rows]
    left = BORDER + (LETTER * min(max(map(len, names)), LONGEST) + GAP if beside else 0)
    step_x, step_y = width + GAP, height + GAP + (0 if beside else ABOVE)
    # Wide enough for the title, too.
    size_x = max(left + step_x * max(map(len, rows)) - GAP, 13 * len(title) + BORDER) + BORDER
    size_y = HEAD + step_y * len(rows) - GAP + BORDER
    figure = Figure(figsize=(size_x / DOTS_PER_INCH, size_y / DOTS_PER_INCH), dpi=DOTS_PER_INCH)
    figure.text(BORDER / size_x, 1 - HEAD / 2 / size_y, title, va="center", fontsize=10)
    least, most = _range(images)
    for number, (name, row) in enumerate(zip(names, rows, strict=True)):
        bottom = size_y - HEAD - step_y * (number + 1) + GAP
        if beside:
            place = (left - GAP) / size_x, (bottom + height / 2) / size_y
            figure.text(*place, _short(name, LONGEST), ha="right", va="center", fontsize=9)
        for column, (label, image) in enumerate(row):
            x = (left + step_x * column) / size_x
            axes = figure.add_axes((x, bottom / size_y, width / size_x, height / size_y))
            _draw(axes, image, least, most)
            if not beside:
                axes.set_title(_short(label, max(6, width // 7)), fontsize=7, pad=2)
    return figure


def _dots(height: int, width: int) -> tuple[int, int]:
    """The size of a picture; pixels of small images become squares of whole dots, all alike."""
    scale = SIDE / max(height, width)
    if scale >= 1:
        scale = round(scale)
    return max(1, round(height * scale)), max(1, round(width * scale))


def _draw(axes: Axes, image: Array, least: float, most: float) -> None:
    way = "nearest" if max(image.shape[1:]) <= SIDE else "antialiased"
    scaled = (image.astype(np.float64) - least) / (most - least)
    if len(image) == 3:
        axes.imshow(scaled.transpose(1, 2, 0), interpolation=way, aspect="auto")
    else:
        axes.imshow(scaled[0], cmap="gray", vmin=0, vmax=1, interpolation=way, aspect="auto")
    axes.set_axis_off()


def _range(images: list[Array]) -> tuple[float, float]:
    """What is black and what white: 0 and 1, or more where values lie outside."""
    return min(0.0, *(float(image.min()) for image in images)), max(1.0, *(float(image.max()) for image in images))


def _short(name: str, most: int) -> str:
    return name if len(name) <= most else name[: most - 1] + "…"
