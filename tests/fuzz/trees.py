"""Mutations that know a format: documents are changed as trees, tables as fields, and written again.

A mutator takes (data, rng, change): the input, the source of its decisions, and a function that changes bytes without knowing
what they are. Whatever it cannot parse it leaves to `change`.
"""

from __future__ import annotations

import copy
import json
import tomllib
from collections.abc import Callable, Sequence
from datetime import date, datetime
from random import Random
from typing import Any

Change = Callable[[bytes], bytes]
Mutator = Callable[[bytes, Random, Change], bytes]

SIZES = [0, 1, 2, 3, 5, 255, 256, 2**15, 2**16 - 1, 2**31 - 1, 2**31, 2**32 - 1, 2**63 - 1, 2**63, 2**64 - 1]
NUMBERS = [*SIZES, -1, -(2**31), -(2**63), 2**64, 10**30, 10**400, 0.0, -0.0, 0.5, -2.5, 1e-320, 1e308]
OTHERS = [float("inf"), float("nan"), None, True, False, "", "1", "é", "\0", "\ud800", [], {}, [[]], [0, 0], [1]]
VALUES = [*NUMBERS, *OTHERS]
"""Where mistakes are made: ends of ranges, and values of another type."""


def simple_change(rng: Random, words: Sequence[bytes] = ()) -> Change:
    """Changes of bytes for where there is no fuzzer to make them: a bit, a byte, a piece lost, doubled or inserted."""

    def change(data: bytes) -> bytes:
        start = rng.randint(0, len(data))
        end = min(len(data), start + rng.choice([1, 1, 2, 4, 16]))
        flipped = bytes(byte ^ 1 << rng.randrange(8) for byte in data[start:end])
        pieces = [flipped, b"", data[start:end] * 2, rng.randbytes(end - start), rng.choice([*words, b"\xff"])]
        return data[:start] + rng.choice(pieces) + data[end:]

    return change


def changed_tree(tree: Any, rng: Random, change: Change, values: Sequence[Any] = VALUES) -> Any:
    """A copy of a document with one to three places changed."""
    root = [copy.deepcopy(tree)]
    for _ in range(rng.choice([1, 1, 2, 3])):
        places = list(_places(root))
        container, key = rng.choice(places)
        value = container[key]
        action = rng.choice(["value", "value", "near", "near", "near", "remove", "add", "copy", "nest"])
        if action == "value":
            container[key] = copy.deepcopy(rng.choice(values))
        elif action == "near":
            container[key] = _near(value, rng, change)
        elif action == "copy":
            container[key] = copy.deepcopy(_at(rng.choice(places)))
        elif action == "nest":
            for _ in range(rng.choice([1, 1, 2, 30])):
                container[key] = rng.choice([[container[key]], {"a": container[key]}])
        elif container is not root and action == "remove":
            del container[key]
        elif isinstance(value, list):
            value.insert(rng.randint(0, len(value)), copy.deepcopy(rng.choice([*values, *value])))
        elif isinstance(value, dict):
            value[rng.choice([*value, "", "a", "type", "name"])] = copy.deepcopy(rng.choice(values))
    return root[0]


def _places(container: Any) -> list[tuple[Any, Any]]:
    """Every (container, key) in a document."""
    keys = (
        range(len(container)) if isinstance(container, list) else list(container) if isinstance(container, dict) else []
    )
    return [place for key in keys for place in [(container, key), *_places(container[key])]]


def _at(place: tuple[Any, Any]) -> Any:
    return place[0][place[1]]


def _near(value: Any, rng: Random, change: Change) -> Any:
    """Something of the same kind."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        real = float(value) if abs(value) < 2**64 else 0.5
        return rng.choice([value + 1, value - 1, 2 * value, -value, value + 2**31, real])
    if isinstance(value, float):
        return rng.choice([-value, value * 1e300, value / 2, round(value) if abs(value) < 2**64 else 1])
    if isinstance(value, str):
        return change(value.encode("utf-8", "surrogatepass")).decode("utf-8", "replace")
    if isinstance(value, list) and value:
        return rng.choice([value[1:], value[::-1], value * 2, [value[0]] * len(value)])
    return value


def json_document(data: bytes, rng: Random, change: Change) -> bytes:
    """A JSON text with places of its document changed."""
    try:
        tree = json.loads(data)
        return json.dumps(changed_tree(tree, rng, change)).encode()
    except (ValueError, RecursionError):
        return change(data)


def toml_document(data: bytes, rng: Random, change: Change) -> bytes:
    """A TOML text with places of its document changed."""
    try:
        tree = tomllib.loads(data.decode())
        changed = changed_tree(tree, rng, change, [*VALUES, date(2015, 1, 1), datetime(2015, 1, 1)])
        if not isinstance(changed, dict):
            return change(data)
        return "".join(f"{json.dumps(key)} = {_toml(value)}\n" for key, value in changed.items()).encode()
    except (ValueError, RecursionError):
        return change(data)


def _toml(value: Any) -> str:
    if isinstance(value, dict):
        return f"{{{', '.join(f'{json.dumps(key)} = {_toml(entry)}' for key, entry in value.items())}}}"
    if isinstance(value, list):
        return f"[{', '.join(map(_toml, value))}]"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=True).replace("\\ud800", "\\u0001")
    if isinstance(value, bool) or value is None:
        return str(bool(value)).lower()
    return value.isoformat() if isinstance(value, date) else repr(value)


FIELDS = [*b' |0|-1|1.5|1e400|nan|-inf|1_0|"|"a,b"|a'.split(b"|"), b"", "½".encode(), "٣".encode()]


def table(data: bytes, rng: Random, change: Change) -> bytes:
    """A text in lines and columns, with a field, a line or a column changed."""
    end, mark = rng.choice([b"\n", b"\n", b"\n", b"\r\n", b"\r"]), rng.choice([b",", b",", b",", b";", b"\t"])
    rows = [line.split(mark) for line in data.splitlines()] or [[b""]]
    row = rng.choice(rows)
    column = rng.randrange(len(row))
    action = rng.choice(["field", "field", "change", "drop", "double", "column", "less"])
    if action == "field":
        row[column] = rng.choice(FIELDS)
    elif action == "change":
        row[column] = change(row[column])
    elif action == "drop":
        rows.remove(row)
    elif action == "double":
        rows.insert(rng.randint(0, len(rows)), row)
    elif action == "column":
        rows = [[*row, rng.choice(FIELDS)] for row in rows]
    else:
        rows = [row[1:] for row in rows]
    return end.join(map(mark.join, rows)) + rng.choice([b"", end, b"\n\n"])
