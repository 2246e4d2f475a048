"""Where a kernel's parameters come from, best source first.

    exact       this kernel, problem, device and driver were tuned here
    alike       the same device with another driver, or a problem of nearly the same size; checked once before use
    shipped     kernels/tuned/*.json, by architecture, then by class of device
    default     the space's own

GCNN_TUNE=off takes the default, "cache" (without it) looks in this order and never searches, "on" searches where there is nothing
exact.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from importlib.resources import files
from typing import NamedTuple

from gcnn.backends.accelerated.runtime import Runtime
from gcnn.backends.accelerated.tuning.errors import TuningError
from gcnn.backends.accelerated.tuning.key import Key
from gcnn.backends.accelerated.tuning.search import Budget, Outcome, Trial, search
from gcnn.backends.accelerated.tuning.space import Parameters, Space
from gcnn.backends.accelerated.tuning.store import Entry, Store, read_entries
from gcnn.errors import GcnnError, one_of

MODES = ("off", "cache", "on")
NEAR, SHIPPED_NEAR = 1.0, 3.0
"""How unlike in size a problem may be, in doublings over all its sizes: one tuned here, one that was shipped."""
BUDGET = 20.0
"""Seconds for one kernel where GCNN_TUNE=on searches."""
SEARCHED, ADOPTED = "search", "adopted"
_log = logging.getLogger("gcnn")


class Choice(NamedTuple):
    """What a kernel is compiled with, and where that came from, in words."""

    parameters: Parameters
    origin: str


class Shipped(NamedTuple):
    """A file of kernels/tuned: results that come with gcnn."""

    architecture: str
    device_class: str
    entries: tuple[Entry, ...]


def mode() -> str:
    """GCNN_TUNE. Raises `TuningError` for what it cannot be."""
    given = os.environ.get("GCNN_TUNE") or "cache"
    if given not in MODES:
        raise TuningError(f"GCNN_TUNE: {one_of('setting', given, MODES)}")
    return given


def architecture(runtime: Runtime) -> str:
    """What devices share that run the same code alike: a CPU's compiler and vectors, a GPU's architecture or name."""
    details, limits = runtime.device.details, runtime.limits
    if runtime.device.kind == "cpu":
        return f"{details.get('platform', runtime.language)}, vectors of {8 * limits.vector_bytes} bits"
    return details.get("architecture", runtime.device.name)


def device_class(runtime: Runtime) -> str:
    """Such as "opencl cpu"."""
    return f"{runtime.language} {runtime.device.kind}"


@cache
def shipped() -> tuple[Shipped, ...]:
    """Everything in kernels/tuned; a file that is damaged counts as missing, with a warning."""
    folder, found = files("gcnn.kernels").joinpath("tuned"), []
    for path in sorted(folder.iterdir(), key=lambda path: path.name) if folder.is_dir() else ():
        if path.name.endswith(".json"):
            try:
                content = path.read_bytes()
                entries = tuple(read_entries(content).values())
                document = json.loads(content)
                found.append(Shipped(str(document["architecture"]), str(document["class"]), entries))
            except (KeyError, OSError, TuningError) as error:
                _log.warning("%s is not used: %s", path, error)
    return tuple(found)


def choose(
    runtime: Runtime,
    space: Space,
    key: Key,
    trial: Callable[[], Trial],
    setting: str,
    store: Store,
    entries: Mapping[Key, Entry],
    known: tuple[Shipped, ...] | None = None,
) -> Choice:
    """The parameters of a kernel.

    Args:
        runtime: where it runs.
        space: what may be chosen.
        key: what for.
        trial: makes what checks and times candidates; called only where one has to be.
        setting: one of `MODES`.
        store: where results are kept.
        entries: those that it has.
        known: shipped results; by default those of kernels/tuned.
    """
    if setting == "off":
        return Choice(space.default, "default, GCNN_TUNE=off")

    def usable(parameters: Parameters) -> bool:
        return space.fault(parameters, runtime.limits) is None

    exact = entries.get(key)
    if exact is not None and usable(exact.parameters):
        origin = str(exact.facts.get("from"))
        if origin == SEARCHED or setting != "on":
            return Choice(exact.parameters, "tuned here" if origin == SEARCHED else f"tuned here, {origin}")
    if setting == "on":
        return _searched(runtime, space, key, trial(), store)
    for near, difference in _alike(key, entries):
        if usable(near.parameters) and _right(trial(), near):
            store.put(Entry(key, near.parameters, {"from": f"{ADOPTED} from {difference}"}))
            return Choice(near.parameters, f"tuned here, {ADOPTED} from {difference}")
    for entry, origin in _from_shipped(runtime, key, shipped() if known is None else known):
        if _default_won(entry):
            return Choice(space.default, f"default, as {origin}")
        if usable(entry.parameters):
            return Choice(entry.parameters, origin)
    return Choice(space.default, "default")


def _default_won(entry: Entry) -> bool:
    """Whether a search found nothing better than the default; a default that has become better since is then taken."""
    gain = entry.facts.get("gain")
    return gain is not None and gain <= 1


def keep(store: Store, key: Key, space: Space, outcome: Outcome) -> None:
    """Write down what a search found, if it found anything."""
    if outcome.chosen is None:
        return
    facts = {
        "from": SEARCHED,
        "default": dict(space.default),
        "gain": outcome.gain,
        "benchmark_gain": outcome.benchmark_gain,
        "seconds": outcome.seconds,
        "complete": outcome.complete,
        "refused": [{"parameters": dict(t.parameters), "reason": t.reason} for t in outcome.refused],
    }
    store.put(Entry(key, outcome.chosen, facts))


def _searched(runtime: Runtime, space: Space, key: Key, trial: Trial, store: Store) -> Choice:
    _log.info("tuning %s on %s (GCNN_TUNE=on)", key.kernel, key.device)
    outcome = search(space, runtime.limits, trial, Budget(BUDGET))
    keep(store, key, space, outcome)
    if outcome.chosen is None:
        reasons = "; ".join(tried.reason for tried in outcome.refused)
        _log.warning("tuning %s on %s: no candidate works, the default is taken: %s", key.kernel, key.device, reasons)
        return Choice(space.default, "default: no candidate worked")
    return Choice(outcome.chosen, "tuned now")


def _alike(key: Key, entries: Mapping[Key, Entry]) -> Iterator[tuple[Entry, str]]:
    """Results of the same kernel on the same device, nearest first, and in what they differ."""
    same = [
        (key.distance(other), other.driver != key.driver, number, entry)
        for number, (other, entry) in enumerate(entries.items())
        if (other.source, other.api, other.device) == (key.source, key.api, key.device) and other != key
    ]
    for distance, driver_differs, _, entry in sorted(same, key=lambda found: found[:3]):
        if distance <= NEAR:
            differs = ["another driver"] * driver_differs + ["a similar size"] * (distance > 0)
            yield entry, " and ".join(differs)


def _right(trial: Trial, near: Entry) -> bool:
    """Whether parameters that were tuned for something alike compute what they should."""
    try:
        trial.prepare(near.parameters)
    except GcnnError as error:
        _log.warning("%s: %s, tuned for something alike, is not used: %s", near.key.kernel, near.parameters, error)
        return False
    return True


def _from_shipped(runtime: Runtime, key: Key, known: tuple[Shipped, ...]) -> Iterator[tuple[Entry, str]]:
    for what, mine, field in (
        ("architecture", architecture(runtime), "architecture"),
        ("class of device", device_class(runtime), "device_class"),
    ):
        entries = [entry for document in known if getattr(document, field) == mine for entry in document.entries]
        near = sorted((key.distance(entry.key), number) for number, entry in enumerate(entries))
        for distance, number in near:
            if distance <= SHIPPED_NEAR:
                yield entries[number], f"shipped for the {what} {mine!r}"
