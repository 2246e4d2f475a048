"""Inputs without targets, for a model that is trained: from .npz files, tables, IDX files and images.

What a file holds is decided by the model that reads it (`Reads`): tables by the names or the number of its features, images
by their size and colours. Targets that a file holds beside its inputs are not read.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path

from gcnn.data.images import FORMATS, ImageFiles, Kind, visible
from gcnn.data.lines import GZIP
from gcnn.data.mnist import holds_idx_files, idx_images, unit_range
from gcnn.data.npz import InputArray, input_array
from gcnn.data.table import Table, open_table
from gcnn.errors import DataError, FormatError
from gcnn.maps import Array

IMAGES = (".png", ".jpg", ".jpeg", ".bmp", ".ppm", ".pgm", ".pbm", ".pnm", ".tif", ".tiff", ".webp")
"""Endings of the files that are told to hold no image of theirs; others are told what kinds of files are read."""


@dataclass(frozen=True)
class Reads:
    """What a model reads, before preparation.

    Attributes:
        shape: of one sample.
        exact: whether images of other shapes are refused; a model that says nothing of its training takes images into its
            vectors, if they have as many values.
        features: names of the values of a vector; None where they have none.
        target: the column that was predicted, as `gcnn.data.open_dataset` takes it.
    """

    shape: tuple[int, ...]
    exact: bool = True
    features: tuple[str, ...] | None = None
    target: str | None = None

    def fits(self, shape: tuple[int, ...]) -> bool:
        """Whether samples of this shape can be read."""
        return shape == self.shape or (not self.exact and self.vectors and prod(shape) == self.shape[0])

    @property
    def vectors(self) -> bool:
        """Whether a sample is one."""
        return len(self.shape) == 1

    @property
    def image(self) -> Kind | None:
        """The images that it reads; None where they are not known by size and colours."""
        return Kind(*self.shape) if len(self.shape) == 3 else None

    def __str__(self) -> str:
        return said(self.shape)


class Inputs(ABC):
    """Inputs by number: `len(inputs)` of them, `inputs.read(rows)` in the order asked for.

    Attributes:
        path: where they come from, for messages.
        shape: of one sample.
        unread: names of columns that are there and not read.
    """

    path: Path
    shape: tuple[int, ...]
    unread: tuple[str, ...] = ()

    @abstractmethod
    def __len__(self) -> int: ...

    @abstractmethod
    def read(self, rows: Array) -> Array:
        """(n, *shape) inputs of the samples numbered in `rows`.

        Raises:
            DataError, FormatError: what was found where a sample should be. OSError: a file went away.
        """

    def name(self, row: int) -> str | int:
        """What a sample is called: the file of an image, the number from 0 in a file of many."""
        return row


class _Read(Inputs):
    """Inputs from anything that has a length, a shape and `read`."""

    def __init__(self, path: Path, source: InputArray | Table | ImageFiles) -> None:
        self.path, self._source, self.shape = path, source, source.shape

    def __len__(self) -> int:
        return len(self._source)

    def read(self, rows: Array) -> Array:
        return self._source.read(rows)


class _Images(_Read):
    def __init__(self, names: list[str], kind: Kind | None) -> None:
        self._files = ImageFiles(Path(), names, kind)
        super().__init__(Path(names[0]), self._files)

    def name(self, row: int) -> str:
        return self._files.names[row]


class _Bytes(Inputs):
    """Images from an IDX file."""

    def __init__(self, path: Path) -> None:
        self.path, self._x = path, idx_images(path)
        self.shape = self._x.shape[1:]

    def __len__(self) -> int:
        return len(self._x)

    def read(self, rows: Array) -> Array:
        return unit_range(self._x[rows])


def open_inputs(paths: Iterable[Path], reads: Reads) -> list[Inputs]:
    """The inputs in these files, in order; images that follow each other are put together.

    Args:
        paths: *.npz, *.csv, *.csv.gz, IDX files, images, and folders with images, in them or in their subfolders.
        reads: what the model reads.

    Raises:
        FormatError: a file does not hold what it should. DataError: inputs that the model does not read, no images in a
            folder, nothing there, or a kind of file that is not read. OSError: a file cannot be read.
    """
    found, images = list[Inputs](), list[str]()
    for path in paths:
        if not path.exists():
            raise DataError(f"there is no file or folder {str(path)!r}.")
        opened = None if path.is_dir() else _open_samples(path, reads)
        if opened is None:
            _check_images(path, reads)
            images += _images_of(path) if path.is_dir() else [str(path)]
            continue
        found += [*_together(images, reads), opened]
        images = []
    found += _together(images, reads)
    for inputs in found:
        if not reads.fits(inputs.shape):
            raise DataError(
                f"{inputs.path}: {said(inputs.shape)}, but the model reads {reads}.{_remedy(inputs, reads)}"
            )
    return found


def _open_samples(path: Path, reads: Reads) -> Inputs | None:
    """The samples of a file of many; None for one image."""
    if path.name.endswith((".csv", ".csv.gz")):
        if not reads.vectors:
            raise DataError(f"{path}: a table holds vectors, but the model reads {reads}.")
        table = open_table(path, reads.shape[0], reads.features, reads.target)
        inputs = _Read(path, table)
        inputs.unread = table.unread
        return inputs
    if path.suffix == ".npz":
        return _Read(path, input_array(path, reads.shape))
    with path.open("rb") as file:
        start = file.read(2)
    return _Bytes(path) if start in (b"\0\0", GZIP) else None


def _together(images: list[str], reads: Reads) -> Iterator[Inputs]:
    if images:
        try:
            yield _Images(images, reads.image)
        except FormatError as error:
            if len(images) == 1 and not images[0].lower().endswith(IMAGES):
                raise DataError(
                    f"{images[0]}: not a kind of file that is read. Give .npz, .csv, .csv.gz or IDX files, or images "
                    f"({', '.join(FORMATS)}), or folders of images."
                ) from error
            raise


def _check_images(path: Path, reads: Reads) -> None:
    vectors_only = reads.vectors and (reads.exact or reads.features is not None)
    if vectors_only or not (reads.vectors or reads.image):
        found = "a folder" if path.is_dir() else "another kind of file"
        kinds = "tables (.csv, .csv.gz) or arrays (.npz)" if reads.vectors else "arrays (.npz)"
        raise DataError(f"{path}: {found}, but the model reads {reads}. Give {kinds}.")


def _images_of(folder: Path) -> list[str]:
    """The images in a folder and in its subfolders."""
    if holds_idx_files(folder):
        raise DataError(f"{folder}: holds IDX files. Give the one with the images to predict, not the folder.")
    paths = [inside for path in visible(folder) for inside in (visible(path) if path.is_dir() else [path])]
    if not paths:
        raise DataError(f"{folder}: no images in it.")
    return [str(path) for path in paths]


def _remedy(inputs: Inputs, reads: Reads) -> str:
    if prod(inputs.shape) != prod(reads.shape):
        return ""
    return (
        f" As many values in another shape: x.reshape({', '.join(map(str, (-1, *reads.shape)))}) before they are saved."
    )


def said(shape: Sequence[int]) -> str:
    """The shape of a sample, for people."""
    if len(shape) == 1:
        return f"vectors of {shape[0]} features" if shape[0] != 1 else "vectors of one feature"
    if len(shape) == 3:
        return f"images of {Kind(*shape)}"
    return f"samples of {' x '.join(map(str, shape))}"
