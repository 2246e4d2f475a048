"""Checks of the arrays that users hand in: numbers, shapes, finite values, labels. What is wrong is said, nothing is guessed."""

from __future__ import annotations

from math import isfinite
from typing import Any

import numpy as np

from gcnn.errors import DataError
from gcnn.maps import Array, Maps


def is_real(value: Any) -> bool:
    """Whether a value is a finite number that float64 holds, of Python's or NumPy's; no boolean, and no longer an integer than that."""
    if not isinstance(value, int | float | np.integer | np.floating) or isinstance(value, bool):
        return False
    try:
        return isfinite(value)
    except OverflowError:
        return False


def one_hot(labels: Array, classes: int) -> Array:
    """(samples,) integer labels to (samples, classes) rows of 0 and 1; raises `DataError` on a label out of range."""
    labels = np.asarray(labels)
    if ((labels < 0) | (labels >= classes)).any():
        position = int(np.flatnonzero((labels < 0) | (labels >= classes))[0])
        raise DataError(
            f"label {int(labels[position])} of sample {position} is not one of the {classes} classes 0..{classes - 1}."
        )
    rows = np.zeros((len(labels), classes))
    rows[np.arange(len(labels)), labels] = 1
    return rows


def check_samples(value: Any, maps: Maps, name: str, dtype: str) -> Array:
    """An array of samples of these maps, finite and in `dtype`."""
    value = check_numbers(value, name)
    if value.shape[1:] != maps.shape or value.ndim == 0:
        shape = ", ".join(map(str, ("samples", *maps.shape)))
        raise DataError(f"{name} has shape {value.shape}; expected ({shape}).{_remedy(value.shape, maps, name)}")
    if len(value) == 0:
        raise DataError(f"{name} is empty: it has 0 samples. Give at least one.")
    return check_finite(value, name, dtype)


def _remedy(shape: tuple[int, ...], maps: Maps, name: str) -> str:
    """What turns a value of the wrong shape into the right one, where that is plain to see."""
    if shape == maps.shape:
        return f" A single sample needs a leading axis: {name}[None]."
    if maps.uniform and maps.count == 1 and shape[1:] == maps.box:
        return f" Images need an axis of maps: {name}[:, None]."
    if maps.uniform and shape[1:] == (*maps.box, maps.count):
        return f" The maps come first: np.moveaxis({name}, -1, 1)."
    if name == "t" and shape[1:] == (1,):
        return " Labels are one integer a sample: t.ravel()."
    return ""


def dtype_name(dtype: Any) -> str:
    """The name of a dtype; raises `DataError` where there is none."""
    try:
        return str(np.dtype(dtype or "none given"))
    except TypeError as error:
        raise DataError(f"unknown dtype {dtype!r}; expected a name such as 'float32' or 'float64'.") from error


def check_numbers(value: Any, name: str) -> Array:
    """An array of numbers; raises `DataError` for anything else."""
    try:
        value = np.asarray(value)
    except ValueError as error:
        raise DataError(
            f"{name} is not an array: {error}. Images of differing sizes become one by network.inputs.join([...])."
        ) from error
    if value.dtype.kind not in "fiubc":
        raise DataError(
            f"{name} has dtype {value.dtype}; expected real numbers. Convert it first: {name}.astype(float)."
        )
    return value


def check_finite(value: Array, name: str, dtype: str) -> Array:
    """`value` in `dtype`; complex numbers only where the model computes in them (derivatives by the complex step)."""
    if value.dtype.kind == "c" and np.dtype(dtype).kind != "c":
        raise DataError(
            f"{name} has dtype {value.dtype}, but the model computes in {dtype}. Give real numbers: {name}.real."
        )
    # Plans read memory in C order; what comes so in the right dtype is not copied.
    cast = value
    if value.dtype != dtype or not value.flags.c_contiguous:
        with np.errstate(over="ignore"):
            cast = np.ascontiguousarray(value, dtype=dtype)
    if not np.isfinite(cast).all():
        where = tuple(int(i) for i in np.argwhere(~np.isfinite(cast))[0])
        remedy = "Scale the data." if np.isfinite(value[where]) else f"Clean the data, or drop entry {where[0]}."
        raise DataError(
            f"{name} holds {value[where]} at index {where}; every value must be finite in {dtype}. {remedy}"
        )
    return cast
