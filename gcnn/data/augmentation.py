"""Augmentation: random changes of the training inputs after which they mean the same."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gcnn.arrays import check_numbers, is_real
from gcnn.data.border import with_border
from gcnn.errors import DataError
from gcnn.maps import Array


@dataclass(frozen=True)
class Shift:
    """Move every sample by its own random number of cells along every axis.

    Args:
        most: cells; an axis moves by -most to most, each as likely as the others.
        fill: what enters at the border: one number, or one a map, such as `Preparation.zero_value`.

    Raises:
        DataError: a negative number of cells, or a fill that is not finite.
    """

    most: int
    fill: tuple[float, ...] | float = 0.0

    def __post_init__(self) -> None:
        if not isinstance(self.most, int) or isinstance(self.most, bool) or self.most < 0:
            raise DataError(f"most={self.most!r}; expected a number of cells, 0 or more.")
        values = self.fill if isinstance(self.fill, tuple) else (self.fill,)
        if not values or not all(map(is_real, values)):
            raise DataError(f"fill={self.fill!r}; expected a finite number, or a tuple with one a map.")

    def __call__(self, x: Array, rng: np.random.Generator) -> Array:
        """Images (n, maps, *size) of floating-point numbers, moved; every map of a sample by the same (dy, dx, ...).

        Calls `rng.integers` once, for n x axes numbers, so that a batch takes the same part of the random stream
        whatever it holds.

        Raises:
            DataError: inputs without axes to move along, other numbers, or a fill with another number of maps.
        """
        x = check_numbers(x, "x")
        if x.ndim < 3 or x.dtype.kind != "f":
            raise DataError(
                f"x has shape {x.shape} and dtype {x.dtype}; expected images (samples, maps, *size) of floating-point numbers."
            )
        if isinstance(self.fill, tuple) and len(self.fill) != x.shape[1]:
            raise DataError(
                f"x has {x.shape[1]} maps, but fill has {len(self.fill)} numbers; give one a map, or one for all."
            )
        samples, axes = len(x), range(2, x.ndim)
        offsets = rng.integers(-self.most, self.most + 1, size=(samples, len(axes)))
        bordered = with_border(x, self.most, self.fill)
        windows = np.lib.stride_tricks.sliding_window_view(bordered, x.shape[2:], axis=tuple(axes))
        # A window further up shows the image further down.
        starts = (self.most - offsets).T
        return windows[(np.arange(samples), slice(None), *starts)]
