"""`gcnn resume`: go on with a run that was interrupted, or train on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from gcnn.cli.display import display_options, make_display
from gcnn.cli.options import debug_option, lasting, place_options, save_option
from gcnn.cli.running import introduce, run
from gcnn.runs import Experiment, RunFolder, Settings
from gcnn.training import Training


@click.command(
    epilog="\b\nExamples:\n  gcnn resume runs/digits\n  gcnn resume runs/digits --epochs 60    train on, to 60 epochs in all"
)
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
@click.option("--data", metavar="PATH", help="Where the data lie now, if they were moved.")
@click.option(
    "--folder", "data_folder", type=click.Path(path_type=Path), help="Where the files of a named data set lie now."
)
@click.option("--epochs", type=click.IntRange(min=1), help="Passes in all; without it, what the run was begun with.")
@place_options(
    "Another backend; the run then does not end with the same bits.",
    "Another device, by index or a pattern of its name.",
)
@save_option
@display_options
@debug_option
def resume(
    folder: Path,
    data: str | None,
    data_folder: Path | None,
    epochs: int | None,
    backend: str | None,
    device: str | None,
    save_every: float,
    quiet: bool,
    as_json: bool,
) -> None:
    """Go on with a run that was interrupted.

    FOLDER is what gcnn train has made. The run goes on from its checkpoint and ends with the same bits as if it had
    never been interrupted. A finished run trains on where --epochs asks for more. Data that were moved are found by
    --data, and must be the same.
    """
    display = make_display(quiet, as_json)
    run_folder = RunFolder(folder)
    settings, network, preparation = run_folder.read()
    places = {"data": data, "folder": data_folder}
    changes: dict[str, Any] = {name: lasting(place) for name, place in places.items() if place is not None}
    others = {"epochs": epochs, "backend": backend, "device": device}
    changes |= {name: value for name, value in others.items() if value is not None}
    settings = Settings.from_json(settings.to_json() | changes)
    settings.check_data()
    experiment = Experiment(settings, network, preparation)
    training = experiment.training(run_folder.checkpoint(save_every), display)
    run_folder.describe(experiment)  # only now that nothing has spoken against it
    introduce(experiment, display)
    display.say(f"{_state(training)}\n")
    run(experiment, training, run_folder, display)


def _state(training: Training) -> str:
    """Where the training goes on."""
    epochs = training.history.epochs
    if training.stopped:
        return f"nothing is left to do: training stopped early, after epoch {epochs}"
    if epochs == training.epochs:
        return f"nothing is left to do: all {epochs} epochs are done, and a larger --epochs trains on"
    return f"going on after epoch {epochs} and {training.batches} steps of the next"
