"""TOML documents: the form for networks that people write. Whatever a text holds, reading it raises `FormatError` or nothing."""

from __future__ import annotations

import json
import tomllib
from typing import Any

from gcnn.errors import FormatError

_LEAST, _MOST = -(2**63), 2**63 - 1
"""The integers of TOML."""


def toml_object(text: str) -> dict[str, Any]:
    """The names and values of a TOML text; TOML itself refuses a name given twice.

    Raises:
        FormatError: not TOML, or an integer beyond 64 bits, which TOML excludes and Python's reader lets pass.
    """
    if not isinstance(text, str):
        raise FormatError(f"not a TOML document: expected text, got {type(text).__name__}.")
    try:
        document = tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # ValueError: also endless digits
        raise FormatError(f"not a TOML document: {error}.") from error
    values: list[Any] = [document]
    while values:
        value = values.pop()
        if isinstance(value, dict | list):
            values += value.values() if isinstance(value, dict) else value
        elif isinstance(value, int) and not _LEAST <= value <= _MOST:
            raise FormatError("not a TOML document: an integer needs more than the 64 bits that TOML has.")
    return document


def write_toml(document: dict[str, Any], tables: str) -> str:
    """A TOML text of a document.

    Args:
        document: names and values; a table among the values is written on one line.
        tables: the name of the list of tables, each written as a block of its own: [[layers]].

    Raises:
        FormatError: a value that TOML cannot hold.
    """
    lines = [f"{name} = {_toml(value)}" for name, value in document.items() if name != tables]
    for table in document[tables]:
        lines += ["", f"[[{tables}]]", *(f"{name} = {_toml(value)}" for name, value in table.items())]
    return "\n".join(lines) + "\n"


def _toml(value: Any) -> str:
    # Booleans, integers of 64 bits, finite floats and strings are written alike in JSON and TOML.
    if isinstance(value, bool | float | str) or (isinstance(value, int) and _LEAST <= value <= _MOST):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_toml, value))}]"
    if isinstance(value, dict):
        return f"{{ {', '.join(f'{name} = {_toml(entry)}' for name, entry in value.items())} }}"
    raise FormatError(f"TOML cannot hold {value!r}; write the network with to_json.")
