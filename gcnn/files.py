"""Writing files so that nothing is lost."""

from __future__ import annotations

import os
import secrets
from pathlib import Path


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file so that a reader sees the old or the new content, never a part: temporary file, fsync, rename."""
    # Not by `tempfile`, whose files only their owner may read.
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        file = temporary.open("xb")
    except OSError as error:
        reason = f"{error.strerror}; {path.parent} must be a folder that you may write to"
        raise OSError(error.errno, reason, str(path)) from error
    try:
        with file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
