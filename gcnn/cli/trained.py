"""What the commands share that use a trained model: its argument, where it computes, and what is said of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from gcnn.backend import backend_names
from gcnn.cli.options import one_name_of
from gcnn.runs.trained import Trained


def trained_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The argument MODEL, and --backend, --device, --batch."""
    options = (
        click.option(
            "--backend",
            metavar="NAME",
            callback=one_name_of("backend", lambda: ["auto", *backend_names()]),
            help="What computes (see: gcnn devices); without it, GCNN_BACKEND, then auto.",
        ),
        click.option("--device", help="Its index, or a pattern of its name; without it, GCNN_DEVICE."),
        click.option(
            "--batch", type=click.IntRange(min=1), help="Samples of one pass; without it, those of the training."
        ),
    )
    for option in reversed(options):
        command = option(command)
    return click.argument("model", type=click.Path(path_type=Path))(command)


def open_trained(path: Path, backend: str | None, device: str | None, batch: int | None) -> Trained:
    """The model; where its run is not finished, that is said on standard error."""
    trained = Trained.open(path, backend, device, batch)
    if trained.reached is not None:
        click.echo(f"The run is not finished: taking its checkpoint, after {trained.reached}.", err=True)
    return trained
