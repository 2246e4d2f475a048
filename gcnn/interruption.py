"""Stopping between two steps, so that what is saved is whole."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import FrameType, TracebackType
from typing import Self

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interrupted(KeyboardInterrupt):
    """A training was asked to stop, and has saved itself.

    Attributes:
        path: the checkpoint that it goes on from.
        signal: what asked for it, `signal.SIGINT` (Ctrl-C) or `signal.SIGTERM`.
    """

    def __init__(self, path: Path, signal: int) -> None:
        super().__init__(f"training was interrupted and has saved itself in {path}")
        self.path, self.signal = path, signal


class Interruption:
    """While entered, the first Ctrl-C (or SIGTERM) is noted in `signal`; a second one acts at once, as usual.

    One that was noted and that nothing was raised for acts on leaving. A signal that the process ignores, as in the
    background of a shell or under nohup, stays ignored. Signals reach the main thread only: entered in another, it
    changes nothing.

    Args:
        noted: called when the first one is noted, to say so.
    """

    def __init__(self, noted: Callable[[], None] | None = None) -> None:
        self.signal: int | None = None
        self._noted = noted
        self._before: dict[int, object] = {}

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            for number in SIGNALS:
                # None: set by a library and not by Python, which could not set it again.
                if signal.getsignal(number) not in (signal.SIG_IGN, None):
                    self._before[number] = signal.signal(number, self._note)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._give_back()
        if self.signal is not None and error is None:
            signal.raise_signal(self.signal)

    def _give_back(self) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]  # whatever was there
        self._before = {}

    def _note(self, number: int, frame: FrameType | None) -> None:
        self._give_back()
        self.signal = number
        # Text that the signal came in the middle of may refuse more text. Stopping is worth more than saying so.
        with suppress(RuntimeError, OSError):
            if self._noted is not None:
                self._noted()
