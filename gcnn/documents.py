"""JSON documents from files: read strictly, so that what is wrong is said and nothing is guessed."""

from __future__ import annotations

import json
from typing import Any

from gcnn.errors import DataError, FormatError


def json_object(text: str) -> dict[str, Any]:
    """The object in a JSON text.

    Raises:
        FormatError: not JSON, no object, or an object in which a field is given twice.
    """
    try:
        document = json.loads(text, object_pairs_hook=_unique_keys)
    except FormatError:
        raise
    except (TypeError, ValueError, RecursionError) as error:  # ValueError: also bad UTF-8 and endless digits
        raise FormatError(f"not a JSON document: {error}.") from error
    if not isinstance(document, dict):
        raise FormatError(f"expected a JSON object, got {type(document).__name__}.")
    return document


def json_text(value: Any, name: str) -> str:
    """A value as JSON, which `json_object` reads; NaN and infinities are written as Python does.

    Raises:
        DataError: it is not made of objects, lists, strings, numbers, true, false and null.
    """
    try:
        return json.dumps(value)
    except (TypeError, ValueError, RecursionError) as error:
        raise DataError(
            f"{name} cannot be saved: {error}. It may hold dicts, lists, strings and Python's own numbers."
        ) from error


def field(document: dict[str, Any], name: str, *kinds: type) -> Any:
    """The value of a field that is there and of one of these kinds; True and False are no integers.

    Raises:
        FormatError: it is missing or of another kind.
    """
    if name not in document:
        raise FormatError(f"the field {name!r} is missing.")
    value = document[name]
    if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
        expected = " or ".join("null" if kind is type(None) else kind.__name__ for kind in kinds)
        raise FormatError(f"the field {name!r} must be {expected}, got {type(value).__name__}.")
    return value


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A key given twice is refused, since nobody knows which value was meant."""
    document = dict(pairs)
    if len(document) < len(pairs):
        keys = [key for key, _ in pairs]
        raise FormatError(f"the field {next(key for key in keys if keys.count(key) > 1)!r} is given twice.")
    return document
