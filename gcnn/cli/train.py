"""`gcnn train`: from a data set's name to a trained model, its history and a picture."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from gcnn.cli.display import display_options, make_display
from gcnn.cli.options import (
    debug_option,
    dtype_option,
    lasting,
    named_values,
    one_name_of,
    optimizer_option,
    place_options,
    read_network,
    save_option,
)
from gcnn.cli.running import introduce, run
from gcnn.data import DATASETS
from gcnn.data.dataset import Dataset, open_dataset
from gcnn.data.preparation import NORMALISATIONS
from gcnn.models import MODELS
from gcnn.network import Network
from gcnn.runs import METHODS, SCHEDULES, Experiment, RunFolder, Settings
from gcnn.runs.experiment import Parts
from gcnn.runs.settings import whole_schedule

_RATES = ", ".join(f"{method.lr:g} for {name}" for name, method in METHODS.items())
MANY = 10_000
"""Of more samples than this, a few passes are enough to see something."""
EPOCHS, EPOCHS_OF_MANY = 30, 5


@click.command(
    context_settings={"show_default": True},
    epilog="\b\nExamples:\n"
    "  gcnn train --data digits\n"
    "  gcnn train --data fashion-mnist --model lenet5 --optimizer momentum --schedule cosine\n"
    "  gcnn train --data mnist --folder ~/mnist --pad 2 --normalise maps --shift 2\n"
    "  gcnn train --data table.csv --target species --model mlp --patience 10\n"
    "  gcnn train --data photos/ --model network.toml --set momentum=0.95 --optimizer momentum\n\n"
    f"Models by name: {', '.join(MODELS)}.",
)
@click.option(
    "--data",
    metavar="NAME|PATH",
    default="digits",
    help=f"What to learn: {', '.join(DATASETS)}; or a file .npz, .csv or .csv.gz, a folder with one folder of images a "
    "class, or a folder of IDX files.",
)
@click.option("--folder", type=click.Path(path_type=Path), help="Where the files of a named data set lie.")
@click.option("--target", help="The column of a CSV file to learn; without it, the last.")
@click.option(
    "--model",
    metavar="NAME|FILE",
    help="A model by name, or a network file (.json, .toml); without it, one that suits.",
)
@click.option(
    "--epochs", type=click.IntRange(min=1), help="Passes over the samples; without it, 30, or 5 for more than 10,000."
)
@click.option("--batch", type=click.IntRange(min=1), default=32, help="Samples of one step.")
@optimizer_option("adam", f"{', '.join(METHODS)}.")
@click.option("--lr", type=float, help=f"Learning rate; without it, {_RATES}.")
@click.option(
    "--set",
    "options",
    multiple=True,
    metavar="NAME=VALUE",
    help="Another setting of the optimizer, such as momentum=0.95.",
)
@click.option(
    "--schedule",
    metavar="NAME[:K=V,...]",
    default="constant",
    help=f"How the learning rate changes with the updates: {', '.join(SCHEDULES)}, such as step:factor=0.5,every=1000; "
    "what is left out follows from the length of the training.",
)
@click.option("--l2", type=float, default=1e-3, help="L2 penalty on weights; biases go free.")
@click.option("--clip-norm", type=float, help="Longest gradient; a longer one is scaled down.")
@click.option(
    "--validation",
    type=float,
    default=0.125,
    help="Share of the training samples to watch the training with; 0 trains on all.",
)
@click.option(
    "--patience", type=click.IntRange(min=1), help="Stop after so many epochs without improvement, and keep the best."
)
@click.option(
    "--normalise",
    metavar="NAME",
    callback=one_name_of("normalisation", lambda: NORMALISATIONS),
    help="To mean 0 and deviation 1, by what the training samples show: maps (of images), features (of vectors) or none; "
    "without it, features for vectors and none for images.",
)
@click.option("--pad", type=click.IntRange(min=0), default=0, help="Border of zeros around images.")
@click.option(
    "--shift", type=click.IntRange(min=0), default=0, help="Move training images at random by up to so many cells."
)
@place_options()
@dtype_option()
@click.option(
    "--seed",
    type=click.IntRange(min=0),
    help="Of the start, the order and the validation samples; without it, the network file's, or 0.",
)
@click.option(
    "--output",
    type=click.Path(path_type=Path),
    help="A new or empty folder for the run; without it, runs/ and the data's name, with a number where that is taken.",
)
@save_option
@display_options
@debug_option
def train(output: Path | None, save_every: float, quiet: bool, as_json: bool, **options: Any) -> None:
    """Train a network and test it on unseen samples.

    A data set without test samples of its own has a fifth held back for the test, always the same ones; an eighth of
    the others (validation) shows how the training goes. The test samples are looked at once, at the end.

    The run's folder explains itself: README.md in it says what every file is. Everything that the training goes on from
    is saved after every epoch and once a minute, so Ctrl-C, a crash or a power cut loses little: gcnn resume goes on,
    to the same bits as a run that was never interrupted.
    """
    display = make_display(quiet, as_json)
    settings, network, dataset = settings_of(**options)
    experiment = Experiment(settings, network, dataset=dataset)
    folder = RunFolder.make(output, settings.data_name)
    folder.describe(experiment)
    training = experiment.training(folder.checkpoint(save_every), display)
    introduce(experiment, display)
    run(experiment, training, folder, display)


def settings_of(
    data: str,
    folder: Path | None,
    model: str | None,
    epochs: int | None,
    optimizer: str,
    lr: float | None,
    options: tuple[str, ...],
    schedule: str,
    normalise: str | None,
    seed: int | None,
    target: str | None,
    **same: Any,
) -> tuple[Settings, Network | None, Dataset]:
    """The options with all defaults filled in; the network where it comes from a file; the data set."""
    dataset = open_dataset(data, folder, target)
    network = None if model is None or model in MODELS else read_network(model)
    if network is not None and seed is not None:
        network = Network(network.layers, network.inputs, network.loss, seed)
    epochs = epochs or (EPOCHS_OF_MANY if len(dataset.training) > MANY else EPOCHS)
    seed = network.seed if network is not None else seed or 0
    samples = len(Parts.of(dataset, same["validation"], seed).training)
    updates = epochs * -(-samples // same["batch"])
    kind, _, given = schedule.partition(":")
    arguments = named_values(given.split(",") if given else (), "--schedule")
    rate = METHODS[optimizer].lr if lr is None else lr
    settings = Settings(
        data=lasting(data),
        folder=None if folder is None else lasting(folder),
        target=target,
        model=model or dataset.model,
        epochs=epochs,
        optimizer=optimizer,
        rate=rate,
        options=named_values(options, "--set"),
        schedule=kind,
        schedule_options=whole_schedule(kind, arguments, rate, updates),
        normalise=normalise or ("features" if len(dataset.training.shape) == 1 else "none"),
        seed=seed,
        **same,
    )
    return settings, network, dataset
