"""The 1797 handwritten digits that come with gcnn; origin and licence are in DIGITS.md beside this file."""

from __future__ import annotations

import gzip
from importlib import resources

import numpy as np

from gcnn.maps import Array

HIGHEST = 16
"""A pixel counts the ink in a 4 x 4 block of a 32 x 32 bitmap: 0 to 16."""


def load_digits() -> tuple[Array, Array]:
    """(1797, 1, 8, 8) float64 images in [0, 1], 0 paper and 1 ink, and (1797,) integer labels 0 to 9, in file order."""
    packed = resources.files("gcnn.data").joinpath("digits.csv.gz").read_bytes()
    table = np.loadtxt(gzip.decompress(packed).decode("ascii").splitlines(), delimiter=",", dtype=np.intp)
    return table[:, :-1].reshape(-1, 1, 8, 8) / HIGHEST, table[:, -1]
