"""MNIST and sets that come in the same four IDX files: found on this machine, or downloaded."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from platformdirs import user_cache_path

from gcnn.data.classes import suitable_model
from gcnn.data.dataset import Dataset
from gcnn.data.download import download as download_file
from gcnn.data.idx import MOST_DIMENSIONS, read_idx
from gcnn.data.samples import ArraySamples
from gcnn.errors import FormatError
from gcnn.maps import Array

TRAINING = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte")
TEST = ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")
MOST_CLASSES = 2**16
"""Beyond this a label is rather damage than a class."""
SYSTEM_FOLDERS = (Path("/usr/share/datasets"), Path("/usr/local/share/datasets"))
"""Where distributions put data sets; Debian's dataset-fashion-mnist uses the first."""
FOLDER_VARIABLE = "GCNN_DATA"


@dataclass(frozen=True)
class IdxSet:
    """A known data set of four IDX files.

    Attributes:
        name: of the set, and of its folder.
        url: of the folder that holds the four files, compressed.
        checksums: SHA-256 of the compressed files, in the order training images, training labels, test images, labels.
        classes: names of the labels 0, 1, ...
    """

    name: str
    url: str
    checksums: tuple[str, str, str, str]
    classes: tuple[str, ...]


MNIST = IdxSet(
    "mnist",
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
    (
        "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
        "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
        "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
        "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
    ),
    tuple("0123456789"),
)
"""Y. LeCun, C. Cortes, C. Burges: handwritten digits, 60000 for training and 10000 for the test."""
FASHION_MNIST = IdxSet(
    "fashion-mnist",
    "https://github.com/zalandoresearch/fashion-mnist/raw/master/data/fashion/",
    (
        "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
        "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
        "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
        "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
    ),
    ("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"),
)
"""H. Xiao, K. Rasul, R. Vollgraf, 2017 (arXiv:1708.07747): pictures of clothes, in the sizes of MNIST."""


def open_mnist(known: IdxSet, folder: Path | None = None, download: bool = True) -> Dataset:
    """A known set, from the first place that holds all four files, plain or compressed.

    Args:
        known: `MNIST` or `FASHION_MNIST`.
        folder: the only place to look in; None looks in the folder of the set's name in $GCNN_DATA, in the system's
            folders and in the user's cache. Files found are not compared with the checksums: they may be a variant.
        download: whether to download the files into the user's cache where they are in none of these places.

    Raises:
        FormatError: a file does not hold what it should, or a download has another checksum.
        OSError: files are missing and must not, or could not, be downloaded.
    """
    places = _places(known.name) if folder is None else [folder]
    place = _complete(places)
    if place is None and folder is None and download:
        place = places[-1]
        for stem, checksum in zip(TRAINING + TEST, known.checksums, strict=True):
            download_file(f"{known.url}{stem}.gz", checksum, place / f"{stem}.gz")
    if place is None:
        looked = "\n".join(f"  - {place}: {_lacking(place)}" for place in places)
        raise FileNotFoundError(
            f"the four IDX files of {known.name} are not all there:\n{looked}\nExpected {', '.join(TRAINING + TEST)}, "
            f"plain or ending in .gz. Give the folder that holds them, or download them from {known.url}"
        )
    return _open(known.name, find_idx_files(place), known.classes, _source(place))


def find_mnist(known: IdxSet) -> str | None:
    """Where `open_mnist` would read a known set from, in words; None where it would have to be downloaded."""
    place = _complete(_places(known.name))
    return None if place is None else _source(place)


def open_idx_folder(folder: Path) -> Dataset:
    """The set in a folder with the four IDX files; its classes are the labels from 0 to the highest.

    Raises:
        FormatError: a file does not hold what it should. OSError: one is missing or cannot be read.
    """
    if len(find_idx_files(folder)) < 4:
        raise FileNotFoundError(f"{folder}: {_lacking(folder)}; a set of IDX files is {', '.join(TRAINING + TEST)}.")
    return _open(str(folder), find_idx_files(folder), None, _source(folder))


