"""`gcnn tune`: search for the fastest kernels of a model on a device."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import asdict
from statistics import median
from typing import Any

import click
from rich import progress as bars
from rich.console import Console

from gcnn.backend import Program, select
from gcnn.cli.options import debug_option, dtype_option, place_options, read_network, shape_option
from gcnn.errors import BackendUnavailable
from gcnn.interruption import Interruption
from gcnn.maps import Size
from gcnn.models import MODELS
from gcnn.network import Network
from gcnn.tuning import Progress, Tuned, Tunes


@click.command(
    context_settings={"show_default": True},
    epilog=f"Models by name: {', '.join(MODELS)}.\n\n\b\nExamples:\n"
    "  gcnn tune lenet5\n"
    "  gcnn tune mlp --backend opencl --device 1 --batch 256 --budget 300\n"
    "  gcnn tune vgg-small --input 3x64x64\n"
    "  gcnn tune network.toml --dtype float64 --json",
)
@click.argument("model")
@shape_option
@place_options()
@dtype_option()
@click.option("--batch", type=click.IntRange(min=1), default=64, help="Samples of one pass, as in later training.")
@click.option("--budget", metavar="SECONDS", type=click.FloatRange(min=0), default=60.0, help="For all kernels, about.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a kernel, one a line.")
@debug_option
def tune(
    model: str,
    inputs: Size | None,
    backend: str | None,
    device: str | None,
    dtype: str,
    batch: int,
    budget: float,
    as_json: bool,
) -> None:
    """Search for the fastest kernels of a model on this device.

    Every candidate is compiled, compared with the oracle, and timed beside the default, which stays unless it is beaten by
    more than 3 %. What is found is kept for this device and taken from then on, by training too. Ctrl-C ends the
    search early and keeps what was found.

    Kernels come first, those of the usual layout of samples before those of others that may pay; then the layout of the whole
    plan is chosen.

    MODEL is the name of a model that comes with gcnn, or a network file (.json, .toml). The benchmark is what Hedberg 2015
    advises in section 9.
    """
    network = _find(model, inputs)
    chosen, where = select(backend, device)
    if not isinstance(chosen, Tunes):
        raise BackendUnavailable(f"backend {chosen.name!r} has no kernels to tune. See: gcnn devices")
    found: list[Tuned] = []
    if not as_json:
        click.echo(
            f"{model} on {where.name}, {dtype}, batch {batch}; times as fast as the default, and as the benchmark:"
        )
    with Interruption() as interruption, _bar(as_json) as bar:
        task = bar.add_task("", total=None)

        def watch(at: Progress) -> None:
            done = (at.number + at.tried / max(at.candidates, 1)) / at.kernels
            of = f"{at.kernel} ({at.number + 1} of {at.kernels})"
            bar.update(task, description=of, total=1.0, completed=done)

        program = Program.of(network)
        for tuned in chosen.tune(program, where, dtype, batch, budget, watch, lambda: interruption.signal is not None):
            if as_json:
                click.echo(json.dumps(asdict(tuned)))
            else:
                _show(tuned, found[-1].layer if found else None)
            found.append(tuned)
        bar.stop()
        if not as_json:
            _sum_up(found)
            if interruption.signal is not None:
                click.echo("What was found is kept.")


def _find(name: str, inputs: Size | None) -> Network:
    if name in MODELS:
        return MODELS[name](inputs) if inputs else MODELS[name]()
    network = read_network(name)
    return Network(network.layers, inputs, network.loss, network.seed) if inputs else network


def _bar(hidden: bool) -> bars.Progress:
    """A bar in a terminal, nothing elsewhere."""
    console = Console(stderr=True, highlight=False)
    columns = (bars.TextColumn("{task.description}"), bars.BarColumn(), bars.TimeElapsedColumn())
    hidden = hidden or not console.is_terminal
    # Lines go above the bar where both are on one terminal, and else to where they are sent.
    return bars.Progress(*columns, console=console, transient=True, disable=hidden, redirect_stdout=sys.stdout.isatty())


def _show(tuned: Tuned, layer: str | None) -> None:
    """A kernel, as soon as it is tuned; under the name of its layer, where that is another one than before."""
    if tuned.layer != layer:
        click.echo(tuned.layer)
    given = {"default": tuned.default, "benchmark": tuned.benchmark, "chosen": tuned.chosen}
    words = [f"{name} {_parameters(parameters)}" for name, parameters in given.items()]
    ratios = f"{_ratio(tuned.gain)} {_ratio(tuned.benchmark_gain)}"
    late = "" if tuned.complete else ", out of time"
    click.echo(f"  {tuned.kernel:24} {ratios}  {', '.join(words)} ({tuned.tried} tried{late})")
    for refused, reason in tuned.refused:
        click.echo(f"    {_parameters(refused)} is {reason}")


def _sum_up(found: list[Tuned]) -> None:
    """Of all kernels together, and where results went."""
    if not found:
        click.echo("Nothing was tuned: there was no time, or these layers have no kernels with parameters to choose.")
    gains = [tuned.gain for tuned in found if tuned.gain is not None]
    if gains:
        least, most = min(gains), max(gains)
        click.echo(
            f"Median of {len(gains)}: {median(gains):.2f} times as fast as the default ({least:.2f} to {most:.2f})."
        )
    for path in dict.fromkeys(tuned.kept for tuned in found if tuned.kept is not None):
        click.echo(f"Kept in {path}, and taken from now on; GCNN_TUNE=off takes the defaults.")


def _parameters(given: Mapping[str, Any] | None) -> str:
    return "none works" if given is None else " ".join(f"{name}={value}" for name, value in given.items())


def _ratio(gain: float | None) -> str:
    return f"{'-' if gain is None else format(gain, '.2f'):>5}"
