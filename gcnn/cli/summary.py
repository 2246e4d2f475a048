"""`gcnn summary`: the layers of a network and what they cost."""

from __future__ import annotations

import json
from pathlib import Path

import click

from gcnn.cli.options import debug_option, dtype_option, read_network, shape_option
from gcnn.costs import costs
from gcnn.errors import NetworkError
from gcnn.maps import Size
from gcnn.model import load
from gcnn.models import MODELS
from gcnn.network import Network

EXAMPLES = """\b
Examples:
  gcnn summary lenet5
  gcnn summary vgg-small --input 3x64x64 --classes 100 --batch 256
  gcnn summary my-network.toml
  gcnn summary runs/digits/model.safetensors --json"""


@click.command(
    context_settings={"show_default": True},
    epilog=f"Models by name: {', '.join(MODELS)}.\n\n{EXAMPLES}",
)
@click.argument("model")
@click.option("--batch", type=click.IntRange(min=1), default=64, help="Samples of one pass, for the memory.")
@dtype_option(", for the memory")
@shape_option
@click.option("--classes", type=click.IntRange(min=1), help="Outputs of a model by name; without it, 10.")
@click.option("--json", "as_json", is_flag=True, help="Exact numbers, for programs.")
@debug_option
def summary(model: str, batch: int, dtype: str, inputs: Size | None, classes: int | None, as_json: bool) -> None:
    """Show the layers of a network and what they cost.

    One line a layer: what it puts out, how many parameters and connections it has, and its arithmetic for one sample,
    forward and in a training step. Below, the memory that training takes.

    MODEL is the name of a model that comes with gcnn, a network file (.json, .toml), or a saved model (.safetensors).
    """
    network = _find(model, inputs, classes)
    click.echo(_as_json(network, batch, dtype) if as_json else network.summary(batch, dtype))


def _find(name: str, inputs: Size | None, classes: int | None) -> Network:
    if name in MODELS:
        given = {"input_shape": inputs, "classes": classes}
        return MODELS[name](**{option: value for option, value in given.items() if value is not None})
    if classes is not None:
        raise NetworkError("--classes is for models by name; in a file, change the last layer.")
    network = _read(name)
    return network if inputs is None else Network(network.layers, inputs, network.loss, network.seed)


def _read(name: str) -> Network:
    if name.endswith(".safetensors"):
        if not Path(name).is_file():
            raise NetworkError(f"there is no file {name!r}.")
        return load(name, backend="numpy").network
    return read_network(name)


def _as_json(network: Network, batch: int, dtype: str) -> str:
    counted = costs(network)
    memory = counted.memory(batch, dtype)
    layers = [
        {**vars(layer), "outputs": layer.outputs.to_json(), "training": layer.training} for layer in counted.layers
    ]
    document = {
        "inputs": network.inputs.to_json(),
        "layers": layers,
        **{name: getattr(counted, name) for name in ("parameters", "connections", "forward", "training")},
        "batch": batch,
        "dtype": dtype,
        "memory": {**vars(memory), "total": memory.total},
    }
    return json.dumps(document, indent=1)
