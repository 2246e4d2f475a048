"""`gcnn evaluate`: how good a trained model is on samples that it has not seen, or on others."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from gcnn.cli.confusion import ClassFigures, show
from gcnn.cli.options import debug_option
from gcnn.cli.trained import open_trained, trained_options
from gcnn.metrics import Evaluation
from gcnn.metrics import evaluate as measure
from gcnn.runs.selection import PARTS, Selection
from gcnn.runs.trained import Trained

WIDTH = 100
"""Columns that are filled where the output is no terminal."""


@click.command(
    epilog="\b\nExamples:\n"
    "  gcnn evaluate runs/digits\n"
    "  gcnn evaluate runs/digits --top 3 --part validation\n"
    "  gcnn evaluate runs/flowers --data this-year.csv\n"
    '  gcnn evaluate model.safetensors --data digits --json | jq ".accuracy"',
)
@trained_options
@click.option(
    "--data",
    metavar="NAME|PATH",
    help="Other data than the model was trained on, as for gcnn train: all samples, or the test set where there is one.",
)
@click.option("--folder", type=click.Path(path_type=Path), help="Where the files of a named data set lie.")
@click.option("--target", help="The column of a CSV file to predict; without it, that of the training.")
@click.option(
    "--part", type=click.Choice(PARTS), help="Which samples; without it, those held back for the test of the training."
)
@click.option(
    "--top",
    type=click.IntRange(min=1),
    multiple=True,
    metavar="K",
    help="Also how often the class is among the K likeliest.",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object with exact numbers, for programs.")
@debug_option
def evaluate(
    model: Path,
    data: str | None,
    folder: Path | None,
    target: str | None,
    part: str | None,
    top: tuple[int, ...],
    backend: str | None,
    device: str | None,
    batch: int | None,
    as_json: bool,
) -> None:
    """Measure a trained model on samples that it has not seen.

    MODEL is the folder of a run that gcnn train has made, or a model's file. The model knows its data and which samples
    its training held back for the test: those are found again, and the accuracy is the one that training printed. Data
    that have changed since are refused, because what was held back then would not be known.

    Shown are loss, accuracy, which classes are taken for which, and of every class: recall, how many of its samples are
    recognised; precision, how many of those taken for it are of it.
    """
    trained = open_trained(model, backend, device, batch)
    selection = Selection.of(trained, data, folder, target, part)
    found = measure(trained.model, selection.samples, top)
    if as_json:
        click.echo(json.dumps(_document(trained, selection, found), indent=1))
        return
    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=WIDTH)
    chosen = trained.model
    click.echo(f"{trained.path}, on backend {chosen.backend}, device {chosen.device.index} ({chosen.device.name})")
    source = selection.dataset.source.removeprefix(f"{selection.dataset.name}: ")
    click.echo(f"{selection.dataset.name}: {found.samples} samples {selection.about}\n  ({source})\n")
    click.echo(f"loss      {found.loss:.6g}")
    if found.confusion is None or found.accuracy is None:
        return
    click.echo(f"accuracy  {found.accuracy:.2%}   {found.confusion.trace()} of {found.samples}")
    for k, share in found.top.items():
        click.echo(f"top {k:<4}  {share:.2%}")
    click.echo()
    show(console, _figures(trained, selection, found))


def _figures(trained: Trained, selection: Selection, found: Evaluation) -> ClassFigures:
    assert found.confusion is not None
    names = selection.dataset.classes or trained.classes or tuple(map(str, range(len(found.confusion))))
    return ClassFigures(names, found.confusion)


def _document(trained: Trained, selection: Selection, found: Evaluation) -> dict[str, Any]:
    figures = None if found.confusion is None else _figures(trained, selection, found)
    return {
        "model": str(trained.path),
        "finished": trained.reached is None,
        "backend": trained.model.backend,
        "device": trained.model.device.name,
        "dtype": trained.model.dtype,
        "data": selection.dataset.name,
        "source": selection.dataset.source,
        "which": selection.about,
        "samples": found.samples,
        "loss": found.loss,
        "accuracy": found.accuracy,
        "top": {str(k): share for k, share in found.top.items()},
        "classes": None if figures is None else figures.to_json(),
        "confusion": None if found.confusion is None else found.confusion.tolist(),
    }
