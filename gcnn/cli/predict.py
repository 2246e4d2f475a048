"""`gcnn predict`: what a trained model says of new samples."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from gcnn.cli.options import debug_option
from gcnn.cli.predictions import Batches, Layout, as_csv, as_json, write_npz
from gcnn.cli.trained import open_trained, trained_options
from gcnn.data.inputs import Inputs, open_inputs
from gcnn.errors import DataError
from gcnn.files import replacing
from gcnn.runs.trained import Trained

ENDINGS = (".csv", ".npz")


def _output(ctx: click.Context, param: click.Parameter, value: Path | None) -> Path | None:
    if value is not None and value.suffix not in ENDINGS:
        raise click.BadParameter(f"{str(value)!r} must end with {' or '.join(ENDINGS)}.", ctx, param)
    return value


@click.command(
    epilog="\b\nExamples:\n"
    "  gcnn predict runs/flowers new.csv\n"
    "  gcnn predict runs/photos cat.jpg dog.png holiday/ --top 3\n"
    "  gcnn predict runs/mnist t10k-images-idx3-ubyte.gz --output digits.csv\n"
    '  gcnn predict runs/mnist images.npz --json | jq ".classes[0].class"',
)
@trained_options
@click.argument("inputs", nargs=-1, required=True, metavar="INPUT...", type=click.Path(path_type=Path))
@click.option("--top", type=click.IntRange(min=1), metavar="K", help="The K likeliest classes, and not only the first.")
@click.option(
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    callback=_output,
    help="Write into this file, whole or not at all: .csv, or .npz for all outputs as arrays.",
)
@click.option("--overwrite", is_flag=True, help="Replace the output file where there is one.")
@click.option("--json", "as_lines", is_flag=True, help="One JSON object a sample and line, for programs.")
@debug_option
def predict(
    model: Path,
    inputs: tuple[Path, ...],
    top: int | None,
    output: Path | None,
    overwrite: bool,
    backend: str | None,
    device: str | None,
    batch: int | None,
    as_lines: bool,
) -> None:
    """Predict the classes, or numbers, of new samples.

    MODEL is the folder of a run that gcnn train has made, or a model's file. Every INPUT is a file .npz (with an array x),
    .csv or .csv.gz, an IDX file of images, an image, or a folder with images, in it or in its subfolders. The model
    prepares them as in its training. Targets that a file holds beside its inputs are not read.

    The columns of a table are found by the names that they had in training, in any order; others are not read. Without
    names there must be as many columns as in training, with or without the target.

    Written are lines of CSV: the sample (an image's file name; of others the number from 0), its class and the
    probability, or the numbers that the model fits. With files larger than memory, too.
    """
    if as_lines and output is not None:
        raise click.UsageError("--json writes to standard output; leave --output away.")
    _check_output(output, inputs, overwrite)
    trained = open_trained(model, backend, device, batch)
    layout = _layout(trained, top)
    sources = open_inputs(inputs, trained.reads)
    for source in sources:
        if source.unread:
            click.echo(f"{source.path}: columns that are not read: {', '.join(source.unread)}", err=True)
    batches = _batches(trained, sources)
    if output is None:
        for text in (as_json if as_lines else as_csv)(layout, batches):
            click.echo(text, nl=False)
        return
    samples = sum(map(len, sources))
    with replacing(output) as file:
        if output.suffix == ".npz":
            write_npz(file, layout, batches, samples, trained.model.dtype)
        else:
            for text in as_csv(layout, batches):
                file.write(text.encode())
    click.echo(f"{samples} predictions are in {output}")


def _check_output(output: Path | None, inputs: Sequence[Path], overwrite: bool) -> None:
    """Nothing is overwritten unless that is said, and an input never."""
    if output is None or not output.exists():
        return
    if not overwrite:
        raise DataError(f"{output} is there already. Give another --output, or --overwrite to replace it.")
    if any(path.exists() and path.samefile(output) for path in inputs):
        raise DataError(f"{output} is one of the inputs. Give another --output.")


def _layout(trained: Trained, top: int | None) -> Layout:
    classes, network = trained.classes, trained.model.network
    if classes is None and top is not None:
        raise DataError("--top is for classes, but the model puts out numbers.")
    if classes is not None and (top or 1) > len(classes):
        raise DataError(f"--top {top}: the model knows {len(classes)} classes.")
    value = "probability" if "entropy" in network.loss.name else "output"
    return Layout(classes, top or 1, value, network.outputs.points)


def _batches(trained: Trained, sources: Sequence[Inputs]) -> Batches:
    """What each sample is called, and the outputs; among several files, numbers say whose they are."""
    for source, rows, y in trained.outputs(sources):
        names = [source.name(int(row)) for row in rows]
        if len(sources) > 1:
            names = [f"{source.path}:{name}" if isinstance(name, int) else name for name in names]
        yield names, y
