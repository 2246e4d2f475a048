"""Holding samples back, in a seeded random order."""

from __future__ import annotations

import numpy as np

from gcnn.errors import DataError
from gcnn.maps import Array


def split(x: Array, t: Array, fraction: float, seed: int) -> tuple[tuple[Array, Array], tuple[Array, Array]]:
    """Shuffle, then hold a fraction back.

    Args:
        x: inputs, one entry a sample along the first axis.
        t: targets, the same way.
        fraction: the share to hold back, between 0 and 1; the count is rounded to the nearest whole sample.
        seed: of the order; the same seed gives the same parts.

    Returns:
        The samples that remain, then those held back; none is in both, and together they are all.

    Raises:
        DataError: x and t differ in length, or one of the parts would be empty.
    """
    if len(x) != len(t):
        raise DataError(f"x has {len(x)} samples, t has {len(t)}.")
    rest, part = held_back_rows(len(x), fraction, seed)
    return (x[rest], t[rest]), (x[part], t[part])


def held_back_rows(count: int, fraction: float, seed: int) -> tuple[Array, Array]:
    """The numbers of the samples that remain, and of those held back; see `split`."""
    held_back = round(fraction * count) if 0 < fraction < 1 else 0
    if not 0 < held_back < count:
        raise DataError(
            f"holding back a fraction of {fraction!r} of {count} samples leaves one part empty. "
            "Give a fraction between 0 and 1 that is at least one sample."
        )
    order = np.random.default_rng(seed).permutation(count)
    return order[held_back:], order[:held_back]
