"""What every fuzz target asks of a reader: a value, or a refusal that names the file; no pickles, and memory within bounds."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, NoReturn
from unittest import mock

from gcnn.errors import GcnnError

MEMORY = 2**30
"""Bytes that reading may take beyond what the process has: far more than any input here, far less than a forged header asks for."""
CELLS, MAPS = 2**14, 2**10
"""Limits of networks in place of the real ones, which let through what takes gigabytes: what is checked against them stays."""


class Unnamed(AssertionError):
    """A message that leaves its reader looking for the file."""


def refused(read: Callable[[], Any], path: Path | None = None) -> Any:
    """What `read` gives, or None where it refuses; every exception but gcnn's own and the system's passes.

    Raises:
        Unnamed: it refuses with a message that does not name `path`.
    """
    try:
        return read()
    except (GcnnError, OSError) as error:
        if path is not None and str(path) not in str(error):
            raise Unnamed(f"the message does not name {path}: {error!r}") from error
        return None


@contextmanager
def guarded() -> Iterator[None]:
    """Pickles are an error, limits on networks are low, and memory ends early."""
    patches = {
        "pickle.load": _forbidden,
        "pickle.loads": _forbidden,
        "pickle.Unpickler": _forbidden,
        "gcnn.maps.MOST_CELLS": CELLS,
        "gcnn.data.preparation.MOST_CELLS": CELLS,
        "gcnn.maps.MOST_MAPS": MAPS,
        "gcnn.layers.base.MOST_MAPS": MAPS,
        "gcnn.layers.table.MOST_WEIGHTS": CELLS,
    }
    assert pickle.Unpickler is not _forbidden, "guarded() within guarded()"
    with ExitStack() as stack:
        for name, value in patches.items():
            stack.enter_context(mock.patch(name, value))
        stack.enter_context(_memory(MEMORY))
        yield


def _forbidden(*_: Any, **__: Any) -> NoReturn:
    raise AssertionError("a reader reached pickle")


@contextmanager
def _memory(more: int) -> Iterator[None]:
    """Let the process take at most so many more bytes of addresses, where the system can limit that (Linux)."""
    try:
        import resource

        pages = int(Path("/proc/self/statm").read_text().split()[0])
    except (ImportError, OSError):
        yield
        return
    before = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + more, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)
