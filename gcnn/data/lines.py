"""Lines of a text file, each read when it is asked for."""

from __future__ import annotations

import codecs
import gzip
import io
import zlib
from array import array
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import numpy as np

from gcnn.data.memory import available_memory
from gcnn.data.stamp import Stamp
from gcnn.errors import DataError, FormatError
from gcnn.maps import Array

GZIP = b"\x1f\x8b"
LONGEST_LINE = 2**24
"""Bytes; a longer one is taken for a file without lines."""
CHUNK = 2**20


class Lines:
    """The lines of a UTF-8 file by their numbers from 1; what is kept of each is where it begins, 8 bytes.

    A plain file stays on the disk. A file packed by gzip is unpacked into memory, up to half of what is free.

    Raises:
        FormatError: packed, and damaged. DataError: no regular file, or too large to unpack.
        OSError: the file is missing or cannot be read.
    """

    def __init__(self, path: Path) -> None:
        self.path, self._stamp = path, Stamp.of(path)
        with path.open("rb") as file:
            self._unpacked = _unpack(path) if file.read(len(GZIP)) == GZIP else None
        self._starts = np.zeros(0, np.int64)

    def scan(self) -> Iterator[str]:
        """All lines but empty ones at the end, in order; where they begin is noted when the last was given.

        Raises:
            FormatError: what was found is no text, no UTF-8, or an empty line between others.
        """
        starts, start, number, empty = array("q"), 0, 0, 0
        with self._opened() as file:
            while line := file.readline(LONGEST_LINE + 1):
                number += 1
                if number == 1 and line.startswith(codecs.BOM_UTF8):
                    start, line = len(codecs.BOM_UTF8), line.removeprefix(codecs.BOM_UTF8)
                text = self._text(line, number)
                if not text.strip():
                    empty = empty or number
                elif empty:
                    raise FormatError(f"{self.path}, line {empty}: empty, between others that are not.")
                else:
                    starts.append(start)
                    yield text
                start += len(line)
        self._starts = np.frombuffer(starts, np.int64)

    def read(self, numbers: Array) -> Iterator[str]:
        """The lines of these numbers, in that order, once all have been scanned.

        Raises:
            DataError: the file changed. OSError: it went away.
        """
        self._stamp.check(self.path)
        with self._opened() as file:
            for number in numbers:
                file.seek(self._starts[number - 1])
                yield self._text(file.readline(LONGEST_LINE + 1), int(number))

    def _opened(self) -> IO[bytes]:
        return self.path.open("rb") if self._unpacked is None else io.BytesIO(self._unpacked)

    def _text(self, line: bytes, number: int) -> str:
        """A line without its end."""
        where = f"{self.path}, line {number}"
        if len(line) > LONGEST_LINE:
            raise FormatError(f"{where}: longer than {LONGEST_LINE} bytes; is this a table?")
        if b"\0" in line:
            remedy = (
                " Save it in UTF-8."
                if number == 1 and line.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
                else ""
            )
            raise FormatError(f"{where}: holds a NUL byte, so it is no text in UTF-8.{remedy}")
        line = line.removesuffix(b"\n").removesuffix(b"\r")
        if b"\r" in line:
            raise FormatError(
                f"{where}: a carriage return within the line. Save the file with ends of line LF or CR LF."
            )
        try:
            return line.decode("utf-8")
        except UnicodeDecodeError as error:
            raise FormatError(
                f"{where}: byte {line[error.start]:#04x} at position {error.start} is not UTF-8. Save the file in UTF-8."
            ) from error


def _unpack(path: Path) -> bytes:
    available = available_memory()
    content = bytearray()
    try:
        with gzip.open(path) as file:
            while part := file.read(CHUNK):
                content += part
                if available is not None and len(content) > available // 2:
                    raise DataError(
                        f"{path}: unpacked, more than {len(content) / 1e6:,.0f} MB, half of the memory that is free. "
                        "Unpack it first (gunzip): a plain file is read in parts."
                    )
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise FormatError(f"{path}: not a whole gzip file ({error}).") from error
    return bytes(content)
