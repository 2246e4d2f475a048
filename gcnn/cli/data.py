"""`gcnn data`: which data sets there are, and what is in them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from gcnn.cli.options import debug_option
from gcnn.data import DATASETS
from gcnn.data.dataset import Dataset, open_dataset
from gcnn.data.description import Part, Values, describe
from gcnn.data.inputs import said
from gcnn.errors import DataError

FILES = (
    (".npz", "arrays x and t, or x_train, t_train, x_test, t_test; as numpy.savez writes them"),
    (".csv, .csv.gz", "a line a sample, the class or number to predict in the last column or --target"),
    ("folder of images", "one subfolder a class; or train/ and test/ with these in them"),
    ("folder of IDX files", "the four files of a set such as MNIST, plain or .gz"),
)
LONG = 20
"""Classes, or features, of which no more are listed; --json has all."""


@click.command(
    epilog="\b\nExamples:\n"
    "  gcnn data\n"
    "  gcnn data digits --picture digits.png\n"
    "  gcnn data mnist --download\n"
    "  gcnn data table.csv --target species\n"
    "  gcnn data photos/",
)
@click.argument("name", metavar="[NAME|PATH]", required=False)
@click.option("--folder", type=click.Path(path_type=Path), help="Where the files of a named data set lie.")
@click.option("--target", help="The column of a CSV file to learn; without it, the last.")
@click.option("--download", is_flag=True, help="Download a named data set where it is not on this machine yet.")
@click.option(
    "--picture",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE.png",
    help="Draw the first samples of every class.",
)
@click.option("--overwrite", is_flag=True, help="Replace the picture where there is one.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object with exact numbers, for programs.")
@debug_option
def data(
    name: str | None,
    folder: Path | None,
    target: str | None,
    download: bool,
    picture: Path | None,
    overwrite: bool,
    as_json: bool,
) -> None:
    """List data sets, or describe one.

    Without a name: the data sets that gcnn knows, where each was found, and the kinds of files that can be given instead.

    With a name or a path: how many samples there are, their shape and range, classes with their counts, and a fingerprint
    that tells whether two sets are the same. Nothing is downloaded unless --download says so.
    """
    if name is None:
        if folder or target or download or picture:
            raise click.UsageError("which data set? Its name goes before the options, such as: gcnn data digits.")
        _list(as_json)
        return
    if picture is not None:
        _check_picture(picture, overwrite)
    dataset = _open(name, folder, target, download)
    parts = describe(dataset)
    if picture is not None:
        _draw(dataset, picture)
    if as_json:
        click.echo(json.dumps(_document(dataset, *parts), indent=1))
        return
    _show(dataset, *parts)
    if picture is not None:
        click.echo(f"\n{picture} shows the first samples.")


def _list(as_json: bool) -> None:
    places = {name: opener.find() for name, opener in DATASETS.items()}
    if as_json:
        listed = [
            {"name": name, "about": DATASETS[name].about, "found": place.found, "url": place.url}
            for name, place in places.items()
        ]
        click.echo(json.dumps(listed, indent=1))
        return
    click.echo("Data sets by name:\n")
    for name, place in places.items():
        click.echo(f"  {name:14} {DATASETS[name].about}")
        click.echo(f"  {'':14} {place.found or f'not on this machine; to get it: gcnn data {name} --download'}")
        if place.found is None:
            click.echo(f"  {'':14} (from {place.url})")
    click.echo("\nOr a path:\n")
    for kind, about in FILES:
        click.echo(f"  {kind:20} {about}")


def _open(name: str, folder: Path | None, target: str | None, download: bool) -> Dataset:
    known = DATASETS.get(name)
    if download and (known is None or folder is not None):
        raise DataError(
            "--download is for data sets by name, and brings them into the user's cache: leave --folder away."
        )
    if known is not None and folder is None and not download:
        place = known.find()
        if place.found is None:
            raise FileNotFoundError(
                f"{name} is not on this machine. To get it from {place.url}: gcnn data {name} --download. "
                "Where it is here already, say in which folder: --folder."
            )
    return open_dataset(name, folder, target, download)


def _check_picture(path: Path, overwrite: bool) -> None:
    if path.suffix != ".png":
        raise DataError(f"{path}: a picture is a PNG file; end its name with .png.")
    if path.exists() and not overwrite:
        raise DataError(f"{path} is there already. Give another --picture, or --overwrite to replace it.")


def _draw(dataset: Dataset, path: Path) -> None:
    try:
        from gcnn.sheet import draw_sheet
    except ImportError as error:
        raise DataError(
            f'--picture needs matplotlib, which does not load ({error}): pip install "gcnn[plot]"'
        ) from error
    draw_sheet(dataset, path)


def _document(dataset: Dataset, training: Part, test: Part | None) -> dict[str, Any]:
    return {
        "name": dataset.name,
        "source": dataset.source,
        "shape": list(dataset.training.shape),
        "training": training.to_json(),
        "test": None if test is None else test.to_json(),
        "classes": None if dataset.classes is None else list(dataset.classes),
        "features": None if dataset.features is None else list(dataset.features),
        "model": dataset.model,
        "fingerprint": dataset.training.fingerprint(),
    }


def _show(dataset: Dataset, training: Part, test: Part | None) -> None:
    console = Console(highlight=False)
    held_back = "no test set: a fifth is held back in training" if test is None else f"{test.samples} for the test"
    values = (training.inputs, *([test.inputs] if test else []))
    least, most = min(part.least.min() for part in values), max(part.most.max() for part in values)
    facts = {
        "source": dataset.source.removeprefix(f"{dataset.name}: "),
        "samples": f"{training.samples}, {held_back}"
        if test is None
        else f"{training.samples} for training, {held_back}",
        "inputs": f"{said(dataset.training.shape)}, values from {least:g} to {most:g}",
        "targets": _targets(dataset, training),
        "suits it": f"--model {dataset.model}",
        "fingerprint": dataset.training.fingerprint(),
    }
    click.echo(f"{dataset.name}\n")
    for fact, text in facts.items():
        click.echo(f"  {fact:12} {text}")
    if dataset.classes is not None:
        console.print("", _class_table(dataset.classes, training, test), sep="\n")
    if dataset.features is not None:
        console.print("", _feature_table(dataset.features, training.inputs), sep="\n")


def _targets(dataset: Dataset, training: Part) -> str:
    if dataset.classes is not None:
        return f"{len(dataset.classes)} classes"
    found = training.targets
    assert found is not None
    count = "a number" if len(found.least) == 1 else f"{len(found.least)} numbers"
    return f"{count} to fit, from {found.least.min():g} to {found.most.max():g}"


def _class_table(classes: tuple[str, ...], training: Part, test: Part | None) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 2))
    table.add_column("class")
    table.add_column("training" if test else "samples", justify="right")
    if test:
        table.add_column("test", justify="right")
    for label, name in enumerate(classes[:LONG]):
        table.add_row(
            Text(name), *(str(part.counts[label]) for part in (training, test) if part and part.counts is not None)
        )
    if len(classes) > LONG:
        table.add_row(f"... {len(classes) - LONG} more; --json has all")
    return table


def _feature_table(features: tuple[str, ...], values: Values) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 2))
    table.add_column("feature")
    for head in ("least", "mean", "greatest"):
        table.add_column(head, justify="right")
    for name, *figures in list(zip(features, values.least, values.mean, values.most, strict=True))[:LONG]:
        table.add_row(Text(name), *(f"{figure:.6g}" for figure in figures))
    if len(features) > LONG:
        table.add_row(f"... {len(features) - LONG} more; --json has all")
    return table
