"""IDX files, the format of MNIST: plain ones mapped into memory, compressed ones read whole.

    0, 0, type code, number of dimensions      one byte each
    size of every dimension                    four bytes each, big-endian
    values                                     big-endian, the last dimension runs fastest

A file is believed only as far as its size goes: nothing is allocated before the header agrees with it.
"""

from __future__ import annotations

import gzip
import os
import zlib
from math import prod
from pathlib import Path
from typing import BinaryIO

import numpy as np

from gcnn.arrays import check_numbers
from gcnn.errors import DataError, FormatError
from gcnn.files import write_atomically
from gcnn.maps import Array

CODES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
"""Type codes of the format, and what they stand for."""
MOST_DIMENSIONS = 32 if np.lib.NumpyVersion(np.__version__) < "2.0.0" else 64
"""The most that a NumPy array can have."""
_GZIP = b"\x1f\x8b"
_EXPANSION = 1032
"""Deflate's best: two bits stand for the longest match, of 258 bytes."""
_CHUNK = 1 << 20


def read_idx(path: str | Path, mapped: bool = True) -> Array:
    """The array in an IDX file, plain or compressed by gzip (told by its first bytes, not by its name).

    Args:
        path: the file.
        mapped: whether a plain file stays on disk, as a read-only map from which only what is used is read; False
            reads it whole, and so are compressed ones in any case.

    Returns:
        The array, in the big-endian dtype of the file.

    Raises:
        FormatError: no IDX file, shorter or longer than its header says, damaged, or too large for memory.
        OSError: the file is not there or cannot be read.
    """
    path = Path(path)
    # Opening a pipe would wait for a writer.
    if path.exists() and not (path.is_file() or path.is_dir()):
        raise FormatError(f"{path}: not a regular file; expected an IDX file.")
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        if file.peek(2)[:2] == _GZIP:
            return _read_compressed(path, file, size)
        dtype, shape = _header(path, file)
        length = prod(shape) * dtype.itemsize
        if size - file.tell() != length:
            raise FormatError(
                f"{path}: {size - file.tell()} bytes follow the header, which declares {length} ({_declared(dtype, shape)}). "
                "Get the file again."
            )
        if mapped and length:
            return np.memmap(file, dtype, "r", file.tell(), shape)
        return _filled(path, file, dtype, shape)


def _header(path: Path, file: BinaryIO | gzip.GzipFile) -> tuple[np.dtype[np.generic], tuple[int, ...]]:
    """The type and the shape that an IDX file declares; the file is then at its first value."""
    start = file.read(4)
    if len(start) < 4 or start[:2] != b"\0\0":
        raise FormatError(
            f"{path}: begins with {start.hex(' ') or 'nothing'}; expected an IDX file, which begins with 00 00, "
            "a type code and the number of dimensions."
        )
    code, dimensions = start[2:]
    if code not in CODES:
        known = ", ".join(f"0x{known:02X}" for known in CODES)
        raise FormatError(f"{path}: unknown type code 0x{code:02X}; expected one of {known}.")
    if not 1 <= dimensions <= MOST_DIMENSIONS:
        raise FormatError(f"{path}: {dimensions} dimensions; expected 1 to {MOST_DIMENSIONS}.")
    sizes = file.read(4 * dimensions)
    if len(sizes) < 4 * dimensions:
        raise FormatError(f"{path}: ends within its header; expected the sizes of {dimensions} dimensions.")
    shape = tuple(int(size) for size in np.frombuffer(sizes, ">u4"))
    dtype = np.dtype(CODES[code])
    # NumPy cannot index beyond this even where a size of 0 leaves nothing to hold.
    if prod(size for size in shape if size) * dtype.itemsize > np.iinfo(np.intp).max:
        raise FormatError(f"{path}: declares {_declared(dtype, shape)}, more than an array can hold.")
    return dtype, shape


def _declared(dtype: np.dtype[np.generic], shape: tuple[int, ...]) -> str:
    return f"{' x '.join(map(str, shape))} values of {dtype.itemsize} bytes"


def _read_compressed(path: Path, file: BinaryIO, size: int) -> Array:
    """What an IDX file compressed by gzip holds; no more of it is decompressed than its header declares."""
    try:
        with gzip.GzipFile(fileobj=file) as stream:
            dtype, shape = _header(path, stream)
            if prod(shape) * dtype.itemsize > _EXPANSION * size:
                raise FormatError(
                    f"{path}: declares {_declared(dtype, shape)}, more than its {size} compressed bytes can hold. "
                    "Get the file again."
                )
            array = _filled(path, stream, dtype, shape)
            # This read also compares the checksum.
            if stream.read(1):
                raise FormatError(f"{path}: goes on after the {_declared(dtype, shape)} that it declares.")
            return array
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise FormatError(f"{path}: the compressed data are damaged ({error}). Get the file again.") from error


def _filled(path: Path, file: BinaryIO | gzip.GzipFile, dtype: np.dtype[np.generic], shape: tuple[int, ...]) -> Array:
    """An array in memory with the bytes that follow."""
    length = prod(shape) * dtype.itemsize
    try:
        content = np.empty(length, np.uint8)
    except MemoryError as error:
        raise FormatError(
            f"{path}: declares {_declared(dtype, shape)}, for which there is no memory. Decompress it (gunzip); "
            "plain files are read piece by piece."
        ) from error
    filled = 0
    while filled < length:
        piece = file.read(min(_CHUNK, length - filled))
        if not piece:
            raise FormatError(
                f"{path}: ends after {filled} of the {length} bytes that it declares ({_declared(dtype, shape)}). "
                "Get the file again."
            )
        content[filled : filled + len(piece)] = np.frombuffer(piece, np.uint8)
        filled += len(piece)
    return content.view(dtype).reshape(shape)


def write_idx(path: str | Path, array: Array) -> None:
    """Write an array as an IDX file, compressed by gzip where the name ends with .gz; equal arrays give equal files.

    Args:
        path: the file; an older one is replaced, and only by a whole one.
        array: of a dtype that the format has: uint8, int8, int16, int32, float32 or float64, in any byte order.

    Raises:
        DataError: another dtype, no dimension or more than 255, or a size of 2**32 or more.
        OSError: the file cannot be written.
    """
    path, array = Path(path), check_numbers(array, "array")
    dtype = array.dtype.newbyteorder(">")
    codes = {np.dtype(name): code for code, name in CODES.items()}
    if dtype not in codes:
        known = ", ".join(np.dtype(name).newbyteorder("=").name for name in CODES.values())
        raise DataError(f"array has dtype {array.dtype}, which IDX files do not have. Convert it to one of {known}.")
    if not array.ndim or max(array.shape) >= 2**32:
        raise DataError(f"array has shape {array.shape}; IDX files have at least one dimension, each below 2**32.")
    header = bytes([0, 0, codes[dtype], array.ndim]) + np.array(array.shape, ">u4").tobytes()
    content = header + array.astype(dtype, copy=False).tobytes()
    write_atomically(path, gzip.compress(content, mtime=0) if path.name.endswith(".gz") else content)
