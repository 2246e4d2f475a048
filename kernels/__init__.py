"""Device code: one source for OpenCL C and CUDA C. kernels/prelude.h says how the dialect maps to either."""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files

if __name__ != "gcnn.kernels":
    raise ImportError("import gcnn.kernels, not kernels")

_INCLUDE = re.compile(r'^[ \t]*#include "([\w.]+)"[ \t]*$', re.MULTILINE)


@cache
def source(name: str) -> str:
    """A kernel file with what it includes put in its place, so that the text is complete and can be hashed.

    Compilers still name the right file and line: `#line` says where each part comes from.

    Raises:
        FileNotFoundError: there is no such file.
    """
    text = files(__name__).joinpath(name).read_text(encoding="utf-8")
    parts, position = [f'#line 1 "{name}"\n'], 0
    for include in _INCLUDE.finditer(text):
        line = text.count("\n", 0, include.start()) + 2
        parts += [text[position : include.start()], source(include[1]), f'#line {line} "{name}"']
        position = include.end()
    return "".join([*parts, text[position:]])
