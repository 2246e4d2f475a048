"""A trained model with what its file says of its training: how inputs are prepared, and what its outputs mean."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from gcnn.checkpoint import read_checkpoint
from gcnn.data.inputs import Inputs, Reads
from gcnn.data.preparation import Preparation
from gcnn.documents import field, json_object
from gcnn.errors import CheckpointError, DataError, FormatError, NetworkError
from gcnn.maps import Array
from gcnn.model import Model, load
from gcnn.models import MODELS
from gcnn.runs.folder import CHECKPOINT, MODEL, RUN, RunFolder
from gcnn.runs.settings import Settings
from gcnn.tensors import CHECKPOINT as CHECKPOINT_KIND
from gcnn.tensors import MODEL as MODEL_KIND
from gcnn.tensors import read_tensors

BATCH = 64
"""Samples of one pass, where the training says nothing of it."""


@dataclass(frozen=True)
class Notes:
    """What a model's file says of its training; None for what it does not say.

    Attributes:
        settings: of the run.
        preparation: of the inputs.
        classes: names of the labels 0, 1, ...
        features: names of the values of a vector.
        shape: of a sample, before preparation.
        fingerprint: of the data set (`Samples.fingerprint` of all that was not a test set of its own).
    """

    settings: Settings | None
    preparation: Preparation
    classes: tuple[str, ...] | None
    features: tuple[str, ...] | None
    shape: tuple[int, ...] | None
    fingerprint: str | None

    @classmethod
    def from_json(cls, notes: dict[str, Any]) -> Notes:
        """The notes of a model, as `gcnn.runs.Experiment` writes them; other fields are left alone.

        Raises:
            FormatError: a field of theirs that holds something else.
        """
        settings, preparation = (_optional(notes, name, dict) for name in ("settings", "preparation"))
        shape = _optional(notes, "shape", list)
        if shape is not None and not all(type(size) is int and size > 0 for size in shape):
            raise FormatError(f"the field 'shape' must hold sizes, got {shape!r}.")
        return cls(
            None if settings is None else Settings.from_json(settings),
            Preparation() if preparation is None else Preparation.from_json(preparation),
            _names(notes, "classes"),
            _names(notes, "features"),
            None if shape is None else tuple(shape),
            _optional(notes, "fingerprint", str),
        )


@dataclass(frozen=True)
class Trained:
    """A trained model, ready to be used.

    Attributes:
        path: the file that it was read from.
        model: the model.
        notes: what the file says of the training.
        reached: how far the run has come, in words, where it is not finished; None where it is, or there is no run.
    """

    path: Path
    model: Model
    notes: Notes
    reached: str | None = None

    @classmethod
    def open(
        cls, path: Path, backend: str | None = None, device: str | None = None, batch: int | None = None
    ) -> Trained:
        """The model of a run, or of a file.

        Args:
            path: a run's folder, of which the checkpoint is taken as long as the run is not finished; or a file that
                `Model.save` wrote, or a checkpoint.
            backend: as for `gcnn.load`.
            device: as for `gcnn.load`.
            batch: samples of one pass; None takes that of the training.

        Raises:
            NetworkError: nothing is there. CheckpointError: the run has not saved anything yet.
            FormatError: no model, or notes that do not fit it. OSError: a file cannot be read.
        """
        if not path.exists():
            untrained = f" {path} is the name of a network that is not trained." if str(path) in MODELS else ""
            raise NetworkError(
                f"there is no file or folder {str(path)!r}.{untrained} Give the folder of a run, such as runs/digits, or "
                "a model's file (.safetensors)."
            )
        file, reached = _file_of_run(path) if path.is_dir() else (path, None)
        notes = _notes(file)
        batch = batch or (notes.settings.batch if notes.settings else BATCH)
        model = load(file, backend, device, batch=batch)
        trained = cls(file, model, notes, reached)
        trained._check()
        return trained

    @property
    def classes(self) -> tuple[str, ...] | None:
        """Names of the classes: those of the training, else their numbers; None where outputs are numbers."""
        network = self.model.network
        if self.notes.classes is None and self.notes.settings is None and "entropy" in network.loss.name:
            return tuple(map(str, range(max(network.outputs.points, 2))))
        return self.notes.classes

    @property
    def reads(self) -> Reads:
        """What it reads, before preparation."""
        notes, target = self.notes, self.notes.settings.target if self.notes.settings else None
        return Reads(notes.shape or self._inputs, notes.shape is not None, notes.features, target)

    @property
    def _inputs(self) -> tuple[int, ...]:
        """The shape of a sample that becomes, with the border of the preparation, what the network reads."""
        maps, *size = self.model.network.inputs.shape
        return (maps, *(side - 2 * self.notes.preparation.pad for side in size))

    def prepare(self, x: Array) -> Array:
        """Raw inputs, as the network reads them."""
        return self.notes.preparation(x).reshape(len(x), *self.model.network.inputs.shape)

    def outputs(self, inputs: Iterable[Inputs]) -> Iterator[tuple[Inputs, Array, Array]]:
        """What the network puts out, batch by batch: (inputs, numbers of the samples in them, (n, outputs)).

        Raises:
            DataError: values that are not finite, or not after preparation. OSError: a file went away.
        """
        for source in inputs:
            for start in range(0, len(source), self.model.batch):
                rows = np.arange(start, min(start + self.model.batch, len(source)))
                with np.errstate(over="ignore"):  # found, and its sample named, below
                    x = self.prepare(source.read(rows)).astype(self.model.dtype, copy=False)
                if not np.isfinite(x).all():
                    row = rows[np.argwhere(~np.isfinite(x))[0][0]]
                    raise DataError(
                        f"{source.path}, sample {source.name(row)}: prepared, not finite in {self.model.dtype}."
                    )
                yield source, rows, self.model.forward(x).reshape(len(x), -1)

    def _check(self) -> None:
        """Raise `FormatError` where the notes do not fit the network."""
        network, notes = self.model.network, self.notes
        if notes.classes is not None and len(notes.classes) != max(network.outputs.points, 2):
            raise FormatError(
                f"{self.path}: it names {len(notes.classes)} classes, but its network has {network.outputs.points} outputs."
            )
        maps, *size = self.reads.shape
        pad = notes.preparation.pad
        if prod((maps, *(side + 2 * pad for side in size))) != network.inputs.points or min(self.reads.shape) < 1:
            raise FormatError(f"{self.path}: its samples, {self.reads}, do not become what its network reads.")
        if (pad and not size) or len(notes.preparation.mean) not in (0, maps):
            raise FormatError(f"{self.path}: its preparation is not one of {self.reads}.")
        if notes.features is not None and self.reads.shape != (len(notes.features),):
            raise FormatError(f"{self.path}: it names {len(notes.features)} features, but reads {self.reads}.")


def _file_of_run(folder: Path) -> tuple[Path, str | None]:
    """The file with a run's model, and how far the run has come where it is not finished."""
    run, model, checkpoint = RunFolder(folder), folder / MODEL, folder / CHECKPOINT
    if model.is_file() and not (folder / RUN).is_file():
        return model, None
    epochs = run.read()[0].epochs
    if model.is_file():
        settings = _notes(model).settings
        # A finished run that trains on is not finished, until it leaves another model.
        if settings is None or settings.epochs == epochs:
            return model, None
    if not checkpoint.is_file():
        raise CheckpointError(f"{folder}: the run has not saved anything yet. To begin it: gcnn resume {folder}")
    return checkpoint, f"{_reached(checkpoint)}, of {epochs} epochs"


def _reached(checkpoint: Path) -> str:
    document = read_checkpoint(checkpoint).document
    try:
        epochs = len(field(field(document, "history", dict), "loss", list))
        return f"epoch {epochs} and {field(document, 'batches', int)} steps of the next"
    except FormatError as error:
        raise FormatError(f"{checkpoint}: {error}") from error


def _notes(path: Path) -> Notes:
    _, _, metadata = read_tensors(path, MODEL_KIND, CHECKPOINT_KIND)
    try:
        return Notes.from_json(json_object(metadata.get("notes", "{}")))
    except (FormatError, DataError) as error:
        raise FormatError(f"{path}: its notes: {error}") from error


def _optional(document: dict[str, Any], name: str, kind: type) -> Any:
    return field(document, name, kind, type(None)) if name in document else None


def _names(document: dict[str, Any], name: str) -> tuple[str, ...] | None:
    names = _optional(document, name, list)
    if names is not None and not all(isinstance(entry, str) for entry in names):
        raise FormatError(f"the field {name!r} must hold names, got {names!r}.")
    return None if names is None else tuple(names)
