"""Samples from an .npz file, as `numpy.savez` writes it.

Arrays are found by name. Inputs are called x, X or images, targets t, y or labels; either may have train_ before it or _train
behind it. A test set has test_ or _test in the same places. Other arrays are not read.

Targets of integers are labels 0, 1, ... of classes, those of floating-point numbers are fitted as they are. Inputs of bytes
(uint8) are pixels and become float32 in [0, 1]; float32 and float64 stay, other numbers become the smaller of the two that
holds them. Images come with their maps first, (samples, maps, height, width); an axis is added where images have no maps,
and maps that come last, as colours often do, are moved.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from gcnn.data.classes import MOST_CLASSES, check_classes, suitable_model
from gcnn.data.dataset import Dataset
from gcnn.data.samples import Batch, Samples
from gcnn.data.zipped import ZippedArrays
from gcnn.errors import DataError
from gcnn.maps import Array

INPUTS = ("x", "X", "images")
TARGETS = ("t", "y", "labels")
TRAINING = ("{}", "{}_train", "train_{}")
TEST = ("{}_test", "test_{}")
COLOURS = (1, 3, 4)
"""How many maps images have where the maps come last: grey, RGB, RGB and alpha."""
CHUNK = 2**16
"""Labels that are looked through at once."""


def open_npz(path: Path) -> Dataset:
    """The samples of an .npz file; what is stored uncompressed is read when asked for, and may be larger than memory.

    Raises:
        FormatError: not an .npz file, a damaged one, or arrays that hold no numbers.
        DataError: arrays are missing, too many, or do not fit each other; labels that are none.
        OSError: the file is missing or cannot be read.
    """
    arrays = ZippedArrays(path)
    names = _find(arrays, TRAINING, path), _find(arrays, TEST, path)
    if names[0] is None:
        raise DataError(
            f"{path}: no training samples. Inputs are called {' or '.join(INPUTS)}, targets {' or '.join(TARGETS)}, "
            f"with _train or train_ where there is a test set. {_found(arrays)}"
        )
    training, test = (None if pair is None else _LabelledArrays(arrays, *pair) for pair in names)
    assert training is not None
    parts = [part for part in (training, test) if part is not None]
    if len({(part.shape, part.labelled, part.targets) for part in parts}) > 1:
        raise DataError(f"{path}: training and test samples differ: {' but '.join(map(str, parts))}.")
    classes = _class_names(path, parts) if training.labelled else None
    source = f"{path}: {', test: '.join(map(str, parts))}"
    return Dataset(str(path), training, test, classes, suitable_model(training.shape), source)


def _find(arrays: ZippedArrays, forms: tuple[str, ...], path: Path) -> tuple[str, str] | None:
    """The names of inputs and targets; None where there are neither."""
    found = []
    for kind in (INPUTS, TARGETS):
        possible = [form.format(name) for form, name in itertools.product(forms, kind)]
        found.append([name for name in possible if name in arrays.names])
    if not any(found):
        return None
    if [len(names) for names in found] != [1, 1]:
        what = [" and ".join(names) or "none" for names in found]
        raise DataError(
            f"{path}: one array of inputs and one of targets are needed; by their names, inputs are {what[0]}, targets "
            f"{what[1]}. {_found(arrays)}"
        )
    return found[0][0], found[1][0]


def _found(arrays: ZippedArrays) -> str:
    return f"The file holds: {', '.join(arrays.names) or 'no arrays'}."


def input_array(path: Path, shape: tuple[int, ...]) -> InputArray:
    """The inputs in an .npz file, whatever else it holds: the array of that name, or the only one.

    Args:
        path: of the file.
        shape: of a sample, as a model reads it.

    Raises:
        FormatError, OSError: as for `open_npz`. DataError: no inputs, or several arrays of them.
    """
    arrays = ZippedArrays(path)
    possible = [form.format(name) for form, name in itertools.product(dict.fromkeys(TRAINING + TEST), INPUTS)]
    found = [name for name in possible if name in arrays.names] or arrays.names
    if len(found) != 1:
        raise DataError(
            f"{path}: which array are the inputs? {_found(arrays)} Save one of them alone: numpy.savez(file, x=...)."
        )
    return InputArray(arrays, found[0], shape)


class InputArray:
    """The inputs in an array of a file, converted when they are read.

    Attributes:
        path, name: of the file, and of the array in it.
        shape: of one sample, maps first.

    Args:
        arrays: what the file holds.
        name: of the array.
        shape: of samples that are known to have their maps first; others are looked at to find out.

    Raises:
        FormatError: a damaged file, or no numbers. DataError: not an array of samples. OSError: it cannot be read.
    """

    def __init__(self, arrays: ZippedArrays, name: str, shape: tuple[int, ...] | None = None) -> None:
        self.path, self.name, self._stamp = arrays.path, name, arrays.stamp
        self._x = arrays.array(name)
        self.shape: tuple[int, ...] = self._x.shape[1:]
        self._maps_last = False
        if self.shape != shape:
            self._maps_last, self.shape = _layout(self._x.shape, f"{self.path}: {name}")

    def __len__(self) -> int:
        return len(self._x)

    def read(self, rows: Array) -> Array:
        """(n, *shape) inputs of the samples numbered in `rows`; raises `DataError` for values that are not finite."""
        self._stamp.check(self.path)
        x = _floats(self._x, rows, self.path, self.name)
        if self._x.dtype == np.uint8:
            x /= 255
        if self._maps_last:
            x = np.moveaxis(x, -1, 1)
        return np.ascontiguousarray(x).reshape(len(rows), *self.shape)

    def __str__(self) -> str:
        scaled = ", bytes scaled to [0, 1]" if self._x.dtype == np.uint8 else ""
        moved = ", maps moved to the front" if self._maps_last else ""
        return f"{len(self)} samples of {' x '.join(map(str, self.shape))} ({self.name}{scaled}{moved})"


class _LabelledArrays(Samples):
    """Samples from two arrays of a file.

    Attributes:
        labelled: whether targets are labels.
        targets: the shape of one sample's target.
    """

    def __init__(self, arrays: ZippedArrays, inputs: str, targets: str) -> None:
        self._inputs, self._t, self._name = InputArray(arrays, inputs), arrays.array(targets), targets
        if len(self._inputs) != len(self._t):
            raise DataError(f"{arrays.path}: {inputs} has {len(self._inputs)} samples, {targets} has {len(self._t)}.")
        self.shape = self._inputs.shape
        self.labelled = self._t.dtype.kind in "biu"
        self.targets = self._t.shape[1:] if self._t.ndim > 1 and self._t.shape[1:] != (1,) else ()
        if self.labelled and self.targets:
            raise DataError(
                f"{arrays.path}: {targets} holds integers of shape {self._t.shape}; labels are one integer a sample. "
                "Rows of 0 and 1 become labels by t.argmax(axis=1); numbers to fit are saved as t.astype(float)."
            )

    def __len__(self) -> int:
        return len(self._inputs)

    def read(self, rows: Array) -> Batch:
        x = self._inputs.read(rows)
        if self.labelled:
            return x, self._t[rows].astype(np.intp).reshape(len(rows))
        return x, _floats(self._t, rows, self._inputs.path, self._name).reshape(len(rows), *self.targets or (1,))

    def labels(self) -> Iterator[Array]:
        """All labels as they are stored, in parts."""
        return (np.asarray(self._t[start : start + CHUNK]) for start in range(0, len(self), CHUNK))

    def __str__(self) -> str:
        return f"{self._inputs} and {'labels' if self.labelled else 'numbers to fit'} ({self._name})"


def _floats(stored: Array, rows: Array, path: Path, name: str) -> Array:
    """Some entries of a stored array in float32 or float64; raises `DataError` for one that is not finite."""
    dtype = np.float64 if stored.dtype.itemsize > 4 else np.result_type(stored.dtype, np.float32)
    with np.errstate(over="ignore"):  # a long double that float64 cannot hold is found below
        values = np.asarray(stored[rows]).astype(dtype)
    if not np.isfinite(values).all():
        first = int(np.argwhere(~np.isfinite(values))[0][0])
        raise DataError(f"{path}: sample {rows[first]} of {name} holds a value that is not finite. Clean the data.")
    return values


def _layout(shape: tuple[int, ...], where: str) -> tuple[bool, tuple[int, ...]]:
    """Whether an array of inputs has its maps last, and the shape of one sample, maps first."""
    if len(shape) < 2:
        raise DataError(f"{where} has shape {shape}; expected (samples, features). One feature a sample: x[:, None].")
    if len(shape) == 3:
        return False, (1, *shape[1:])
    if len(shape) != 4 or shape[3] not in COLOURS:
        return False, shape[1:]
    first, last = shape[1:], (shape[3], *shape[1:3])
    if first[0] not in COLOURS or (last[1] == last[2] and first[1] != first[2]):
        return True, last
    if first[1] == first[2] and last[1] != last[2]:
        return False, first
    raise DataError(
        f"{where} has shape {shape}, which may be {first[0]} maps of {first[1]} x {first[2]}, or images of "
        f"{last[1]} x {last[2]} with {last[0]} maps in the last axis. Say which in Python: "
        "gcnn.data.ArraySamples(x, t) takes maps first."
    )


def _class_names(path: Path, parts: list[_LabelledArrays]) -> tuple[str, ...]:
    """Check all labels; they must be 0, 1, ..., and at least half of them in use, so that none is a misread number."""
    counts = np.zeros(0, np.intp)
    for labels in itertools.chain.from_iterable(part.labels() for part in parts):
        least, most = int(labels.min()), int(labels.max())
        if least < 0 or most >= MOST_CLASSES:
            raise DataError(
                f"{path}: {least if least < 0 else most} is no label; labels are 0, 1, ... up to {MOST_CLASSES - 1}. "
                "Number the classes: np.unique(t, return_inverse=True)[1]. Numbers to fit are saved as t.astype(float)."
            )
        found = np.bincount(labels.astype(np.intp).reshape(-1), minlength=len(counts))
        found[: len(counts)] += counts
        counts = found
    used = int(np.count_nonzero(counts))
    if 2 * used < len(counts):
        raise DataError(
            f"{path}: labels go up to {len(counts) - 1}, but only {used} of them are in use. "
            "Number the classes: np.unique(t, return_inverse=True)[1]. Numbers to fit are saved as t.astype(float)."
        )
    check_classes(used, str(path))
    return tuple(map(str, range(len(counts))))
