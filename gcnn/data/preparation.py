"""Preparation: the fixed border and scale that inputs get before a network reads them, in training and ever after."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np

from gcnn.arrays import check_numbers, is_real
from gcnn.data.border import with_border
from gcnn.data.samples import Samples
from gcnn.documents import field
from gcnn.errors import DataError, FormatError, one_of
from gcnn.maps import MOST_CELLS, Array

NORMALISATIONS = ("none", "maps", "features")
_VALUES = 1 << 22
"""Numbers that `Preparation.fit` reads at once: 32 MiB in float64."""


@dataclass(frozen=True)
class Preparation:
    """x -> (x with a border of zeros - mean) / deviation; a function of one sample alone.

    Args:
        pad: cells of the raw value 0 laid around every map, before anything else.
        mean: subtracted, one number a map for images (n, maps, *size), one a feature for vectors (n, features); empty
            leaves the values as they are.
        deviation: divides, as many numbers, each above 0.

    Raises:
        DataError: a negative pad, numbers that are not finite, or means and deviations that do not match.
    """

    pad: int = 0
    mean: tuple[float, ...] = ()
    deviation: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        if not isinstance(self.pad, int) or isinstance(self.pad, bool) or self.pad < 0:
            raise DataError(f"pad={self.pad!r}; expected a number of cells, 0 or more.")
        object.__setattr__(self, "mean", _numbers("mean", self.mean))
        object.__setattr__(self, "deviation", _numbers("deviation", self.deviation))
        if len(self.mean) != len(self.deviation):
            raise DataError(f"there are {len(self.mean)} means and {len(self.deviation)} deviations; expected as many.")
        if not all(deviation > 0 for deviation in self.deviation):
            raise DataError(f"deviation={self.deviation}; expected numbers above 0. A constant feature takes 1.")

    @classmethod
    def fit(cls, samples: Samples, pad: int = 0, normalise: str = "none") -> Preparation:
        """The preparation after which these samples, without the border, have mean 0 and deviation 1.

        The samples are read in parts and summed in float64, so that a set may be larger than memory. The deviation is
        the root of the mean square (division by n). Where all values of a map or feature are equal it is 1, and the
        value becomes 0.

        Args:
            samples: those for training only; what a test sample looks like must not be known.
            pad: as above.
            normalise: "maps" over all samples and cells of each map of images; "features" over all samples, for each
                number of a vector; "none".

        Raises:
            DataError: a normalisation or a border that this shape of samples has not, or values that are not finite.
        """
        if normalise not in NORMALISATIONS:
            raise DataError(one_of("normalisation", normalise, NORMALISATIONS))
        _check_border(pad, samples.shape)
        if normalise == "none":
            return cls(pad)
        images = len(samples.shape) > 1
        if not samples.shape or (normalise == "maps") != images:
            remedy = "maps" if images else "features"
            raise DataError(
                f"normalise={normalise!r} does not go with samples of shape {samples.shape}: images are normalised by "
                f"maps, vectors by features. Give {remedy!r}."
            )
        return cls(pad, *_moments(samples))

    def __call__(self, x: Array) -> Array:
        """Inputs (n, *shape), prepared; floating-point numbers keep their dtype, others become float64.

        The arithmetic is in float64 and rounded once, so that a raw 0 becomes `zero_value` to the last bit.

        Raises:
            DataError: no numbers, or a shape that these settings do not fit.
        """
        x = _real(x)
        _check_border(self.pad, x.shape[1:])
        if self.mean:
            x = self._normalised(x)
        return with_border(x, self.pad, self.zero_value) if self.pad else x

    def _normalised(self, x: Array) -> Array:
        if x.shape[1:2] != (len(self.mean),):
            raise DataError(
                f"x has shape {x.shape}, but there are {len(self.mean)} means; expected {len(self.mean)} maps or features."
            )
        mean, deviation = (np.reshape(values, (-1, *[1] * (x.ndim - 2))) for values in (self.mean, self.deviation))
        # What overflows is found, and its sample named, where the network reads it.
        with np.errstate(over="ignore"):
            normalised = np.subtract(x, mean, dtype=np.float64)
            normalised /= deviation
            return normalised.astype(x.dtype if x.dtype.kind == "f" else np.float64, copy=False)

    @property
    def zero_value(self) -> tuple[float, ...] | float:
        """What a raw 0 becomes, in each map or feature; one 0.0 for all where nothing is normalised."""
        pairs = zip(self.mean, self.deviation, strict=True)
        return tuple((0.0 - mean) / deviation for mean, deviation in pairs) or 0.0

    def to_json(self) -> dict[str, Any]:
        """An object of JSON values, from which `from_json` makes an equal preparation."""
        return {"pad": self.pad, "mean": list(self.mean), "deviation": list(self.deviation)}

    @classmethod
    def from_json(cls, document: Any) -> Preparation:
        """The preparation that `to_json` wrote down.

        Raises:
            FormatError: fields that are missing, unknown, of another kind, or with values that are not allowed.
        """
        names = ("pad", "mean", "deviation")
        if not isinstance(document, dict):
            raise FormatError(f"a preparation is a JSON object, got {type(document).__name__}.")
        if unknown := sorted(set(document) - set(names)):
            raise FormatError(f"a preparation has the fields {', '.join(names)}, not {', '.join(map(repr, unknown))}.")
        values = [field(document, name, kind) for name, kind in zip(names, (int, list, list), strict=True)]
        try:
            return cls(*values)
        except DataError as error:
            raise FormatError(f"no preparation: {error}") from error


def _numbers(name: str, values: Sequence[float]) -> tuple[float, ...]:
    """The values as floats, which are equal and hash alike whatever they were made from."""
    if not all(map(is_real, values)):
        raise DataError(f"{name}={values!r}; expected finite numbers, one a map or feature.")
    return tuple(map(float, values))


def _real(x: Array) -> Array:
    x = check_numbers(x, "x")
    if x.dtype.kind == "c":
        raise DataError(f"x has dtype {x.dtype}; expected real numbers.")
    return x


def _check_border(pad: int, shape: tuple[int, ...]) -> None:
    if pad and len(shape) < 2:
        raise DataError(f"pad={pad} lays a border around images, but a sample has shape {shape}; give pad=0.")
    if pad and shape[0] * prod(cells + 2 * pad for cells in shape[1:]) > MOST_CELLS:
        raise DataError(
            f"pad={pad} around a sample of shape {shape} makes more than the {MOST_CELLS} cells that a layer reads at most."
        )


def _moments(samples: Samples) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and deviation of every map or feature, part by part (Chan, Golub, LeVeque 1979, updating formula)."""
    count, mean, squares = 0, np.zeros(samples.shape[0]), np.zeros(samples.shape[0])
    lowest, highest = np.full_like(mean, np.inf), np.full_like(mean, -np.inf)
    for x, _ in samples.chunks(max(1, _VALUES // prod(samples.shape))):
        values = np.moveaxis(_real(x).astype(np.float64), 1, 0).reshape(len(mean), -1)
        if not np.isfinite(values).all():
            raise DataError("the samples hold values that are not finite. Clean the data before they are normalised.")
        more = values.shape[1]
        # Numbers near the largest there are overflow here; that is seen at the end.
        with np.errstate(over="ignore", invalid="ignore"):
            part = values.mean(axis=1)
            step = part - mean
            squares += ((values - part[:, None]) ** 2).sum(axis=1) + step**2 * (count * more / (count + more))
            mean = mean + step * (more / (count + more))
        lowest, highest = np.minimum(lowest, values.min(axis=1)), np.maximum(highest, values.max(axis=1))
        count += more
    # Rounding gives equal values a deviation of almost, not exactly, 0.
    constant = lowest == highest
    mean, deviation = np.where(constant, lowest, mean), np.where(constant, 1.0, np.sqrt(squares / count))
    if not (np.isfinite(mean) & np.isfinite(deviation) & (deviation > 0)).all():
        raise DataError(
            f"values from {lowest.min():g} to {highest.max():g} are too far apart, or too close, to normalise."
        )
    return tuple(mean.tolist()), tuple(deviation.tolist())
