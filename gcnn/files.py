"""Writing files so that nothing is lost."""

from __future__ import annotations

import errno
import os
import re
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]  # asked for before every use


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file whole or not at all; see `replacing`."""
    with replacing(path) as file:
        file.write(content)


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """A file to write in parts, so that a reader sees the old or the new content, never a part: temporary file, fsync, rename.

    The content is new once the block ends; where an error ends it, the old one stays. A file that is replaced keeps its
    permissions, a symbolic link goes on pointing to what is written, and what killed processes have left unfinished
    beside it is removed (decision "files").

    Raises:
        OSError: the folder is missing or not writable, the disk is full, or what is there is no file or protected against
            writing; it stays as it was.
    """
    real = Path(os.path.realpath(path))
    mode = _mode(real)
    _remove_abandoned(real)
    try:
        temporary, file = _create(real)
    except OSError as error:
        raise _told(error, path) from error
    others: OSError | None = None  # of another file, which the block reads
    try:
        with file:
            if mode is not None and mode != stat.S_IMODE(os.fstat(file.fileno()).st_mode):
                temporary.chmod(mode)
            try:
                yield file
            except OSError as error:
                others = error if error.filename is not None else None
                raise
            file.flush()
            os.fsync(file.fileno())
            if fcntl is None:
                file.close()  # Windows renames no open file
            temporary.replace(real)
        _sync_folder(real.parent)
    except BaseException as error:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        if isinstance(error, OSError) and error is not others:
            raise _told(error, path) from error
        raise


def _mode(path: Path) -> int | None:
    """The permissions of the file that is to be replaced; None where there is none, or none can be seen."""
    try:
        found = path.stat()
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        return None
    if stat.S_ISDIR(found.st_mode):
        raise IsADirectoryError(errno.EISDIR, "Is a directory; give the name of a file in that folder", str(path))
    # A rename would put a file in the place of a device, of /dev/null for example, and root may do so.
    if not stat.S_ISREG(found.st_mode):
        raise OSError(errno.EINVAL, "Not a regular file, which alone can be replaced whole", str(path))
    # Nor would a rename ask whether the file itself is protected against writing.
    os.close(os.open(path, os.O_WRONLY))
    return stat.S_IMODE(found.st_mode)


def _create(path: Path) -> tuple[Path, BinaryIO]:
    """A temporary file beside `path`, locked for as long as it is open, so that others see that it is being written."""
    while True:
        # Not by `tempfile`, whose files only their owner may read.
        temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}.tmp")
        file = temporary.open("xb")
        _lock(file, wait=True)
        if os.fstat(file.fileno()).st_nlink:
            return temporary, file
        file.close()  # removed by another process before it was locked


def _remove_abandoned(path: Path) -> None:
    """Remove the temporary files of processes that were killed while they wrote `path`.

    A lock ends with its process, however that ended and in whatever container it ran. A file that is locked, or whose
    file system has no locks, is left alone.
    """
    name = re.compile(re.escape(f".{path.name}.") + r"[0-9a-f]{16}\.tmp")
    try:
        with os.scandir(path.parent) as entries:
            left = [e.path for e in entries if name.fullmatch(e.name) and e.is_file(follow_symlinks=False)]
    except OSError:
        return  # what is wrong with the folder is told by what writes into it
    for temporary in map(Path, left):
        with suppress(OSError), temporary.open("r+b") as file:
            if _lock(file, wait=False):
                temporary.unlink()


def _lock(file: BinaryIO, wait: bool) -> bool:
    """Lock an open file; whether that was possible."""
    if fcntl is None:
        return False
    try:
        fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except OSError:
        return False
    return True


def _sync_folder(folder: Path) -> None:
    """A rename is durable once its folder is; some systems and file systems cannot do that, and do without."""
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except OSError:
        return
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise
    finally:
        os.close(descriptor)


_REMEDIES = {
    errno.ENOSPC: "make room and save again",
    errno.EDQUOT: "make room and save again",
    errno.EFBIG: "allow for larger files (ulimit -f) and save again",
} | dict.fromkeys(
    (errno.ENOENT, errno.ENOTDIR, errno.EACCES, errno.EPERM, errno.EROFS),
    "{folder} must be a folder that you may write to",
)


def _told(error: OSError, path: Path) -> OSError:
    """The error with the path that was asked for, and a remedy where one is known."""
    reason = error.strerror or str(error)
    if error.errno in _REMEDIES:
        reason += "; " + _REMEDIES[error.errno].format(folder=path.parent)
    return OSError(error.errno, reason, str(path))
