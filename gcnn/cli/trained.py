"""What the commands share that use a trained model: its argument, where it computes, and what is said of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from gcnn.cli.options import place_options
from gcnn.runs.trained import Trained


def trained_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The argument MODEL, and --backend, --device, --batch."""
    batch = click.option(
        "--batch", type=click.IntRange(min=1), help="Samples of one pass; without it, those of the training."
    )
    return click.argument("model", type=click.Path(path_type=Path))(place_options()(batch(command)))


def open_trained(path: Path, backend: str | None, device: str | None, batch: int | None) -> Trained:
    """The model; where its run is not finished, that is said on standard error."""
    trained = Trained.open(path, backend, device, batch)
    if trained.reached is not None:
        click.echo(f"The run is not finished: taking its checkpoint, after {trained.reached}.", err=True)
    return trained
