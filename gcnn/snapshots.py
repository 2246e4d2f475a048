"""What a checkpoint holds of a training, and how a training goes on from it."""

from __future__ import annotations

import logging
import re
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from gcnn.callbacks import Lasting
from gcnn.checkpoint import Snapshot
from gcnn.documents import field, json_object, json_text
from gcnn.errors import CheckpointError, FormatError, OptimizerError
from gcnn.history import History
from gcnn.network import Network
from gcnn.optimizers import schedules
from gcnn.optimizers.schedules import Schedule

if TYPE_CHECKING:
    from gcnn.training import Training

_log = logging.getLogger("gcnn")


def snapshot(training: Training) -> Snapshot:
    """Everything that the next step depends on."""
    lasting = [callback.state() for callback in _lasting(training)]
    kept = {f"callback.{number}.{name}": a for number, (arrays, _) in enumerate(lasting) for name, a in arrays.items()}
    document = {
        "made_for": training.made_for,
        "backend": training.model.backend,
        "settings": _settings(training),
        "count": training.step.count,
        "batches": training.batches,
        "loss": training.loss,
        "seconds": training.seconds,
        "epoch_start": training.epoch_start,
        "generator": training.generator.bit_generator.state,
        "stopped": training.stopped,
        "history": asdict(training.history),
        "callbacks": [rest for _, rest in lasting],
    }
    return Snapshot(training.model.network.to_json(), training.model.notes, training.step.state() | kept, document)


def restore(training: Training, snapshot: Snapshot) -> None:
    """Go on from a snapshot of the same training; more epochs may have been asked for since.

    The parameters come last: of a model that a snapshot does not fit, none have changed.

    Raises:
        CheckpointError: of another training: network, optimizer, data, ...; or of one that has done more than is asked
            for. FormatError: a damaged document.
    """
    document = snapshot.document
    _check_made_for(training, snapshot)
    rest = field(document, "callbacks", list)
    if len(rest) != len(_lasting(training)) or not all(isinstance(entry, dict) for entry in rest):
        raise FormatError(f"it must keep the states of {len(_lasting(training))} callbacks, as objects.")
    history = _history(field(document, "history", dict))
    count, batches = (field(document, name, int) for name in ("count", "batches"))
    steps = -(-training.size // training.model.batch)
    if not 0 <= batches <= steps or count != history.epochs * steps + batches:
        raise FormatError(f"it cannot have done {count} steps, {batches} of them in its last epoch.")
    if history.epochs + (batches > 0) > training.epochs:
        raise CheckpointError(
            f"it has done {history.epochs} epochs and {batches} steps of the next, but only epochs={training.epochs} is asked for."
        )
    loss, seconds = (field(document, name, float) for name in ("loss", "seconds"))
    stopped = field(document, "stopped", bool)
    theta = {name: a for name, a in snapshot.tensors.items() if not name.startswith("callback.")}
    _set_generator(training, field(document, "epoch_start", dict))
    training.epoch_start = training.generator.bit_generator.state
    _set_generator(training, field(document, "generator", dict))
    _set_settings(training, field(document, "settings", dict))
    for number, callback in enumerate(_lasting(training)):
        mark = f"callback.{number}."
        own = {name.removeprefix(mark): a for name, a in snapshot.tensors.items() if name.startswith(mark)}
        callback.restore(own, rest[number])
    training.step.restore(theta, count)
    training.batches, training.history, training.stopped = batches, history, stopped
    training.loss, training.seconds = loss, seconds
    training.model.notes = snapshot.notes | training.model.notes
    if (backend := document.get("backend")) != training.model.backend:
        _log.warning("saved on backend %s, goes on on %s: not bit-equal.", backend, training.model.backend)


def made_for(training: Training) -> dict[str, Any]:
    """What must be the same for a training to go on, as JSON gives it back."""
    validation = training.validation
    return _as_json(
        {
            "batch": training.model.batch,
            "dtype": training.model.dtype,
            "seed": training.seed,
            "optimizer": training.step.optimizer.describe(),
            "data": training.samples.fingerprint(),
            "validation": None if validation is None else validation.fingerprint(),
            "augment": _name(training.augment),
            "callbacks": [_name(callback) for callback in _lasting(training)],
        }
    )


def _as_json(document: dict[str, Any]) -> dict[str, Any]:
    """What a document is when it was read again: tuples are lists then."""
    return json_object(json_text(document, "what the training is made of"))


def _lasting(training: Training) -> list[Lasting]:
    """The callbacks with a state; others, such as a display, may change from one time to the next."""
    return [callback for callback in training.callbacks if isinstance(callback, Lasting)]


def _check_made_for(training: Training, snapshot: Snapshot) -> None:
    then, now = field(snapshot.document, "made_for", dict), training.made_for
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


def _settings(training: Training) -> dict[str, Any]:
    """The optimizer's settings, of which callbacks may have changed some to what can be made again."""
    optimizer, then = training.step.optimizer, training.made_for["optimizer"]
    described = _as_json(optimizer.describe())
    settings = {name: described[name] for name in optimizer.settings}
    for name, value in settings.items():
        if value != then[name]:
            _setting(name, value)
    return settings


def _set_settings(training: Training, settings: dict[str, Any]) -> None:
    """Give the optimizer what callbacks had changed."""
    for name in training.step.optimizer.settings:
        if (value := field(settings, name, float, dict)) != training.made_for["optimizer"][name]:
            try:
                setattr(training.step.optimizer, name, _setting(name, value))
            except OptimizerError as error:
                raise FormatError(f"a callback cannot have set {name} to {value!r}: {error}") from error


def _setting(name: str, described: Any) -> Any:
    """A setting from its description: a number, or one of our schedules.

    Raises:
        CheckpointError: a schedule that is not ours. OptimizerError: arguments that ours does not take.
    """
    if not isinstance(described, dict):
        return described
    arguments = {key: value for key, value in described.items() if key != "schedule"}
    schedule = described.get("schedule")
    kind = vars(schedules).get(schedule) if isinstance(schedule, str) else None
    if not isinstance(kind, type) or not issubclass(kind, Schedule):
        raise CheckpointError(
            f"a callback has set {name} to {described!r}, which no checkpoint can give back. "
            "Set a number, or a schedule of gcnn.optimizers.schedules."
        )
    try:
        return kind(**arguments)
    except TypeError as error:
        raise OptimizerError(f"{kind.__name__}: {error}.") from error


def _history(document: dict[str, Any]) -> History:
    curves = {name: field(document, name, list) for name in asdict(History())}
    epochs = len(curves["loss"])
    for name, curve in curves.items():
        # Callbacks may measure the others, now and then.
        if name in ("loss", "seconds") and len(curve) != epochs:
            raise FormatError(f"the history has {epochs} epochs, but {len(curve)} entries of {name}.")
        if not all(type(value) in (float, int) for value in curve):
            raise FormatError(f"the history's {name} must be numbers.")
    return History(**curves)


def _name(thing: Any) -> str | None:
    """What a function or object is called in a checkpoint: functions by their names, objects by their settings."""
    if thing is None or hasattr(thing, "__qualname__"):
        return getattr(thing, "__qualname__", None)
    tells = any("__repr__" in vars(kind) for kind in type(thing).__mro__[:-1])
    # Addresses of what an object holds, of a function in a `functools.partial` for example, are others in every process.
    return re.sub(r" at 0x[0-9a-fA-F]+", "", repr(thing)) if tells else type(thing).__qualname__
