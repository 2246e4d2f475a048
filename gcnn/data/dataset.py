"""Data sets by name, or from a path."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from gcnn.data.digits import load_digits
from gcnn.data.samples import ArraySamples, Samples
from gcnn.errors import DataError, one_of

WITH_GCNN = "comes with gcnn"


@dataclass(frozen=True)
class Dataset:
    """Samples to learn from, and what to train on them when nothing else is said.

    Attributes:
        name: "fashion-mnist", or the path that was given.
        training: the samples to learn from.
        test: samples that nothing is chosen by; None where the user is to hold some back (`Samples.split`).
        classes: names of the labels 0, 1, ...; None where the targets are numbers (regression).
        model: the name in `gcnn.models.MODELS` of a network that suits the samples.
        source: where they were found, one line for people.
        features: names of the numbers in a sample, each different; None where they have none.
    """

    name: str
    training: Samples
    test: Samples | None
    classes: tuple[str, ...] | None
    model: str
    source: str
    features: tuple[str, ...] | None = None


@dataclass(frozen=True)
class Opener:
    """A data set that has a name.

    Attributes:
        about: what it is, one line for people.
        open: gives it, from (folder, download) of `open_dataset`.
        find: says where it is, without opening it.
    """

    about: str
    open: Callable[[Path | None, bool], Dataset]
    find: Callable[[], Place]


class Place(NamedTuple):
    """Where a named data set is.

    Attributes:
        found: where it lies, one line for people; None where it has to be downloaded first.
        url: where it is downloaded from; None where it never is.
    """

    found: str | None
    url: str | None


def open_dataset(
    name: str | Path, folder: str | Path | None = None, target: str | None = None, download: bool = True
) -> Dataset:
    """The data set of that name, or the one in that file or folder.

    Args:
        name: one of `DATASETS`; or a path, of *.npz, *.csv, *.csv.gz, a folder that holds the four IDX files of a set
            such as MNIST, or a folder of images with one subfolder a class. A name goes before a path: for a folder
            that is called mnist, give "./mnist".
        folder: where the files of a named set lie; None looks in the usual places.
        target: the column of a CSV file to predict; None takes what `gcnn.data.csv.open_csv` takes.
        download: whether the files of a named set may be downloaded where they are found nowhere.

    Raises:
        DataError: no such name or path, a kind of file that is not read, or an option that does not go with `name`.
        FormatError: a file does not hold what it should.
        OSError: a file is missing, cannot be read, or could not be downloaded.
    """
    text = os.fspath(name)
    if text not in DATASETS:
        return _open_path(text, folder, target)
    if target is not None:
        raise DataError(f"target={target!r} names a column, which only CSV files have; leave it away for {text!r}.")
    return DATASETS[text].open(None if folder is None else Path(folder), download)


def _open_path(name: str, folder: str | Path | None, target: str | None) -> Dataset:
    path = Path(name)
    if not path.exists():
        raise DataError(f"{one_of('data set', name, DATASETS)} Nor is there a file or folder {name!r}.")
    if folder is not None:
        raise DataError(f"folder={os.fspath(folder)!r} goes with a name ({', '.join(DATASETS)}), not with {name!r}.")
    if path.is_file() and path.name.endswith((".csv", ".csv.gz")):
        from gcnn.data.csv import open_csv

        return open_csv(path, target)
    if target is not None:
        raise DataError(f"target={target!r} names a column, which only CSV files have; leave it away for {name!r}.")
    if path.is_dir():
        from gcnn.data.mnist import holds_idx_files, open_idx_folder

        if holds_idx_files(path):
            return open_idx_folder(path)
        from gcnn.data.images import open_images

        return open_images(path)
    if path.suffix == ".npz":
        from gcnn.data.npz import open_npz

        return open_npz(path)
    raise DataError(
        f"{name}: not a kind of file that is read. Give *.npz, *.csv, *.csv.gz, a folder of images with one subfolder "
        "a class, or a folder with the four IDX files of a set."
    )


def _open_digits(folder: Path | None, download: bool) -> Dataset:
    if folder is not None:
        raise DataError(f"folder={str(folder)!r}: the digits come with gcnn; leave the folder away.")
    classes = tuple("0123456789")
    return Dataset("digits", ArraySamples(*load_digits()), None, classes, "digits-conv", WITH_GCNN)


def _find_digits() -> Place:
    return Place(WITH_GCNN, None)


def _open_mnist(folder: Path | None, download: bool) -> Dataset:
    from gcnn.data.mnist import MNIST, open_mnist

    return open_mnist(MNIST, folder, download)


def _find_mnist() -> Place:
    from gcnn.data.mnist import MNIST, find_mnist

    return Place(find_mnist(MNIST), MNIST.url)


def _open_fashion_mnist(folder: Path | None, download: bool) -> Dataset:
    from gcnn.data.mnist import FASHION_MNIST, open_mnist

    return open_mnist(FASHION_MNIST, folder, download)


def _find_fashion_mnist() -> Place:
    from gcnn.data.mnist import FASHION_MNIST, find_mnist

    return Place(find_mnist(FASHION_MNIST), FASHION_MNIST.url)


DATASETS = {
    "digits": Opener("1797 handwritten digits of 8 x 8, which come with gcnn", _open_digits, _find_digits),
    "mnist": Opener("70000 handwritten digits of 28 x 28", _open_mnist, _find_mnist),
    "fashion-mnist": Opener(
        "70000 pictures of clothes of 28 x 28, in ten classes", _open_fashion_mnist, _find_fashion_mnist
    ),
}
