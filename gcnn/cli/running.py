"""Running an experiment in its folder, for `gcnn train` and `gcnn resume`."""

from __future__ import annotations

from typing import Any

import click
import numpy as np

from gcnn.cli.display import Display
from gcnn.interruption import Interrupted
from gcnn.metrics import Evaluation, evaluate
from gcnn.model import Model
from gcnn.runs import Experiment, RunFolder
from gcnn.training import Training


def run(experiment: Experiment, training: Training, folder: RunFolder, display: Display) -> None:
    """Train, or go on, test once, and leave the results in the folder.

    Raises:
        Interrupted: by Ctrl-C or SIGTERM, with everything saved.
    """
    training.noted = _note
    samples, epochs, model = len(experiment.parts.training), experiment.settings.epochs, experiment.model
    steps = -(-samples // model.batch)
    display.event("begin", folder=str(folder.path), **_facts(experiment), parameters=experiment.network.parameter_count)
    display.begin(epochs, steps, training.history.epochs * steps + training.batches)
    try:
        # NumPy's warnings are off, since training says in words when a loss is no longer finite.
        with display, np.errstate(all="ignore"):
            history = training.run()
    except Interrupted:
        folder.save_history(training.history, _facts(experiment))
        display.event("interrupted", epochs=training.history.epochs, steps=training.batches, folder=str(folder.path))
        raise
    found = evaluate(model, experiment.parts.test)
    facts = _facts(experiment) | test_facts(found) | {"stopped_early": training.stopped}
    no_picture = folder.save_results(experiment, history, facts)
    if no_picture:
        click.echo(no_picture, err=True)
    saved = "model, network and history" if no_picture else "model, network, history and picture"
    display.say(f"\ntrained in {sum(history.seconds):.1f} s; {saved} are in {folder.path}")
    display.event("end", epochs=history.epochs, folder=str(folder.path), **test_facts(found))
    display.result(_result(found))


def introduce(experiment: Experiment, display: Display) -> None:
    """Say what will be trained on what, and where."""
    parts, settings = experiment.parts, experiment.settings
    held_back = f"{len(parts.validation)} for validation" if parts.validation else "none for validation"
    display.say(_where(experiment.model))
    display.say(
        f"{settings.data}: {len(parts.training)} samples for training, {held_back}, {len(parts.test)} held back for the test"
    )
    display.say(f"  ({experiment.dataset.source})")
    display.say(f"{experiment.optimizer!r}, batches of {settings.batch}, seed {settings.seed}\n")
    display.say(f"{experiment.network.summary(settings.batch, settings.dtype)}\n")


def test_facts(found: Evaluation) -> dict[str, Any]:
    """What the test has shown, as JSON has it."""
    return {
        "test_samples": found.samples,
        "test_loss": found.loss,
        "test_accuracy": found.accuracy,
        "test_confusion": None if found.confusion is None else found.confusion.tolist(),
    }


def _facts(experiment: Experiment) -> dict[str, Any]:
    settings, model = experiment.settings, experiment.model
    return {
        "title": f"{settings.data_name}, {settings.model}, {settings.optimizer} on {model.backend}, seed {settings.seed}",
        "backend": model.backend,
        "device": model.device.name,
        "dtype": model.dtype,
        "optimizer": repr(experiment.optimizer),
        "batch": model.batch,
        "seed": settings.seed,
    }


def _result(found: Evaluation) -> str:
    if found.accuracy is None:
        return f"test loss {found.loss:.6g} on {found.samples} samples held back"
    return f"test accuracy {found.accuracy:.2%} on {found.samples} samples held back"


def _where(model: Model) -> str:
    """What was taken to compute on, and what it leaves to the host."""
    on_host = model.report()["on_host"]
    host = f"; on the host: {', '.join(on_host)}" if on_host else ""
    device = f"device {model.device.index} ({model.device.name}, {model.device.kind})"
    return f"backend {model.backend}, {device}, {model.dtype}{host}"


def _note() -> None:
    click.echo("\nFinishing the step, then saving. Ctrl-C again stops at once.", err=True)
