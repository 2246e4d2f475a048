"""The errors that gcnn raises, and the helper that names the near miss in a message.

Every error derives from `GcnnError`; those that say "your value is wrong" are also `ValueError`.
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


class GcnnError(Exception):
    """Base of every error that gcnn raises on purpose."""


class MapsError(GcnnError, ValueError):
    """A description of maps (index sets) is not usable."""


class LayerError(GcnnError, ValueError):
    """A layer's hyper-parameters are wrong, or do not fit the maps that it reads."""


class LossError(GcnnError, ValueError):
    """A loss is unknown, or cannot take what the network puts out."""


class NetworkError(GcnnError, ValueError):
    """Layers, input and loss do not make a network."""


class OptimizerError(GcnnError, ValueError):
    """An update rule's hyper-parameters are wrong."""


class DataError(GcnnError, ValueError):
    """An array handed in has the wrong shape, dtype or values."""


class FormatError(GcnnError, ValueError):
    """A file or JSON document is not what gcnn writes, or comes from a later version."""


class CheckpointError(GcnnError, ValueError):
    """A checkpoint belongs to another training, or would be overwritten."""


class BackendUnavailable(GcnnError, RuntimeError):
    """A backend or device was asked for and is not there; the message gives reason and remedy."""


class Unsupported(GcnnError, RuntimeError):
    """A backend declines a program at plan time.

    Attributes:
        reasons: everything the backend declines in this program, one line each.
    """

    def __init__(self, backend: str, reasons: Iterable[str]) -> None:
        self.reasons = tuple(reasons)
        lines = "".join(f"\n  - {reason}" for reason in self.reasons)
        super().__init__(
            f"backend {backend!r} declines this program:{lines}\nChoose another backend, or change what is listed."
        )


def one_of(kind: str, name: object, choices: Iterable[str]) -> str:
    """The message for an unknown name: what was given, what exists, and the nearest match."""
    known = sorted(choices)
    folded = {choice.casefold(): choice for choice in known}
    near = [folded[match] for match in get_close_matches(str(name).casefold(), folded, n=1)]
    hint = f" Did you mean {near[0]!r}?" if near else ""
    return f"unknown {kind} {name!r}.{hint} Known: {', '.join(known) or 'none'}."
