"""Samples from a folder of images, one subfolder a class. Needs Pillow: pip install "gcnn[images]".

    cat/1.png  cat/2.jpg  dog/1.png ...          or          train/cat/1.png ...  test/cat/2.png ...

Labels number the subfolders in sorted order (as numbers, where all names are whole numbers). Headers are read when the folder
is opened, pixels when they are asked for, as float32 in [0, 1], (samples, maps, height, width), one map for grey images and
three for RGB. All images have one size. They are read as they are stored: an orientation noted in them by a camera is not
applied. Names that begin with a dot are skipped; anything else that is no image is an error.
"""

from __future__ import annotations

import struct
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from gcnn.data.classes import check_classes, sorted_names, suitable_model
from gcnn.data.dataset import Dataset
from gcnn.data.samples import Batch, Samples
from gcnn.data.stamp import Stamp
from gcnn.errors import DataError, FormatError, GcnnError
from gcnn.maps import Array

if TYPE_CHECKING:
    from PIL import Image

FORMATS = ("PNG", "JPEG", "BMP", "PPM", "TIFF", "WEBP")
"""Those of Pillow's formats that are read. The others are for animations, documents and programs, some run by a helper."""
MAPS = {"1": 1, "L": 1, "RGB": 3}
"""Maps of an image by Pillow's mode: black and white, grey, colour."""
DAMAGE = (
    SyntaxError,
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    EOFError,
    OverflowError,
    NotImplementedError,
    struct.error,
)
"""What Pillow raises, beside OSError, on files that are damaged."""


class Kind(NamedTuple):
    """What the images of a set have in common."""

    maps: int
    height: int
    width: int

    def __str__(self) -> str:
        return f"{self.width} x {self.height} pixels, {_COLOURS.get(self.maps, f'{self.maps} maps')}"


_COLOURS = {1: "grey", 3: "RGB"}


def open_images(folder: Path) -> Dataset:
    """The images of a folder; a test set where it has the subfolders train and test, with the classes in each.

    Raises:
        FormatError: a file that is no image in one of `FORMATS`, or damaged.
        DataError: subfolders are missing or empty, images differ in size or colours or have alpha, or Pillow is missing.
        OSError: a folder or file cannot be read.
    """
    inside = {path.name: path for path in visible(folder)}
    part = inside.get("train", folder / "train")
    divided = part.is_dir() and any(path.is_dir() for path in visible(part))
    if divided and not inside.keys() <= {"train", "test"}:
        others = ", ".join(sorted(inside.keys() - {"train", "test"}))
        raise DataError(f"{folder}: beside train and test, there is {others}. Move it away.")
    root = part if divided else folder
    names = _class_names(root)
    check_classes(len(names), str(root))
    training = _LabelledImages(root, names, names)
    test = None
    if divided and "test" in inside:
        test = _LabelledImages(inside["test"], names, _class_names(inside["test"]))
        if training.kind != test.kind:
            raise DataError(f"{folder}: images for training have {training.kind}, those for testing {test.kind}.")
    count = f"{len(training)} images" + ("" if test is None else f", test: {len(test)}")
    source = f"{folder}: {count}, {training.kind}, {len(names)} classes"
    return Dataset(str(folder), training, test, names, suitable_model(training.shape), source)


def visible(folder: Path) -> list[Path]:
    """What lies in a folder, hidden files aside, sorted."""
    return sorted(path for path in folder.iterdir() if not path.name.startswith("."))


def _class_names(root: Path) -> tuple[str, ...]:
    entries = visible(root)
    if not any(path.is_dir() for path in entries):
        raise DataError(f"{root}: no subfolders. Put the images of each class into a subfolder of its name.")
    for path in entries:
        if not path.is_dir():
            raise DataError(f"{path}: a file beside the classes' subfolders. Move it into one of them, or away.")
    return sorted_names(path.name for path in entries)


