"""Expected failures: what a backend's author knows to be wrong, with reason and link. Strict, so that the list stays true.

[[expected]]
pattern = "convolution/mixed-kernels/*"     # over case ids
dtype = "float32"                           # optional
reason = "the driver drops the last tap"
link = "https://..."
"""

from __future__ import annotations

import fnmatch
from dataclasses import dataclass
from pathlib import Path

from gcnn.errors import FormatError
from gcnn.toml import toml_object

FIELDS = {"pattern", "reason", "link", "dtype"}


@dataclass(frozen=True)
class Expected:
    """One entry."""

    pattern: str
    reason: str
    link: str
    dtype: str | None = None

    def matches(self, case_id: str, dtype: str) -> bool:
        """Whether the entry speaks of this case."""
        return self.dtype in (None, dtype) and fnmatch.fnmatchcase(case_id, self.pattern)


def read(path: str | Path | None) -> tuple[Expected, ...]:
    """The entries of a TOML file; none without a file.

    Raises:
        FormatError: not TOML, or an entry without pattern, reason and link.
    """
    if path is None:
        return ()
    try:
        document = toml_object(Path(path).read_text(encoding="utf-8"))
    except UnicodeDecodeError as error:
        raise FormatError(f"{path}: not a text file ({error}).") from error
    except FormatError as error:
        raise FormatError(f"{path}: {error}") from error
    except OSError as error:
        raise FormatError(f"{path}: cannot be read: {error.strerror}.") from error
    entries = document.get("expected", [])
    if document.keys() - {"expected"} or not isinstance(entries, list):
        raise FormatError(f"{path}: only [[expected]] entries belong here, got {sorted(document)}.")
    for number, entry in enumerate(entries):
        good = isinstance(entry, dict) and {"pattern", "reason", "link"} <= entry.keys() <= FIELDS
        if not good or not all(isinstance(value, str) and value for value in entry.values()):
            raise FormatError(
                f"{path}: entry {number} needs pattern, reason and link (and may have dtype), all strings; got {entry}."
            )
    return tuple(Expected(**entry) for entry in entries)
