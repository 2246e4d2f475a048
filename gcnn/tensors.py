"""safetensors files of our own kinds: arrays, and metadata that says what they are."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from gcnn.errors import DataError, FormatError
from gcnn.files import write_atomically
from gcnn.maps import Array

MODEL, CHECKPOINT = "gcnn-model", "gcnn-checkpoint"
VERSIONS = {MODEL: 1, CHECKPOINT: 1}
"""The latest version of each kind of file; earlier ones are read too."""
DTYPES = {"F32": "float32", "F64": "float64"}
"""What arrays are saved in: safetensors' name and NumPy's."""


def write_tensors(path: Path, kind: str, tensors: Mapping[str, Array], metadata: dict[str, str]) -> None:
    """Write a file whole or not at all.

    Raises:
        DataError: an array of another dtype, which could not be read again. OSError: the folder is missing or not
            writable, or the disk is full; what was there stays.
    """
    for name, array in tensors.items():
        if str(array.dtype) not in DTYPES.values():
            raise DataError(
                f"{name} is in {array.dtype}; files hold {' or '.join(DTYPES.values())}. Convert it, or keep it as a list."
            )
    write_atomically(path, save(dict(tensors), {"format": kind, "version": str(VERSIONS[kind])} | metadata))


def read_tensors(path: Path, *kinds: str) -> tuple[str, dict[str, Array], dict[str, str]]:
    """Read a file of one of these kinds.

    Args:
        path: the file.
        kinds: what may be in it.

    Returns:
        The kind, the arrays and the metadata.

    Raises:
        FormatError: no safetensors file, of another kind or a later version, or with other dtypes than `DTYPES`.
        OSError: the file is not there or cannot be read.
    """
    path.open("rb").close()  # says plainly what is wrong with a missing file or a folder
    try:
        with safe_open(path, framework="np") as file:
            metadata = file.metadata() or {}
            kind, version = metadata.get("format", ""), metadata.get("version")
            if kind not in kinds:
                expected = " or ".join(known.replace("-", " ") for known in kinds)
                raise FormatError(f"{path}: a safetensors file, but not a {expected}.")
            if version not in [str(known) for known in range(1, VERSIONS[kind] + 1)]:
                raise FormatError(
                    f"{path}: {kind.replace('-', ' ')} format version {version!r}; this gcnn reads 1 to {VERSIONS[kind]}. "
                    "Upgrade gcnn to load a later one."
                )
            names = list(file.keys())
            for name in names:
                if (dtype := file.get_slice(name).get_dtype()) not in DTYPES:
                    raise FormatError(f"{path}: {name} is in {dtype}; expected one of {', '.join(DTYPES.values())}.")
            return kind, {name: file.get_tensor(name) for name in names}, metadata
    except FormatError:
        raise
    except (SafetensorError, ValueError) as error:  # ValueError: of NumPy, for a shape that no array can have
        raise FormatError(f"{path}: not a whole safetensors file ({error}).") from error
