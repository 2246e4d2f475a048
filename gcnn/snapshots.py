"""What a checkpoint holds of a training, and how a training goes on from it."""

from __future__ import annotations

import logging
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from gcnn.callbacks import Lasting
from gcnn.checkpoint import Snapshot
from gcnn.documents import field
from gcnn.errors import CheckpointError, FormatError, OptimizerError
from gcnn.history import History
from gcnn.network import Network

if TYPE_CHECKING:
    from gcnn.training import Training

_log = logging.getLogger("gcnn")


def snapshot(training: Training) -> Snapshot:
    """Everything that the next step depends on."""
    lasting = [callback.state() for callback in _lasting(training)]
    kept = {f"callback.{number}.{name}": a for number, (arrays, _) in enumerate(lasting) for name, a in arrays.items()}
    document = {
        "made_for": _made_for(training),
        "backend": training.model.backend,
        "settings": training.step.optimizer.describe(),
        "count": training.step.count,
        "batches": training.batches,
        "loss": training.loss,
        "epoch_start": training.epoch_start,
        "generator": training.generator.bit_generator.state,
        "stopped": training.stopped,
        "history": asdict(training.history),
        "callbacks": [rest for _, rest in lasting],
    }
    return Snapshot(training.model.network.to_json(), training.model.notes, training.step.state() | kept, document)


def restore(training: Training, snapshot: Snapshot) -> None:
    """Go on from a snapshot of the same training; more epochs may have been asked for since.

    Raises:
        CheckpointError: of another training: network, optimizer, data, ... FormatError: a damaged document.
    """
    document = snapshot.document
    _check_made_for(training, snapshot)
    rest = field(document, "callbacks", list)
    if len(rest) != len(_lasting(training)) or not all(isinstance(entry, dict) for entry in rest):
        raise FormatError(f"it must keep the states of {len(_lasting(training))} callbacks, as objects.")
    count, batches = (field(document, name, int) for name in ("count", "batches"))
    if count < 0 or not 0 <= batches <= -(-len(training.samples) // training.model.batch):
        raise FormatError(f"it cannot have done {count} steps, {batches} of them in its last epoch.")
    history = _history(field(document, "history", dict))
    theta = {name: a for name, a in snapshot.tensors.items() if not name.startswith("callback.")}
    _set_generator(training, field(document, "epoch_start", dict))
    training.epoch_start = training.generator.bit_generator.state
    _set_generator(training, field(document, "generator", dict))
    training.step.restore(theta, count)
    _set_settings(training, field(document, "settings", dict))
    for number, callback in enumerate(_lasting(training)):
        mark = f"callback.{number}."
        own = {name.removeprefix(mark): a for name, a in snapshot.tensors.items() if name.startswith(mark)}
        callback.restore(own, rest[number])
    training.batches, training.history, training.loss = batches, history, float(field(document, "loss", float, int))
    training.stopped = field(document, "stopped", bool)
    if (backend := document.get("backend")) != training.model.backend:
        _log.warning("saved on backend %s, goes on on %s: not bit-equal.", backend, training.model.backend)


def _made_for(training: Training) -> dict[str, Any]:
    """What must be the same for a training to go on."""
    return {
        "batch": training.model.batch,
        "dtype": training.model.dtype,
        "optimizer": training.optimizer_then,
        "data": training.samples.fingerprint(),
        "augment": _name(training.augment),
        "callbacks": [_name(callback) for callback in _lasting(training)],
    }


def _lasting(training: Training) -> list[Lasting]:
    """The callbacks with a state; others, such as a display, may change from one time to the next."""
    return [callback for callback in training.callbacks if isinstance(callback, Lasting)]


def _check_made_for(training: Training, snapshot: Snapshot) -> None:
    then, now = field(snapshot.document, "made_for", dict), _made_for(training)
    differences = [f"{name}: {then.get(name)!r} then, {now[name]!r} now" for name in now if then.get(name) != now[name]]
    if Network.from_json(snapshot.network) != training.model.network:
        differences.insert(0, "network: it has another one")
    if differences:
        raise CheckpointError(
            "a checkpoint of another training.\n  " + "\n  ".join(differences) + "\nTrain with what was used then, "
            "or with a checkpoint of another name."
        )


def _set_generator(training: Training, state: dict[str, Any]) -> None:
    try:
        training.generator.bit_generator.state = state
    except (TypeError, ValueError, KeyError, OverflowError) as error:
        raise FormatError(f"no state of the random generator: {error!r}.") from error


def _set_settings(training: Training, settings: dict[str, Any]) -> None:
    """Give the optimizer the numbers that callbacks had changed."""
    for name in training.step.optimizer.settings:
        if settings.get(name) != training.optimizer_then[name]:
            try:
                setattr(training.step.optimizer, name, settings.get(name))
            except OptimizerError as error:
                raise CheckpointError(f"a callback had set {name} to {settings.get(name)!r}: {error}") from error


def _history(document: dict[str, Any]) -> History:
    curves = {name: field(document, name, list) for name in asdict(History())}
    epochs = len(curves["loss"])
    for name, curve in curves.items():
        if len(curve) not in ((epochs,) if name in ("loss", "seconds") else (0, epochs)):
            raise FormatError(f"the history has {epochs} epochs, but {len(curve)} entries of {name}.")
        if not all(isinstance(value, float | int) for value in curve):
            raise FormatError(f"the history's {name} must be numbers.")
    return History(**curves)


def _name(thing: Any) -> str | None:
    """What a function or object is called in a checkpoint: functions by their names, objects by their settings."""
    if thing is None or hasattr(thing, "__qualname__"):
        return getattr(thing, "__qualname__", None)
    tells = any("__repr__" in vars(kind) for kind in type(thing).__mro__[:-1])
    return repr(thing) if tells else type(thing).__qualname__
