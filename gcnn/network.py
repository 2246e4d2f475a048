"""A network: layers in order, the maps they read, a loss and a seed. It is data; `bind` gives it a backend."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import numpy as np

from gcnn import activations, losses
from gcnn.documents import json_object
from gcnn.errors import FormatError, GcnnError, LayerError, MapsError, NetworkError
from gcnn.layers import Layer, layer_from_json
from gcnn.layers.table import MOST_WEIGHTS
from gcnn.losses import Loss
from gcnn.maps import Array, Maps
from gcnn.toml import toml_object, write_toml

if TYPE_CHECKING:
    from gcnn.model import Model

FORMAT = "gcnn-network"
VERSION = 1


class Stage(NamedTuple):
    """A layer in its place: what it reads and makes, and where its parameters lie in the flat vector."""

    layer: Layer
    inputs: Maps
    outputs: Maps
    parameters: slice


class Network:
    """A feed-forward network (Hedberg 2015, Eq. 1).

    Args:
        layers: the layers, first to last.
        input_shape: `(maps, *size)` such as `(1, 28, 28)`, a vector length such as `64` or `(64,)`, or `Maps`.
        loss: a name ("cross_entropy", "binary_cross_entropy", "mse", "sse") or a `Loss`.
        seed: seed of the initial parameters, drawn on the host in float64 so that every backend starts alike.
        weights: one loss weight an output.
        reduction: "mean" (default), "sum" or "mean_outputs".

    Raises:
        NetworkError: no layers, or a layer that cannot read what the one before it makes (the message numbers it).
        LossError: a loss that the last layer's outputs do not fit.
    """

    def __init__(
        self,
        layers: Sequence[Layer],
        input_shape: int | Sequence[Any] | Maps,
        loss: str | Loss = "cross_entropy",
        seed: int = 0,
        weights: Sequence[float] | None = None,
        reduction: str | None = None,
    ) -> None:
        if not isinstance(layers, list | tuple):
            raise NetworkError(f"layers must be a list of layers such as [layers.Dense(10)], got {layers!r}.")
        self.layers = tuple(layers)
        self.inputs = input_maps(input_shape)
        self.loss = losses.get(loss, weights, reduction)
        self.seed = checked_seed(seed)
        if not self.layers:
            raise NetworkError("a network needs at least one layer.")
        self.stages = self._stages()
        self.outputs = self.stages[-1].outputs
        self.parameter_count = self.stages[-1].parameters.stop
        codomain = activations.REALS
        for stage in self.stages:
            codomain = stage.layer.codomain(codomain)
        self.loss.check(codomain, self.outputs.points, str(self.layers[-1]))

    def _stages(self) -> tuple[Stage, ...]:
        stages: list[Stage] = []
        inputs, offset = self.inputs, 0
        for number, layer in enumerate(self.layers):
            if not isinstance(layer, Layer):
                raise NetworkError(f"layer {number} is {layer!r}; expected a layer such as layers.Dense(10).")
            try:
                outputs = layer.output_maps(inputs)
                end = offset + layer.parameter_count(inputs)
            except (LayerError, MapsError) as error:
                raise NetworkError(f"layer {number}: {error}") from error
            if end > MOST_WEIGHTS:
                raise NetworkError(
                    f"layer {number}: with it, the network has more than the most parameters, {MOST_WEIGHTS}. Use smaller layers."
                )
            stages.append(Stage(layer, inputs, outputs, slice(offset, end)))
            inputs, offset = outputs, end
        return tuple(stages)

    def initial_parameters(self, seed: int | None = None) -> Array:
        """(parameter_count,) float64: the seeded start (decision "start")."""
        rng = np.random.default_rng(self.seed if seed is None else checked_seed(seed))
        return np.concatenate([np.zeros(0), *(stage.layer.initialize(stage.inputs, rng) for stage in self.stages)])

    def decay_mask(self) -> Array:
        """(parameter_count,) booleans: True on weights, False on biases; the default mask of an L2 penalty (decision "decay")."""
        blocks = [p for stage in self.stages for p in stage.layer.parameters(stage.inputs)]
        return np.concatenate([np.zeros(0, bool), *(np.full(p.count, p.decays) for p in blocks)])

    def bind(
        self,
        backend: str | None = None,
        device: str | int | None = None,
        dtype: str = "float32",
        batch: int = 64,
        precision: str = "default",
    ) -> Model:
        """Plan the network on a backend and give it its initial parameters.

        Args:
            backend: a name; None asks GCNN_BACKEND, then "auto".
            device: an index or a glob over device names; None asks GCNN_DEVICE, then takes the first that works.
            dtype: "float32" or "float64", whatever the backend offers.
            batch: the most samples of one pass; larger arrays are split.
            precision: "default", or "strict" for sums of the equations' own products only, where a backend knows faster ones that
                round more (minimal algorithms for convolutions).

        Raises:
            BackendUnavailable: the backend or device is not there. Unsupported: it declines a layer, with reasons.
            DataError: a batch, dtype or precision that there is not.
        """
        from gcnn.model import Model

        return Model(self, backend, device, dtype, batch, precision)

    def summary(self, batch: int = 64, dtype: str = "float32") -> str:
        """A table of the layers: outputs, parameters, connections, work; and the memory that training takes.

        Args:
            batch: samples of one pass.
            dtype: "float32" or "float64", what the memory is counted in.
        """
        from gcnn.summary import summary

        return summary(self, batch, dtype)

    def to_json(self) -> str:
        """The network (not its parameters) as JSON text; `Network.from_json` reads it."""
        return json.dumps(self._document(), indent=1)

    def to_toml(self) -> str:
        """The network (not its parameters) as TOML text, for people to read and change; `Network.from_toml` reads it."""
        return write_toml(self._document(), tables="layers")

    def _document(self) -> dict[str, Any]:
        return {
            "format": FORMAT,
            "version": VERSION,
            "inputs": self.inputs.to_json(),
            "layers": [layer.to_json() for layer in self.layers],
            "loss": self.loss.to_json(),
            "seed": self.seed,
        }

    @classmethod
    def from_json(cls, text: str) -> Network:
        """Read what `to_json` wrote.

        Raises:
            FormatError: not JSON, not a gcnn network, written by a later version, or with unknown or missing fields.
        """
        return cls._from_document(json_object(text))

    @classmethod
    def from_toml(cls, text: str) -> Network:
        """Read a network written by hand: the document of `to_json` as TOML.

            inputs = [1, 28, 28]

            [[layers]]
            type = "Convolution"
            maps = 6
            kernel = 5

        Only `inputs` and `layers` must be there. `loss` is a name, or a table { name = "mse", reduction = "sum" };
        without it, as for `Network`, it is "cross_entropy". `seed` is 0, and `format` and `version` are those of today.

        Raises:
            FormatError: as for `from_json`.
        """
        document = {"format": FORMAT, "version": VERSION, "loss": "cross_entropy", "seed": 0} | toml_object(text)
        if isinstance(document["loss"], str):
            document["loss"] = {"name": document["loss"]}
        return cls._from_document(document)

    @classmethod
    def read(cls, path: str | Path) -> Network:
        """A network from a file: TOML where its name ends in .toml, else JSON.

        Raises:
            FormatError: no such text, named with its path. OSError: the file is not there or cannot be read.
        """
        path = Path(path)
        try:
            text = path.read_text(encoding="utf-8")
            return cls.from_toml(text) if path.suffix.lower() == ".toml" else cls.from_json(text)
        except UnicodeDecodeError as error:
            raise FormatError(f"{path}: not a text file ({error}).") from error
        except FormatError as error:
            raise FormatError(f"{path}: {error}") from error

    @classmethod
    def _from_document(cls, document: dict[str, Any]) -> Network:
        if document.get("format") != FORMAT:
            raise FormatError(f'not a gcnn network: expected an object with "format": "{FORMAT}".')
        version = document.get("version")
        if isinstance(version, bool) or not isinstance(version, int):
            raise FormatError(f'"version" must be an integer, got {version!r}.')
        if version < 1:
            raise FormatError(f'"version" must be at least 1, got {version}.')
        if version > VERSION:
            raise FormatError(
                f"the network was saved in format version {version}; this gcnn reads up to {VERSION}. Upgrade gcnn to load it."
            )
        expected = {"format", "version", "inputs", "layers", "loss", "seed"}
        if document.keys() != expected:
            raise FormatError(
                f"missing fields {sorted(expected - document.keys())}, unknown fields {sorted(document.keys() - expected)}."
            )
        if not isinstance(document["layers"], list):
            raise FormatError('"layers" must be a list. In TOML, begin every layer with [[layers]].')
        try:
            return cls(
                [layer_from_json(entry) for entry in document["layers"]],
                document["inputs"],
                losses.from_json(document["loss"]),
                document["seed"],
            )
        except FormatError:
            raise
        except GcnnError as error:
            raise FormatError(f"the document does not describe a network: {error}") from error
        except (TypeError, ValueError, OverflowError, RecursionError) as error:  # raised by layers of one's own
            raise FormatError(f"a field has the wrong type: {error}.") from error

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Network) and self.to_json() == other.to_json()

    def __hash__(self) -> int:
        return hash(self.to_json())

    def __repr__(self) -> str:
        return f"Network([{', '.join(map(str, self.layers))}], {self.inputs}, loss={self.loss.name!r})"


def input_maps(input_shape: int | Sequence[Any] | Maps) -> Maps:
    """The maps that a network reads, from what `Network` takes; raises `MapsError`."""
    return Maps((cast(int, input_shape),) if is_integer(input_shape) else cast(Maps, input_shape))


def is_integer(value: Any) -> bool:
    """Whether a value counts something: an int of Python's or NumPy's, no boolean."""
    return isinstance(value, int | np.integer) and not isinstance(value, bool)


def checked_seed(seed: Any) -> int:
    """A seed of a random generator as an int; raises `NetworkError` where it is none."""
    if not is_integer(seed) or seed < 0:
        raise NetworkError(f"seed must be an integer of at least 0, got {seed!r}.")
    return int(seed)