def holds_idx_files(folder: Path) -> bool:
    """Whether any of the four files is there."""
    return bool(find_idx_files(folder))


def find_idx_files(folder: Path) -> dict[str, Path]:
    """Those of the four files that a folder holds; plain ones before compressed ones, since those can be mapped."""
    found = {}
    for stem in TRAINING + TEST:
        # Some tools that unpack the files write train-images.idx3-ubyte.
        names = (stem, stem.replace("-idx", ".idx"))
        paths = [path for ending in ("", ".gz") for name in names if (path := folder / f"{name}{ending}").is_file()]
        if paths:
            found[stem] = paths[0]
    return found


def _places(name: str) -> list[Path]:
    """Where the files of that set may lie; the user's cache comes last."""
    given = os.environ.get(FOLDER_VARIABLE)
    folders = [*([Path(given)] if given else []), *SYSTEM_FOLDERS, user_cache_path("gcnn", appauthor=False) / "data"]
    return [folder / name for folder in folders]


def _complete(places: list[Path]) -> Path | None:
    """The first place that holds all four files."""
    return next((place for place in places if len(find_idx_files(place)) == 4), None)


def _lacking(place: Path) -> str:
    missing = [stem for stem in TRAINING + TEST if stem not in find_idx_files(place)]
    if not place.is_dir():
        return "no such folder"
    return "has none of them" if len(missing) == 4 else f"lacks {', '.join(missing)}"


def _source(folder: Path) -> str:
    return f"IDX files in {folder}"


def _open(name: str, files: Mapping[str, Path], classes: tuple[str, ...] | None, source: str) -> Dataset:
    training, test = (_labelled(files[images], files[labels]) for images, labels in (TRAINING, TEST))
    if training.shape != test.shape:
        raise FormatError(
            f"{files[TEST[0]]}: images of {_size(test.shape)}, but those of {files[TRAINING[0]]} are of "
            f"{_size(training.shape)}; expected the files of one set."
        )
    highest = max(int(samples.t.max()) for samples in (training, test))
    classes = classes or tuple(map(str, range(highest + 1)))
    if highest >= len(classes):
        raise FormatError(
            f"{source}: there is a label {highest}, but {name} has the classes 0 to {len(classes) - 1}. "
            "Open another set by the path of its folder."
        )
    model = suitable_model(training.shape)
    return Dataset(name, training.mapped(unit_range), test.mapped(unit_range), classes, model, source)


def _labelled(images: Path, labels: Path) -> ArraySamples:
    """Images (n, 1, *size) of bytes, left on disk where the file is plain, and their labels."""
    x, t = idx_images(images), read_idx(labels)
    if t.dtype.kind not in "iu" or t.ndim != 1:
        raise FormatError(f"{labels}: {_size(t.shape)} values of {t.dtype.name}; expected one integer an image.")
    if len(x) != len(t):
        raise FormatError(f"{labels}: {len(t)} labels, but {images} holds {len(x)} images; expected as many.")
    if not 0 <= t.min() <= t.max() < MOST_CLASSES:
        raise FormatError(f"{labels}: labels from {t.min()} to {t.max()}; expected 0 to at most {MOST_CLASSES - 1}.")
    return ArraySamples(x, t.astype(np.intp))


def idx_images(path: Path) -> Array:
    """(n, 1, *size) images of bytes in an IDX file, left on disk where it is plain.

    Raises:
        FormatError: no IDX file, or one that holds something else. OSError: it cannot be read.
    """
    x = read_idx(path)
    if x.dtype != np.uint8 or not 2 <= x.ndim < MOST_DIMENSIONS or not x.size:
        raise FormatError(
            f"{path}: {_size(x.shape)} values of {x.dtype.name}; expected images x rows x columns of uint8."
        )
    return x[:, None]


def unit_range(x: Array) -> Array:
    """Bytes as numbers from 0 to 1."""
    return x.astype(np.float32) / 255


def _size(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape))
