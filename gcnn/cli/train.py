"""`gcnn train`: from a data set's name to a trained model, its history and a picture."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import click
import numpy as np

from gcnn.backend import backend_names
from gcnn.cli.options import debug_option, one_name_of, read_network
from gcnn.cli.progress import Progress
from gcnn.cli.results import save_results
from gcnn.data import DATASETS, open_dataset, split
from gcnn.errors import NetworkError
from gcnn.maps import Array
from gcnn.metrics import accuracy
from gcnn.model import Model
from gcnn.models import MODELS
from gcnn.network import Network
from gcnn.optimizers import Adam, GradientDescent, Momentum, Optimizer
from gcnn.training import train as fit

TEST_SHARE, VALIDATION_SHARE = 1 / 5, 1 / 8
"""A fifth of all samples, and an eighth of those that remain."""
TEST_SEED = 0
"""Every run holds back the same samples for the test, so that no choice between runs, not even of a seed, sees them."""
DTYPES = ("float32", "float64")


class Method(NamedTuple):
    """An optimizer, with a step size that suits the digits."""

    make: Callable[..., Optimizer]
    lr: float


METHODS = {
    "gradient-descent": Method(GradientDescent, 0.2),
    "momentum": Method(Momentum, 0.05),
    "adam": Method(Adam, 0.003),
}
_STEP_SIZES = ", ".join(f"{method.lr:g} for {name}" for name, method in METHODS.items())


@click.command(
    context_settings={"show_default": True},
    epilog="\b\nExamples:\n"
    "  gcnn train --data digits\n"
    "  gcnn train --data digits --backend numpy --epochs 5 --output runs/short\n"
    "  gcnn train --model runs/digits/network.json --optimizer momentum --lr 0.02",
)
@click.option(
    "--data",
    metavar="NAME",
    callback=one_name_of("data set", lambda: DATASETS),
    default="digits",
    help="What to learn: digits.",
)
@click.option("--model", help="digits-conv, or a network file (.json); without it, the one that suits the data.")
@click.option("--epochs", type=click.IntRange(min=1), default=30, help="Passes over the training samples.")
@click.option("--batch", type=click.IntRange(min=1), default=32, help="Samples of one step.")
@click.option(
    "--optimizer",
    metavar="NAME",
    callback=one_name_of("optimizer", lambda: METHODS),
    default="adam",
    help=f"{', '.join(METHODS)}.",
)
@click.option("--lr", type=float, help=f"Step size; without it, {_STEP_SIZES}.")
@click.option("--l2", type=float, default=1e-3, help="L2 penalty on weights; biases go free.")
@click.option(
    "--backend",
    metavar="NAME",
    callback=one_name_of("backend", lambda: ["auto", *backend_names()]),
    help="What computes (see: gcnn devices); without it, GCNN_BACKEND, then auto.",
)
@click.option("--device", help="Its index, or a pattern of its name such as '*epyc*'; without it, GCNN_DEVICE.")
@click.option(
    "--dtype",
    metavar="NAME",
    callback=one_name_of("dtype", lambda: DTYPES),
    default="float32",
    help=f"{' or '.join(DTYPES)}.",
)
@click.option(
    "--seed",
    type=click.IntRange(min=0),
    help="Of the start, the order and the validation samples; without it, the network file's, or 0.",
)
@click.option(
    "--output", type=click.Path(path_type=Path), help="Folder for the results; without it, runs/ and the data's name."
)
@click.option("--quiet", is_flag=True, help="Print the test accuracy and nothing else.")
@debug_option
def train(
    data: str,
    model: str | None,
    epochs: int,
    optimizer: str,
    lr: float | None,
    l2: float,
    seed: int | None,
    output: Path | None,
    quiet: bool,
    **binding: Any,
) -> None:
    """Train a network and test it on unseen samples.

    A fifth of the samples is held back for the test, always the same ones; an eighth of the others (validation) shows
    how the training goes. The test samples are looked at once, at the end. The output folder then holds
    model.safetensors (gcnn.load reads it), network.json, history.json and loss.png; older ones are replaced.
    """
    say: Callable[[str], None] = (lambda text: None) if quiet else click.echo
    dataset = open_dataset(data)
    x, t = dataset.training.arrays()
    network = _network(model or dataset.model, len(dataset.classes or ()), x.shape[1:], seed)
    rest, test = split(_shaped(x, network), t, TEST_SHARE, TEST_SEED)
    training, validation = split(*rest, VALIDATION_SHARE, network.seed)
    chosen = METHODS[optimizer]
    method = chosen.make(lr=chosen.lr if lr is None else lr, l2=l2)
    bound = network.bind(**binding)
    folder = output or Path("runs") / data
    folder.mkdir(parents=True, exist_ok=True)

    say(_where(bound))
    counts = [len(labels) for _, labels in (training, validation, test)]
    say("{}: {} samples for training, {} for validation, {} held back for the test".format(data, *counts))
    say(f"{method}, batches of {bound.batch}, seed {network.seed}\n\n{network.summary()}\n")
    start = time.perf_counter()
    steps = -(-len(training[0]) // bound.batch)
    # NumPy's warnings are off, since `fit` says in words when a loss is no longer finite.
    with Progress(epochs, steps, validation, quiet) as shown, np.errstate(all="ignore"):
        history = fit(bound, training, method, epochs, validation, [shown.epoch_done], network.seed, shown.batches)
    seconds = time.perf_counter() - start
    facts = {
        "title": f"{data}, {model or dataset.model}, {optimizer} on {bound.backend}, seed {network.seed}",
        "device": bound.device.name,
        "dtype": bound.dtype,
        "optimizer": repr(method),
        "batch": bound.batch,
        "seed": network.seed,
        "seconds": seconds,
        "test_accuracy": accuracy(bound, *test),
    }
    no_picture = save_results(folder, bound, history, facts)
    if no_picture:
        click.echo(no_picture, err=True)
    saved = "model, network and history" if no_picture else "model, network, history and picture"
    say(f"\ntrained in {seconds:.1f} s; {saved} are in {folder}")
    click.echo(f"test accuracy {facts['test_accuracy']:.2%} on {len(test[0])} samples held back")


def _network(model: str, classes: int, shape: tuple[int, ...], seed: int | None) -> Network:
    """The network of that name, or the one in that file, with as many outputs as the data have classes."""
    if model in MODELS:
        return MODELS[model](shape, classes, seed or 0)
    network = read_network(model)
    if network.outputs.points != classes:
        raise NetworkError(
            f"{model}: the network has {network.outputs.points} outputs, but the data have {classes} classes. "
            f"End it with {classes} outputs."
        )
    return network if seed is None else Network(network.layers, network.inputs, network.loss, seed)


def _shaped(x: Array, network: Network) -> Array:
    """The samples in the shape that the network reads, where it has as many values: images for a dense layer."""
    return x.reshape(len(x), *network.inputs.shape) if x[0].size == network.inputs.points else x


def _where(model: Model) -> str:
    """What was taken to compute on, and what it leaves to the host."""
    on_host = model.report()["on_host"]
    host = f"; on the host: {', '.join(on_host)}" if on_host else ""
    device = f"device {model.device.index} ({model.device.name}, {model.device.kind})"
    return f"backend {model.backend}, {device}, {model.dtype}{host}"
