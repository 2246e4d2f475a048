"""Compiled kernels kept on disk, in the user's cache or where GCNN_CACHE says. Losing any of it only costs time."""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Iterable
from pathlib import Path

from platformdirs import user_cache_path

from gcnn.files import write_atomically

_MAGIC = b"gcnn kernel 1\n"
_DIGEST = hashlib.sha256().digest_size
_log = logging.getLogger("gcnn")


def cache_folder() -> Path:
    """GCNN_CACHE, or the user's cache; it need not exist."""
    given = os.environ.get("GCNN_CACHE")
    return Path(given) if given else user_cache_path("gcnn", appauthor=False)


def key(parts: Iterable[str]) -> str:
    """SHA-256 of the parts, told apart by their lengths."""
    digest = hashlib.sha256()
    for part in parts:
        encoded = part.encode()
        digest.update(len(encoded).to_bytes(8, "little") + encoded)
    return digest.hexdigest()


class BinaryCache:
    """Compiled programs by key, one file each, written atomically. What is damaged counts as missing."""

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = cache_folder() / "kernels" if folder is None else folder

    def get(self, name: str) -> bytes | None:
        """The content, or `None` where there is none that is whole."""
        try:
            content = (self.folder / name).read_bytes()
        except OSError:
            return None
        start = len(_MAGIC) + _DIGEST
        body = content[start:]
        if content[:start] != _MAGIC + hashlib.sha256(body).digest():
            _log.warning("compiled kernel %s is damaged and will be compiled again", self.folder / name)
            return None
        return body

    def put(self, name: str, content: bytes) -> None:
        """Keep it. Where that fails (a full or read-only disk), it will be compiled again next time."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            write_atomically(self.folder / name, _MAGIC + hashlib.sha256(content).digest() + content)
        except OSError as error:
            _log.debug("compiled kernels are not kept: %s", error)
