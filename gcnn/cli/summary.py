"""`gcnn summary`: the layers of a network."""

from __future__ import annotations

from pathlib import Path

import click

from gcnn.cli.options import debug_option, read_network
from gcnn.errors import NetworkError
from gcnn.model import load
from gcnn.models import MODELS
from gcnn.network import Network


@click.command(
    epilog="\b\nExamples:\n  gcnn summary digits-conv\n  gcnn summary runs/digits/network.json\n"
    "  gcnn summary runs/digits/model.safetensors"
)
@click.argument("model")
@debug_option
def summary(model: str) -> None:
    """Show the layers of a network.

    One line a layer: what it puts out, how many parameters it has, and the multiply-adds of one sample.

    MODEL is the name of a model that comes with gcnn (digits-conv), a network file (.json), or a saved model
    (.safetensors).
    """
    click.echo(_find(model).summary())


def _find(name: str) -> Network:
    if name in MODELS:
        return MODELS[name]()
    if name.endswith(".safetensors"):
        if not Path(name).is_file():
            raise NetworkError(f"there is no file {name!r}.")
        return load(name, backend="numpy").network
    return read_network(name)