class ImageFiles:
    """The inputs in image files of one size and colours; headers are read now, pixels when they are asked for.

    Attributes:
        kind: what all of them have in common.
        names: of the files, below the folder.

    Args:
        folder: where they are.
        names: of the files, below it; at least one.
        model_kind: what images a model reads; None takes what the first one is.

    Raises:
        FormatError: a file that is no image in one of `FORMATS`, or damaged.
        DataError: images of another size, other colours or with alpha; Pillow is missing. OSError: one cannot be read.
    """

    def __init__(self, folder: Path, names: Iterable[str], model_kind: Kind | None = None) -> None:
        self._folder, self.names, self._stamps = folder, list(names), list[Stamp]()
        kind, expected = model_kind, "the model reads"
        remedy = "Bring the image to that size and colours."
        for name in self.names:
            path = folder / name
            self._stamps.append(Stamp.of(path))
            with _opened(path) as image:
                found = _kind(image, path)
            if kind is None:
                kind, expected = found, f"{path} has"
                remedy = "Bring all images to one size and to either grey or RGB."
            if found != kind:
                raise DataError(f"{path}: {found}, but {expected} {kind}. {remedy}")
        assert kind is not None
        self.kind = kind
        self.shape: tuple[int, ...] = tuple(kind)

    def __len__(self) -> int:
        return len(self.names)

    def read(self, rows: Array) -> Array:
        """(n, maps, height, width) float32 pixels in [0, 1] of the images numbered in `rows`."""
        x = np.empty((len(rows), *self.shape), np.float32)
        for place, row in enumerate(rows):
            x[place] = self._pixels(self._folder / self.names[row], self._stamps[row])
        x /= 255
        return x

    def _pixels(self, path: Path, stamp: Stamp) -> Array:
        """(maps, height, width) bytes of one image."""
        stamp.check(path)
        with _opened(path) as image:
            if _kind(image, path) != self.kind:
                raise DataError(f"{path}: changed since it was opened.")
            pixels = np.asarray(image.convert("L") if image.mode == "1" else image)
        return pixels.reshape(self.kind.height, self.kind.width, self.kind.maps).transpose(2, 0, 1)


class _LabelledImages(Samples):
    """The images of a folder, by class.

    Attributes:
        kind: what all of them have in common.

    Args:
        root: the folder.
        classes: the names of the labels 0, 1, ...
        present: those that have a subfolder here.
    """

    def __init__(self, root: Path, classes: tuple[str, ...], present: tuple[str, ...]) -> None:
        labels = {name: label for label, name in enumerate(classes)}
        names, found = list[str](), list[int]()
        for name in present:
            if name not in labels:
                raise DataError(f"{root / name}: no such class in the training images; they have {', '.join(classes)}.")
            paths = visible(root / name)
            if not paths:
                raise DataError(f"{root / name}: no images in it. Put some there, or remove the subfolder.")
            names += [f"{name}/{path.name}" for path in paths]
            found += [labels[name]] * len(paths)
        self._images, self._labels = ImageFiles(root, names), np.array(found, np.intp)
        self.kind, self.shape = self._images.kind, self._images.shape

    def __len__(self) -> int:
        return len(self._labels)

    def read(self, rows: Array) -> Batch:
        return self._images.read(rows), self._labels[rows]


def _kind(image: Image.Image, path: Path) -> Kind:
    """Size and colours by the header."""
    if image.mode not in MAPS or "transparency" in image.info:
        alpha = "transparency, " if "transparency" in image.info or image.mode[-1:] in "Aa" else ""
        raise DataError(
            f"{path}: {alpha}mode {image.mode}; grey (L) and RGB images of 8 bits are read. Convert it, in Pillow: "
            'image.convert("RGB"), or "L" for grey.'
        )
    if getattr(image, "is_animated", False):
        raise DataError(f"{path}: several pictures in one file. Save each in a file of its own.")
    return Kind(MAPS[image.mode], image.height, image.width)


@contextmanager
def _opened(path: Path) -> Iterator[Image.Image]:
    """An image file of which the header is read; what Pillow raises becomes an error of ours that names the file."""
    try:
        from PIL import Image
    except ImportError as error:
        raise DataError(
            f'reading images needs Pillow, which does not load ({error}): pip install "gcnn[images]"'
        ) from error
    with path.open("rb") as file, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # oddities that do not touch the pixels
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        try:
            yield Image.open(file, formats=FORMATS)
        except GcnnError:
            raise
        except (Image.DecompressionBombWarning, Image.DecompressionBombError) as error:
            raise DataError(
                f"{path}: so many pixels that Pillow takes it for an attack ({error}). Where it is none, make it smaller."
            ) from error
        except OSError as error:
            if error.errno is not None:
                raise
            raise FormatError(f"{path}: not a whole image in one of {', '.join(FORMATS)} ({error}).") from error
        except DAMAGE as error:
            raise FormatError(f"{path}: not a whole image in one of {', '.join(FORMATS)} ({error}).") from error
