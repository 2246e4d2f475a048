"""What the commands share: options checked against names, and networks found by name or in a file."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

import click

from gcnn.backend import backend_names
from gcnn.data import DATASETS
from gcnn.errors import NetworkError, one_of
from gcnn.maps import Size
from gcnn.models import MODELS
from gcnn.network import Network
from gcnn.runs import METHODS
from gcnn.runs.settings import DTYPES

_DEBUG = "gcnn.debug"


Command = Callable[..., Any]
Callback = Callable[[click.Context, click.Parameter, Any], Any]


def one_name_of(kind: str, choices: Callable[[], Iterable[str]]) -> Callback:
    """An option's callback that takes only known names, and answers an unknown one with the nearest.

    Args:
        kind: what is named, as the message says it.
        choices: gives the names; called when the option is read, and not before.
    """

    def check(ctx: click.Context, param: click.Parameter, value: str | None) -> str | None:
        names = list(choices())
        if value is not None and value not in names:
            raise click.BadParameter(one_of(kind, value, names), ctx, param)
        return value

    return check


def _remember(ctx: click.Context, param: click.Parameter, value: bool) -> None:
    ctx.meta[_DEBUG] = value


debug_option = click.option(
    "--debug",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_remember,
    help="Show where an error came from.",
)


def _shape(ctx: click.Context, param: click.Parameter, value: str | None) -> Size | None:
    """The numbers of a shape such as 3x32x32."""
    try:
        return None if value is None else tuple(int(part) for part in value.split("x"))
    except ValueError:
        message = f"{value!r} is not a shape such as 3x32x32 (maps, height, width), or 64 for a vector."
        raise click.BadParameter(message, ctx, param) from None


shape_option = click.option(
    "--input",
    "inputs",
    metavar="SHAPE",
    callback=_shape,
    help="What goes in, such as 3x32x32, or 64; without it, what the network was made for.",
)

save_option = click.option(
    "--save-every",
    metavar="SECONDS",
    type=click.FloatRange(min=0),
    default=60.0,
    help="Save within an epoch when so much time has passed; after every epoch in any case.",
)


def place_options(
    backend: str = "What computes (see: gcnn devices); without it, GCNN_BACKEND, then auto.",
    device: str = "Its index, or a pattern of its name such as '*epyc*'; without it, GCNN_DEVICE.",
) -> Callable[[Command], Command]:
    """--backend and --device, with what their help says."""
    names = one_name_of("backend", lambda: ["auto", *backend_names()])

    def options(command: Command) -> Command:
        command = click.option("--device", help=device)(command)
        return click.option("--backend", metavar="NAME", callback=names, help=backend)(command)

    return options


def dtype_option(purpose: str = "") -> Callable[[Command], Command]:
    """--dtype, with what its help says it is for."""
    names, words = one_name_of("dtype", lambda: DTYPES), f"{' or '.join(DTYPES)}{purpose}."
    return click.option("--dtype", metavar="NAME", callback=names, default="float32", help=words)


def optimizer_option(default: str, words: str) -> Callable[[Command], Command]:
    """--optimizer, with its default and what its help says."""
    names = one_name_of("optimizer", lambda: METHODS)
    return click.option("--optimizer", metavar="NAME", callback=names, default=default, help=words)


def debugging(ctx: click.Context) -> bool:
    """Whether --debug was given to the command that runs in this context."""
    return bool(ctx.meta.get(_DEBUG))


def read_network(name: str) -> Network:
    """A network from a file: .toml, or JSON that `Network.to_json` wrote.

    Raises:
        NetworkError: neither a known model nor a file. FormatError: the file does not hold a network.
    """
    if not Path(name).is_file():
        raise NetworkError(f"{one_of('model', name, MODELS)} Nor is there a file {name!r}.")
    return Network.read(name)


def lasting(place: str | Path) -> str:
    """The name of a data set as it is, or a path that holds in whatever folder a later command is given.

    A link keeps its name, which says what kind of file it is.
    """
    if place in DATASETS:
        return str(place)
    path = Path(place)
    return str(path.resolve() if path.name in ("", "..") else path.parent.resolve() / path.name)


def named_values(texts: Iterable[str], option: str) -> dict[str, int | float | str]:
    """NAME=VALUE texts as a dictionary; values are whole numbers, numbers, or words.

    Raises:
        click.BadParameter: a text without "=", or a name given twice.
    """
    values: dict[str, int | float | str] = {}
    for text in texts:
        name, mark, value = text.partition("=")
        if not mark or not name or not value:
            raise click.BadParameter(f"{text!r} is not of the form NAME=VALUE.", param_hint=option)
        if name in values:
            raise click.BadParameter(f"{name} is given twice.", param_hint=option)
        values[name] = _value(value)
    return values


def _value(text: str) -> int | float | str:
    for kind in (int, float):
        with suppress(ValueError):
            return kind(text)
    return text
