"""Checkpoints: everything that a training goes on from, in one file that is replaced whole."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from gcnn.documents import json_object, json_text
from gcnn.errors import CheckpointError, DataError, FormatError
from gcnn.maps import Array
from gcnn.tensors import CHECKPOINT, read_tensors, write_tensors


@dataclass(frozen=True)
class Checkpoint:
    """Where a training saves itself, and how often.

    Args:
        path: the file, such as "runs/lenet/checkpoint.safetensors"; its folder must exist.
        seconds: it is saved after every epoch, and within an epoch when this much time has passed since the last time;
            0 saves after every step.
        resume: whether to go on from the file where it is there; what trains must then be the same as what was saved, up to
            the number of epochs (of data, `Samples.fingerprint` is compared). Without, a file that is there is an error.

    Raises:
        DataError: `path` names no file, or `seconds` is no time.
    """

    path: str | Path
    seconds: float = 60.0
    resume: bool = False

    def __post_init__(self) -> None:
        if not isinstance(self.path, str | Path) or not str(self.path):
            raise DataError(f"Checkpoint: path must name a file, got {self.path!r}.")
        if not isinstance(self.resume, bool):
            raise DataError(f"Checkpoint: resume must be True or False, got {self.resume!r}.")
        if not isinstance(self.seconds, int | float) or not self.seconds >= 0:
            raise DataError(f"Checkpoint: seconds must be a number of at least 0, got {self.seconds!r}.")

    def found(self) -> Snapshot | None:
        """The snapshot to go on from; None where there is no file.

        Raises:
            CheckpointError: there is a file, and nothing said to go on from it, or a folder. FormatError: it is no checkpoint.
        """
        if not Path(self.path).exists():
            return None
        if Path(self.path).is_dir():
            raise CheckpointError(
                f"{self.path} is a folder; give the name of a file in it, such as checkpoint.safetensors."
            )
        if not self.resume:
            raise CheckpointError(
                f"{self.path} is there already. To go on from it: Checkpoint(..., resume=True). "
                "To begin anew, choose another path or remove the file."
            )
        return read_checkpoint(Path(self.path))


class Snapshot(NamedTuple):
    """A training between two steps.

    Attributes:
        network: the network, as JSON text.
        notes: of the model.
        tensors: θ, the update rule's slots, what callbacks keep.
        document: the rest, as JSON has it.
    """

    network: str
    notes: dict[str, Any]
    tensors: dict[str, Array]
    document: dict[str, Any]


def write_checkpoint(path: Path, snapshot: Snapshot) -> None:
    """Replace a checkpoint by a newer one, or leave the old one as it is.

    Raises:
        DataError: notes, history or what callbacks keep is not as JSON has it. OSError: the folder is missing or not
            writable, or the disk is full.
    """
    metadata = {
        "network": snapshot.network,
        "notes": json_text(snapshot.notes, "model.notes"),
        "training": json_text(snapshot.document, "the history, or what a callback keeps,"),
    }
    write_tensors(path, CHECKPOINT, snapshot.tensors, metadata)


def read_checkpoint(path: Path) -> Snapshot:
    """Read what `write_checkpoint` wrote.

    Raises:
        FormatError: no checkpoint, or a damaged one. OSError: the file cannot be read.
    """
    _, tensors, metadata = read_tensors(path, CHECKPOINT)
    try:
        notes, document = (json_object(metadata.get(name, "")) for name in ("notes", "training"))
    except FormatError as error:
        raise FormatError(f"{path}: {error}") from error
    return Snapshot(metadata.get("network", ""), notes, tensors, document)
