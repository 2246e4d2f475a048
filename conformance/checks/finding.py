"""What a check finds: the worst error as a fraction of what is allowed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike


@dataclass(frozen=True)
class Finding:
    """One comparison.

    Attributes:
        check: name of the check.
        fraction: worst error over allowance; above 1 is a failure.
        detail: where, with both values.
    """

    check: str
    fraction: float
    detail: str = ""

    @property
    def passed(self) -> bool:
        """Within the allowance."""
        return self.fraction <= 1.0


def compare(check: str, actual: ArrayLike, expected: ArrayLike, allowed: ArrayLike) -> Finding:
    """Element-wise comparison. NaN must meet NaN; a shape that differs, or a value missing or infinite, is a failure."""
    actual, expected = np.asarray(actual), np.asarray(expected)
    if actual.shape != expected.shape:
        return Finding(check, np.inf, f"shape {actual.shape}, expected {expected.shape}")
    if actual.size == 0:
        return Finding(check, 0.0)
    actual = actual.astype(np.float64)
    allowed = np.broadcast_to(np.asarray(allowed, dtype=np.float64), actual.shape)
    both_nan = np.isnan(actual) & np.isnan(expected)
    with np.errstate(invalid="ignore", divide="ignore"):
        fractions = np.where(actual == expected, 0.0, np.abs(actual - expected) / allowed)
    fractions = np.where(both_nan, 0.0, np.where(np.isnan(fractions), np.inf, fractions))
    where = np.unravel_index(int(fractions.argmax()), fractions.shape)
    place = ", ".join(str(int(i)) for i in where)
    detail = f"at [{place}]: {actual[where]:.9g}, expected {expected[where]:.9g}, allowed ±{allowed[where]:.2g}"
    return Finding(check, float(fractions[where]), detail)


def exactly(check: str, holds: bool, detail: str) -> Finding:
    """A property that holds or does not."""
    return Finding(check, 0.0 if holds else np.inf, "" if holds else detail)
