"""Devices are at rest when a process forks or ends.

Drivers' threads compute beside it: PoCL aborts a process that ends while it compiles or runs a kernel, and a child that is forked while
threads of Intel's runtime compute, or look for more to do, may wait for them for ever.
"""

from __future__ import annotations

import os
import time
from typing import Any
from weakref import WeakSet, finalize

REST = 0.02
"""Seconds until threads that have nothing to do sleep. Of 100 children that were forked right after a kernel 3 to 5 hung without it."""
_open: WeakSet[Any] = WeakSet()
"""Runtimes of this process."""


def settles(runtime: Any) -> None:
    """From now on its queue is finished before this process forks, and when it ends or the runtime does."""
    _open.add(runtime)
    finalize(runtime, _finish, runtime.queue, os.getpid())


def _finish(queue: Any, process: int) -> None:
    if process == os.getpid():
        queue.finish()


def _before_fork() -> None:
    runtimes = list(_open)
    for runtime in runtimes:
        runtime.queue.finish()
    if runtimes:
        time.sleep(REST)


if hasattr(os, "register_at_fork"):  # not on Windows, which has no fork
    os.register_at_fork(before=_before_fork, after_in_child=_open.clear)
