"""What goes wrong while tuning."""

from __future__ import annotations

from gcnn.errors import GcnnError


class TuningError(GcnnError, ValueError):
    """A setting or a space of parameters is wrong."""


class WrongResult(GcnnError, RuntimeError):
    """A kernel with these parameters computes something else than the oracle."""


class Unmeasurable(GcnnError, RuntimeError):
    """Its time is below what the clock resolves, so that no comparison means anything."""
