"""`gcnn bench`: the same work on several backends, side by side."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Sequence
from functools import partial
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from gcnn.backend import backend_names
from gcnn.bench import WORKS, Comparison, bound, compare
from gcnn.cli.options import (
    debug_option,
    dtype_option,
    named_values,
    one_name_of,
    optimizer_option,
    read_network,
    shape_option,
)
from gcnn.layers import layer_from_json
from gcnn.models import MODELS
from gcnn.network import Network
from gcnn.runs import METHODS

WIDE = 120
"""Columns of a terminal on which the parameters of kernels have room."""
MALLOC = ("MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_THRESHOLD_")


@click.command(
    context_settings={"show_default": True},
    epilog="\b\nExamples:\n"
    "  gcnn bench lenet --on numpy --on torch\n"
    "  gcnn bench lenet --on opencl:0 --on opencl:1 --on torch --optimizer adam --batch 256\n"
    "  gcnn bench network.toml --work forward --on numpy --on opencl --json\n"
    "  gcnn bench lenet --on opencl --profile\n"
    "  gcnn bench --layer Convolution --with maps=16 --with kernel=5 --input 6x14x14 --on opencl --on torch\n\n"
    f"Models by name: {', '.join(MODELS)}. Places: backends (see: gcnn devices), with :INDEX for a device; and torch, for "
    "PyTorch's eager mode on the same processor, where it is installed. Beside torch on Linux, set "
    f"{' and '.join(MALLOC)} to 1000000000: glibc else gives memory back between its steps, which would flatter the others. Beside "
    "numpy, set OPENBLAS_THREAD_TIMEOUT to 4: its threads else spin for a tenth of a second while others compute.",
)
@click.argument("model", required=False)
@click.option("--layer", help="One layer in place of a model, by its type, such as Convolution.")
@click.option("--with", "settings", multiple=True, metavar="NAME=VALUE", help="A setting of the layer.")
@shape_option
@click.option(
    "--on", "places", multiple=True, metavar="PLACE", help="Where; may be repeated. Without it, every backend there is."
)
@click.option(
    "--work", metavar="NAME", callback=one_name_of("work", lambda: WORKS), default="step", help=f"{', '.join(WORKS)}."
)
@click.option("--batch", type=click.IntRange(min=1), default=64, help="Samples of a call.")
@optimizer_option("momentum", "Of a step.")
@dtype_option()
@click.option("--blocks", type=click.IntRange(min=1), default=15, help="Times to take in each place.")
@click.option(
    "--profile",
    "profiled",
    is_flag=True,
    help="Where the time of a gradient goes, kernel by kernel, in each place that tells.",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object, times in seconds.")
@debug_option
def bench(
    model: str | None,
    layer: str | None,
    settings: tuple[str, ...],
    inputs: tuple[int, ...] | None,
    places: tuple[str, ...],
    optimizer: str,
    profiled: bool,
    as_json: bool,
    **work: Any,
) -> None:
    """Time the same work in several places, in turns.

    A call begins with arrays on the host and ends with numbers on the host. The losses of all places are compared before
    anything is timed. Medians are of blocks that take turns, so that a busy machine slows all places alike: trust the
    ratios, not the milliseconds.
    """
    network = _network(model, layer, settings, inputs)
    places = places or tuple(backend_names())
    if profiled:
        _profile(network, places, work["dtype"], work["batch"], as_json)
        return
    found = compare(network, places, partial(METHODS[optimizer].make), **work)
    if as_json:
        facts = {"model": model or layer, "optimizer": optimizer, "machine": platform.processor() or platform.machine()}
        click.echo(json.dumps(facts | {"cores": os.cpu_count()} | found.to_json()))
        return
    _show(found, model or str(network.layers[0]), optimizer)
    if "torch" in places and not all(name in os.environ for name in MALLOC):
        click.echo(
            f"torch may be slowed by glibc: set {' and '.join(MALLOC)} to 1000000000 for a fair comparison.", err=True
        )


def _network(
    model: str | None, layer: str | None, settings: tuple[str, ...], inputs: tuple[int, ...] | None
) -> Network:
    if (model is None) == (layer is None):
        raise click.UsageError("give a model, or --layer.")
    if layer is not None:
        if inputs is None:
            raise click.UsageError("--layer needs --input, such as --input 6x14x14.")
        return Network([layer_from_json({"type": layer} | named_values(settings, "--with"))], inputs, "mse")
    assert model is not None
    if model in MODELS:
        return MODELS[model](inputs) if inputs else MODELS[model]()
    return read_network(model)


def _profile(network: Network, places: Sequence[str], dtype: str, batch: int, as_json: bool) -> None:
    """Tables of kernels with their times, or one JSON object by place."""
    found = {}
    for place in places:
        model = bound(network, place, dtype, batch)
        found[place] = {**model.report(), **model.profile()}
    if as_json:
        click.echo(json.dumps(found))
        return
    console = Console(highlight=False)
    for place, report in found.items():
        console.print(_profile_table(place, report, parameters=console.width >= WIDE))


def _profile_table(place: str, report: dict[str, Any], parameters: bool) -> Table:
    layers, total = report["layers"], sum(report["seconds"])
    samples = f"{report['part']} samples" + (
        f", a part of {report['batch']}" if report["part"] < report["batch"] else ""
    )
    title = f"{place}: gradient of {samples}, {total * 1e3:.3g} ms in {len(report['seconds'])} launches"
    ceiling = f"ceiling {report['ceiling'] / 1e9:.3g} GFLOP/s, measured by multiply-adds in registers"
    table = Table(
        title=title,
        caption=f"{ceiling}; kernels are timed alone" + ("" if parameters else "; --json has their parameters"),
        title_justify="left",
        caption_justify="left",
        box=None,
        padding=(0, 2, 0, 0),
    )
    for column, most in (("layer", 17), ("task", 13), ("kernel", 21)):
        table.add_column(column, no_wrap=True, max_width=None if parameters else most)
    for column in ("µs", "MFLOP", "ceiling"):
        table.add_column(column, justify="right", no_wrap=True, min_width=6)
    if parameters:
        table.add_column("parameters")
    before = None
    for row in report["works"]:
        if row["launch"] != before:
            before = row["launch"]
            table.add_row(f"launch {before}: {report['seconds'][before] * 1e6:.0f} µs")
        cells = [
            "" if row["layer"] is None else f"  {row['layer']} {_names(layers[row['layer']]['layer'])}",
            row["task"] or "",
            row["kernel"].removesuffix(f"_{row['task']}.{row['task']}"),
            f"{row['seconds'] * 1e6:.1f}",
            f"{row['flops'] / 1e6:.3g}" if row["flops"] else "",
            f"{row['of_ceiling']:.0%}" if row["flops"] else "",
        ]
        tile = (f"{name.removesuffix('_TILE').lower()}={n}" for name, n in row["parameters"].items())
        table.add_row(*cells, *([" ".join(tile)] if parameters else []))
    return table


def _names(layers: str) -> str:
    """Without their settings: layers, which a backend may have put together."""
    return " + ".join(layer.partition("(")[0] for layer in layers.split(" + "))


def _show(found: Comparison, title: str, optimizer: str) -> None:
    places = list(found.timings)
    rule = f", {optimizer}" if found.work == "step" else ""
    table = Table(title=f"{title}: {found.work}{rule}, batch {found.batch}, {found.dtype}", title_justify="left")
    table.add_column("place")
    for column in ("ms", "quartiles", f"times as fast as {places[0]}"):
        table.add_column(column, justify="right")
    for place, timing in found.timings.items():
        spread = f"{timing.low * 1e3:.3g} to {timing.high * 1e3:.3g}"
        table.add_row(place, f"{timing.median * 1e3:.3f}", spread, f"{found.ratio(place, places[0]):.2f}")
    Console(highlight=False).print(table)
    for place, report in found.report.items():
        if report.get("on_host"):
            click.echo(f"{place}: on the host: {', '.join(report['on_host'])}")
