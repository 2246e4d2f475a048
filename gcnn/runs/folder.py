"""The folder of a run: what it holds, and how a run is found in it again."""

from __future__ import annotations

import json
import platform
import shlex
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from gcnn.checkpoint import Checkpoint
from gcnn.data.preparation import Preparation
from gcnn.documents import field, json_object
from gcnn.errors import CheckpointError, FormatError
from gcnn.files import write_atomically
from gcnn.history import History
from gcnn.network import Network
from gcnn.runs.experiment import Experiment
from gcnn.runs.settings import Settings

FORMAT, VERSION = "gcnn-run", 1
RUN, NETWORK, CHECKPOINT = "run.json", "network.json", "checkpoint.safetensors"
MODEL, HISTORY, PICTURE, README = "model.safetensors", "history.json", "loss.png", "README.md"
MOST_SHOWN = 10
"""Runs that a message names."""


class RunFolder:
    """A folder that holds one run.

    Attributes:
        path: of the folder.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    @classmethod
    def make(cls, path: Path | None, name: str) -> RunFolder:
        """A new folder: the one given, which must not hold anything, or runs/NAME, with a number where that is taken.

        Raises:
            CheckpointError: the folder holds something. OSError: it cannot be made.
        """
        if path is not None:
            _make(path, exist_ok=True)
            if any(path.iterdir()):
                raise CheckpointError(
                    f"{path} is not empty, and nothing is overwritten. Give another --output; or to go on with the run "
                    f"that is there: gcnn resume {shlex.quote(str(path))}"
                )
            return cls(path)
        number = 1
        while True:
            path = Path("runs") / (name if number == 1 else f"{name}-{number}")
            try:
                _make(path)
            except FileExistsError:
                number += 1
            else:
                return cls(path)

    def checkpoint(self, seconds: float = 60.0) -> Checkpoint:
        """Where the run saves itself, and goes on from."""
        return Checkpoint(self.path / CHECKPOINT, seconds, resume=True)

    def describe(self, experiment: Experiment) -> None:
        """Write what the run is, before it begins or goes on: run.json, network.json and README.md."""
        made = self._made() if (self.path / RUN).is_file() else made_now()
        document = {
            "format": FORMAT,
            "version": VERSION,
            "settings": experiment.settings.to_json(),
            "preparation": experiment.preparation.to_json(),
            "made": made,
        }
        write_atomically(self.path / NETWORK, experiment.network.to_json().encode())
        write_atomically(self.path / RUN, json.dumps(document, indent=1).encode())
        write_atomically(self.path / README, self._readme(experiment, made).encode())

    def read(self) -> tuple[Settings, Network, Preparation]:
        """What `describe` wrote.

        Raises:
            FormatError: no run, or a damaged one. OSError: a file cannot be read.
        """
        try:
            document = self._document()
            if document.get("format") != FORMAT:
                raise FormatError(f'not a run of gcnn: expected "format": "{FORMAT}".')
            if (version := field(document, "version", int)) != VERSION:
                raise FormatError(
                    f"run format version {version}; this gcnn reads {VERSION}. Upgrade gcnn for a later one."
                )
            settings = Settings.from_json(field(document, "settings", dict))
            preparation = Preparation.from_json(field(document, "preparation", dict))
        except FormatError as error:
            raise FormatError(f"{self.path / RUN}: {error}") from error
        return settings, Network.read(self.path / NETWORK), preparation

    def _document(self) -> dict[str, Any]:
        if not (self.path / RUN).is_file():
            raise FormatError(f"there is no such file, so the folder holds no run. {self._remedy()}")
        try:
            return json_object((self.path / RUN).read_text(encoding="utf-8"))
        except UnicodeDecodeError as error:
            raise FormatError(f"not a text file ({error}).") from error

    def _remedy(self) -> str:
        """The runs in the folders below, the latest first; else how to begin one."""
        runs = sorted(self.path.glob(f"*/{RUN}"), key=lambda file: file.stat().st_mtime, reverse=True)
        if not runs:
            return "Begin one: gcnn train --output ..."
        shown = ", ".join(shlex.quote(str(file.parent)) for file in runs[:MOST_SHOWN])
        return f"Give one of those in it: {shown}{', ...' if len(runs) > MOST_SHOWN else ''}"

    def _made(self) -> dict[str, Any]:
        return field(self._document(), "made", dict)

    def save_history(self, history: History, facts: dict[str, Any]) -> None:
        """Write history.json: the curves, and what else is known of the run."""
        curves = {
            "loss": history.loss,
            "validation_loss": history.validation_loss,
            "validation_accuracy": history.accuracy,
            "seconds_of_epochs": history.seconds,
        }
        write_atomically(self.path / HISTORY, json.dumps(facts | curves, indent=1).encode())

    def save_results(self, experiment: Experiment, history: History, facts: dict[str, Any]) -> str | None:
        """Write what came of the run: model, history and picture.

        Args:
            experiment: the run.
            history: its epochs.
            facts: for history.json; "title" and "test_accuracy" are drawn.

        Returns:
            Why the picture was not drawn and how to get it, or None where it was.
        """
        experiment.model.save(self.path / MODEL)
        self.save_history(history, facts)
        try:
            from gcnn.plot import draw_history
        except ImportError as error:
            # An older picture would pass for one of this run.
            (self.path / PICTURE).unlink(missing_ok=True)
            return f'{PICTURE} was not drawn: matplotlib does not load ({error}). To get it: pip install "gcnn[plot]"'
        draw_history(history, self.path / PICTURE, facts["title"], facts["test_accuracy"])
        return None

    def _readme(self, experiment: Experiment, made: dict[str, Any]) -> str:
        settings, folder = experiment.settings, shlex.quote(str(self.path))
        rows = "\n".join(f"| {name} | {value!r} |" for name, value in settings.to_json().items())
        return f"""# {settings.model} on {settings.data}

Trained by gcnn; begun {made.get("when")} with `{made.get("command")}`.

| file | what it is |
| --- | --- |
| {MODEL} | the trained network, once the run is finished: `gcnn.load("{MODEL}")` |
| {CHECKPOINT} | everything that the training goes on from |
| {HISTORY} | losses and accuracies, an entry an epoch |
| {PICTURE} | the same, drawn |
| {RUN}, {NETWORK} | the settings, the preparation of the inputs, and the network |

    gcnn resume {folder}                 go on after an interruption; with --epochs, train on
    gcnn evaluate {folder}               loss, accuracy and confusion matrix on the test samples
    gcnn predict {folder} FILE           classes of new samples

Data: {experiment.dataset.source}.

| setting | value |
| --- | --- |
{rows}

```
{experiment.network.summary(settings.batch, settings.dtype)}
```
"""


def _make(path: Path, exist_ok: bool = False) -> None:
    try:
        path.mkdir(parents=True, exist_ok=exist_ok)
    except OSError as error:
        reason = f"{error.strerror}; for --output, give a folder where you may write"
        raise OSError(error.errno, reason, str(path)) from error


def made_now() -> dict[str, str]:
    """When, how and with what a run was begun."""
    from gcnn import __version__

    return {
        "when": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": shlex.join(["gcnn", *sys.argv[1:]]),
        "gcnn": __version__,
        "numpy": np.__version__,
        "python": platform.python_version(),
        "system": platform.platform(),
    }
