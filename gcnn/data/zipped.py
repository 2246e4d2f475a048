"""The arrays of an .npz file: a zip of .npy files, each mapped or read on its own, and never unpickled.

`numpy.load` reads a member whole. Here a member that is stored as it is (`numpy.savez`) becomes a map of the file, so that
it may be larger than memory; a compressed one (`numpy.savez_compressed`) is read. No size in the file is believed before
the others agree with it: that of the array by its header, that of the member by the zip's directory, and that of the file.
A mapped member's checksum is not compared, which would read it whole.
"""

from __future__ import annotations

import errno
import io
import math
import struct
import tokenize
import warnings
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, NamedTuple

import numpy as np
from numpy.lib import format as npy

from gcnn.data.memory import allocate
from gcnn.data.stamp import Stamp
from gcnn.errors import FormatError, GcnnError
from gcnn.maps import Array

SUFFIX = ".npy"
LOCAL_HEADER = struct.Struct("<4s22xHH")
"""Of a member of a zip: signature, lengths of the name and of the extra field behind it."""
MOST_HEADER = 2**14
"""Bytes of a member's start that may be header; NumPy itself refuses headers above 10,000 characters."""
MOST_DEFLATION = 1032
"""The largest factor by which deflate can shrink anything (zlib's documentation)."""
CHUNK = 2**20
DAMAGE = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    EOFError,
    ValueError,
    NotImplementedError,
    RuntimeError,
    OverflowError,
)
"""What `zipfile` raises on files that are no zips, or damaged ones; RuntimeError is for encrypted ones."""
HEADER_DAMAGE = (
    ValueError,
    TypeError,
    SyntaxError,
    LookupError,
    AttributeError,
    RecursionError,
    MemoryError,
    tokenize.TokenError,
)
"""What parsing a damaged header with `numpy.lib.format` raises; it evaluates literals only."""


class _Header(NamedTuple):
    shape: tuple[int, ...]
    fortran: bool
    dtype: np.dtype
    length: int

    @property
    def size(self) -> int:
        """Bytes of the array; in Python's integers, which do not overflow."""
        return math.prod(self.shape) * self.dtype.itemsize


class ZippedArrays:
    """The arrays in a file, by name.

    Attributes:
        path, stamp: of the file.
        names: of all arrays, sorted.

    Raises:
        FormatError: not a zip, or a damaged one, or one in which a name stands twice. DataError: no regular file.
        OSError: the file is missing or cannot be read.
    """

    def __init__(self, path: Path) -> None:
        self.path, self.stamp = path, Stamp.of(path)  # taken before anything is read
        with self._opened() as (archive, _):
            members = [member for member in archive.infolist() if member.filename.endswith(SUFFIX)]
        self._members = {member.filename.removesuffix(SUFFIX): member for member in members}
        if len(self._members) < len(members):
            raise FormatError(f"{path}: two arrays have the same name.")
        self.names = sorted(self._members)

    def array(self, name: str) -> Array:
        """One array: a read-only map of the file where it is stored as it is, otherwise in memory.

        Raises:
            FormatError: damaged, or not an array of real numbers. DataError: too large to be unpacked into memory.
            OSError: the file is missing or cannot be read.
        """
        member = self._members[name]
        with self._opened() as (archive, file):
            if member.compress_type == zipfile.ZIP_STORED:
                return self._mapped(file, member, name)
            if member.compress_type == zipfile.ZIP_DEFLATED:
                return self._unpacked(archive, member, name)
        raise FormatError(
            f"{self.path}: {name} is compressed by a method that NumPy does not write. Save it by np.savez again."
        )

    def _mapped(self, file: IO[bytes], member: zipfile.ZipInfo, name: str) -> Array:
        file.seek(member.header_offset)
        signature, *lengths = LOCAL_HEADER.unpack(file.read(LOCAL_HEADER.size))
        start = member.header_offset + LOCAL_HEADER.size + sum(lengths)
        end = start + member.file_size
        if signature != b"PK\3\4" or member.flag_bits & 1 or end > file.seek(0, io.SEEK_END):
            raise FormatError(f"{self.path}: {name} is not whole, or encrypted.")
        file.seek(start)
        header = self._header(file, member, name)
        where = start + header.length
        return np.memmap(file, header.dtype, "r", where, header.shape, "F" if header.fortran else "C")

    def _unpacked(self, archive: zipfile.ZipFile, member: zipfile.ZipInfo, name: str) -> Array:
        where = f"{self.path}: {name}"
        if member.file_size > MOST_DEFLATION * member.compress_size + MOST_HEADER:
            raise FormatError(
                f"{where} claims {member.file_size} bytes, more than its {member.compress_size} can unpack to."
            )
        with archive.open(member) as stream:
            header = self._header(stream, member, name)
        remedy = "Save it by np.savez, uncompressed: then it is read in parts."
        content = allocate(header.size, f"{where}, unpacked,", remedy)
        view, filled = content.data, 0
        with archive.open(member) as stream:
            stream.read(header.length)
            while got := stream.readinto(view[filled : filled + CHUNK]):  # type: ignore[attr-defined]
                filled += got
        if filled < header.size:
            raise FormatError(f"{where} ends after {filled} of {header.size} bytes.")
        return content.view(header.dtype).reshape(header.shape, order="F" if header.fortran else "C")

    def _header(self, stream: IO[bytes], member: zipfile.ZipInfo, name: str) -> _Header:
        """The header of the array that `stream` begins with, once all sizes agree."""
        where = f"{self.path}: {name}"
        start = io.BytesIO(stream.read(min(MOST_HEADER, member.file_size)))
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # headers that Python 2 wrote
                read = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}[npy.read_magic(start)]
                header = _Header(*read(start), length=start.tell())
        except HEADER_DAMAGE as error:
            raise FormatError(f"{where} is not an array as NumPy saves it ({error}).") from error
        if header.dtype.hasobject:
            raise FormatError(
                f"{where} has dtype object: such arrays hold pickles, which can run any program and are never read. "
                "Save it as numbers."
            )
        if header.dtype.kind not in "biuf":
            raise FormatError(f"{where} has dtype {header.dtype}; expected real numbers.")
        if len(header.shape) > 32 or min(header.shape, default=0) < 1:
            raise FormatError(
                f"{where} has shape {header.shape}; expected one entry a sample, and at least one sample."
            )
        if header.length + header.size != member.file_size:
            raise FormatError(
                f"{where} has shape {header.shape} of {header.dtype}, {header.size} bytes by its header, "
                f"but {member.file_size - header.length} are there."
            )
        return header

    @contextmanager
    def _opened(self) -> Iterator[tuple[zipfile.ZipFile, IO[bytes]]]:
        with self.path.open("rb") as file:
            try:
                with zipfile.ZipFile(file) as archive:
                    yield archive, file
            except GcnnError:
                raise
            except DAMAGE as error:
                raise FormatError(f"{self.path}: not a whole .npz file ({error}).") from error
            except OSError as error:
                if error.errno != errno.EINVAL:  # a damaged directory points before the file's start
                    raise
                raise FormatError(f"{self.path}: not a whole .npz file ({error}).") from error
