"""What a kernel takes, read from its source: drivers compare sizes at best, and some (PoCL, CUDA) not even those."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from gcnn.backends.accelerated.errors import LaunchRefused
from gcnn.backends.accelerated.runtime import Buffer

_COMMENT = re.compile(r"/\*.*?\*/|//[^\n]*", re.DOTALL)
_FIXED = {"int": "int32", "INDEX": "int64", "float": "float32", "double": "float64"}


@dataclass(frozen=True)
class Parameter:
    """One parameter of a kernel.

    Attributes:
        name: as declared.
        dtype: of a scalar; `None` for a buffer.
    """

    name: str
    dtype: np.dtype[np.generic] | None


def parameters(source: str, kernel: str, defines: Mapping[str, object]) -> tuple[Parameter, ...] | None:
    """The parameters of a kernel written in the dialect of kernels/prelude.h.

    Args:
        source: the text that was compiled.
        kernel: its name.
        defines: the macros, which say what REAL and WIDE are.

    Returns:
        `None` where the declaration is not understood, such as in plain OpenCL C.
    """
    declared = re.search(rf"\bKERNEL\s+void\s+{kernel}\s*\(([^)]*)\)", _COMMENT.sub(" ", source))
    if declared is None:
        return None
    bits = defines.get("REAL_BITS", 32)
    types = _FIXED | {"REAL": f"float{bits}", "WIDE": f"float{defines.get('WIDE_BITS', bits)}"}
    found = []
    for text in filter(str.strip, declared[1].split(",")):
        words = text.replace("*", " * ").split()
        kind = next((types[word] for word in words if word in types), None)
        if "*" not in words and kind is None:
            return None
        found.append(Parameter(words[-1], None if "*" in words else np.dtype(kind)))
    return tuple(found)


def check_arguments(
    kernel: str, takes: Sequence[Parameter] | None, count: int, given: Sequence[Buffer | np.generic]
) -> None:
    """Raises `LaunchRefused` for a wrong number of arguments; see `check_argument` for their types."""
    if len(given) != count:
        raise LaunchRefused(f"kernel {kernel!r} takes {count} arguments, {len(given)} were given.")
    for index, value in enumerate(given):
        check_argument(kernel, takes, index, value)


def check_argument(kernel: str, takes: Sequence[Parameter] | None, index: int, value: Buffer | np.generic) -> None:
    """Raises `LaunchRefused` for what is neither a buffer nor a NumPy scalar, and for another one than is declared."""
    # Asked at every change of an argument: dtypes are compared as objects, since their names are slow to make.
    if isinstance(value, np.generic):
        given: np.dtype[np.generic] | None = value.dtype
    elif isinstance(value, Buffer):
        given = None
    else:
        expected = "a buffer or a NumPy scalar such as np.float32(1), whose size is known"
        raise _refused(kernel, takes, index, expected, value)
    if takes is not None and takes[index].dtype != given:
        dtype = takes[index].dtype
        raise _refused(kernel, takes, index, "a buffer" if dtype is None else f"np.{dtype}", value)


def _refused(kernel: str, takes: Sequence[Parameter] | None, index: int, expected: str, value: object) -> LaunchRefused:
    name = "" if takes is None else f" ({takes[index].name})"
    return LaunchRefused(f"kernel {kernel!r}, argument {index}{name}: expected {expected}, got {value!r}.")
