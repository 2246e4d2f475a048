"""Whether a file is still the one that was opened."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import NamedTuple

from gcnn.errors import DataError


class Stamp(NamedTuple):
    """Size in bytes, and time of the last change in nanoseconds."""

    size: int
    changed: int

    @classmethod
    def of(cls, path: Path) -> Stamp:
        """The stamp of a regular file.

        Raises:
            DataError: a folder, a device or a pipe. OSError: nothing is there, or it cannot be asked.
        """
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise DataError(f"{path}: not a regular file.")
        return cls(status.st_size, status.st_mtime_ns)

    def check(self, path: Path) -> None:
        """See that the file at `path` still has this stamp; called before every read, since maps of a file that was cut end the process.

        Raises:
            DataError: it changed. OSError: it went away.
        """
        try:
            now = Stamp.of(path)
        except OSError as error:
            raise OSError(
                error.errno, f"{os.strerror(error.errno or 0)}; it was there when it was opened", str(path)
            ) from error
        if now != self:
            raise DataError(f"{path}: changed since it was opened. Open it again, and leave it alone while it is read.")
