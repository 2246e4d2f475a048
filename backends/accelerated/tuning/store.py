"""Results of tuning: a JSON file a device, in the user's cache. Losing it only costs time."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import re
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gcnn.backends.accelerated.cache import cache_folder
from gcnn.backends.accelerated.tuning.errors import TuningError
from gcnn.backends.accelerated.tuning.key import Key
from gcnn.backends.accelerated.tuning.space import Parameters
from gcnn.files import write_atomically

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]  # asked for before every use

FORMAT, VERSION = "gcnn-tuning", 1
PATIENCE = 10.0
"""Seconds to wait for other processes that write the same file."""
_log = logging.getLogger("gcnn")


@dataclass(frozen=True)
class Entry:
    """One result.

    Attributes:
        key: what it holds for.
        parameters: what was chosen.
        facts: how that came about, such as the gain, for people.
    """

    key: Key
    parameters: Parameters
    facts: Mapping[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """For a file."""
        return {"key": self.key.to_json(), "parameters": dict(self.parameters), "facts": dict(self.facts)}

    @classmethod
    def from_json(cls, document: Any) -> Entry:
        """Read what `to_json` wrote. Raises `TuningError`."""
        if not isinstance(document, dict) or document.keys() != {"key", "parameters", "facts"}:
            raise TuningError("a result has a key, parameters and facts")
        key, parameters, facts = Key.from_json(document["key"]), document["parameters"], document["facts"]
        numbers = isinstance(parameters, dict) and all(type(value) is int for value in parameters.values())
        if not numbers or not isinstance(facts, dict):
            raise TuningError("parameters are whole numbers by name")
        return cls(key, parameters, facts)


def write_entries(entries: Mapping[Key, Entry], **facts: str) -> bytes:
    """A document of results, with a sum by which damage is found."""
    listed = [entry.to_json() for entry in entries.values()]
    document = {"format": FORMAT, "version": VERSION, **facts, "sha256": _digest(listed), "entries": listed}
    return (json.dumps(document, indent=1) + "\n").encode()


def read_entries(content: bytes, **facts: str) -> dict[Key, Entry]:
    """Read what `write_entries` wrote.

    Raises:
        TuningError: it is damaged, of another format or version, or says otherwise than these facts.
    """
    try:
        document = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise TuningError(f"not JSON: {error}") from error
    expected = {"format": FORMAT, "version": VERSION, **facts}
    for name, value in expected.items():
        if not isinstance(document, dict) or document.get(name) != value:
            found = document.get(name) if isinstance(document, dict) else type(document).__name__
            raise TuningError(f"its {name} is {found!r}, not {value!r}")
    listed = document.get("entries")
    if not isinstance(listed, list) or document.get("sha256") != _digest(listed):
        raise TuningError("its entries do not have the sum that was written with them")
    entries = map(Entry.from_json, listed)
    return {entry.key: entry for entry in entries}


def _digest(listed: list[Any]) -> str:
    return hashlib.sha256(json.dumps(listed, sort_keys=True).encode()).hexdigest()


class Store:
    """The results of one device.

    Args:
        api: "opencl" or "cuda".
        device: its name (`key.device_name`).
        folder: where files lie; by default in the user's cache.
    """

    def __init__(self, api: str, device: str, folder: Path | None = None) -> None:
        readable = re.sub(r"[^A-Za-z0-9]+", "-", device).strip("-")[:60]
        name = f"{api}-{readable}-{hashlib.sha256(device.encode()).hexdigest()[:8]}.json"
        self.path = (cache_folder() / "tuned" if folder is None else folder) / name
        self._device = device

    def entries(self) -> dict[Key, Entry]:
        """All results, by key. What is damaged or foreign counts as missing, with a warning."""
        try:
            return read_entries(self.path.read_bytes(), device=self._device)
        except FileNotFoundError:
            return {}
        except (OSError, TuningError) as error:
            _log.warning("results of tuning in %s are not used: %s. gcnn tune makes them anew.", self.path, error)
            return {}

    def put(self, entry: Entry) -> None:
        """Add a result, or replace the one with its key. Where that fails, a warning says so and work goes on."""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self._alone():
                entries = self.entries() | {entry.key: entry}
                write_atomically(self.path, write_entries(entries, device=self._device))
        except OSError as error:
            _log.warning("results of tuning are not kept in %s: %s", self.path, error)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """While entered, no other process writes the file; without locks (Windows, some network disks) the last one wins.

        Raises:
            TimeoutError: another process has been at it for too long.
        """
        if fcntl is None:
            yield
            return
        # A file of its own, since the results are replaced; the system unlocks it when a process ends, however that is.
        with self.path.with_suffix(".lock").open("ab") as file:
            until = time.monotonic() + PATIENCE
            while True:
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    if time.monotonic() > until:
                        raise TimeoutError(
                            f"another process has held {os.fspath(file.name)} for {PATIENCE:g} s"
                        ) from None
                    time.sleep(0.01)
                    continue
                except OSError as error:
                    _log.debug("no locks for %s: %s", self.path, error)
                break
            yield
