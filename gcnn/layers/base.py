"""What every layer specification is: frozen data that knows its shapes, and nothing about arrays or devices."""

from __future__ import annotations

from dataclasses import MISSING, dataclass, fields
from typing import Any, ClassVar, TypeVar

import numpy as np

from gcnn import activations
from gcnn.errors import FormatError, LayerError, one_of
from gcnn.maps import MOST_MAPS, Array, Maps, Size


@dataclass(frozen=True)
class Parameter:
    """One named block of a layer's flat parameter vector.

    Attributes:
        name: "kernels", "weights", "biases", "centres", ...
        count: how many numbers it holds.
        decays: whether an L2 penalty pulls on it by default: weights do, biases do not (decision "decay").
    """

    name: str
    count: int
    decays: bool = True


@dataclass(frozen=True)
class Layer:
    """Base of all layer specifications: subclass it as a frozen dataclass and decorate it with `register_layer`.

    A specification is checked when it is made, compares and hashes by its fields, and goes to JSON and back.
    """

    spatial: ClassVar[bool] = False
    """Whether the layer works along the axes of its maps; the others read them as single values in C order."""

    # A property, not a field: a field here would come first among those of every layer that makes it one.
    @property
    def activation(self) -> str:
        """φ of the layer; layers with own weights make it a field."""
        return "identity"

    def output_maps(self, inputs: Maps) -> Maps:
        """The maps that the layer makes of `inputs`; raises `LayerError` where it cannot."""
        raise NotImplementedError(f"{type(self).__name__} must define output_maps(inputs)")

    def parameters(self, inputs: Maps) -> tuple[Parameter, ...]:
        """The blocks of the layer's flat parameter vector, in order; none by default."""
        return ()

    def initialize(self, inputs: Maps, rng: np.random.Generator) -> Array:
        """(parameters,) float64 initial values drawn from `rng`."""
        return np.zeros(0)

    def multiply_adds(self, inputs: Maps) -> int:
        """Multiply-adds of one forward pass of one sample."""
        return 0

    def needs(self, inputs: Maps) -> frozenset[str]:
        """The features a backend must have for this layer on these maps, beyond the layer's type and activation."""
        return frozenset() if inputs.uniform else frozenset({"irregular_maps"})

    def codomain(self, inputs: activations.Interval) -> activations.Interval:
        """Where the layer's outputs lie when its inputs lie in `inputs`."""
        return activations.get(self.activation).codomain

    def parameter_count(self, inputs: Maps) -> int:
        """Length of the layer's flat parameter vector."""
        return sum(parameter.count for parameter in self.parameters(inputs))

    def check_activation(self, field: str = "activation") -> None:
        """Check the activation's name in a field, and keep one name for what has two ("sigmoid" is "logistic").

        Raises:
            LayerError: no activation of that name is registered.
        """
        name = getattr(self, field)
        if name not in activations.names():
            raise LayerError(
                f"{type(self).__name__}: {one_of('activation', name, activations.names())} "
                "Your own is given by the name that register_activation gave it, also before loading a network with it."
            )
        object.__setattr__(self, field, activations.get(name).name)

    def to_json(self) -> dict[str, Any]:
        """The layer's type and every field that differs from its default."""
        document: dict[str, Any] = {"type": type(self).__name__}
        for field in fields(self):
            value = getattr(self, field.name)
            if field.default is MISSING or value != field.default:
                document[field.name] = value.to_json() if isinstance(value, Maps) else value
        return document

    def __str__(self) -> str:
        shown = [
            f"{field.name}={'...' if field.name in {'table', 'output'} else repr(value)}"
            if field.default is not MISSING
            else repr(value)
            for field in fields(self)
            if (value := getattr(self, field.name)) != field.default or field.default is MISSING
        ]
        return f"{type(self).__name__}({', '.join(shown)})"


_LAYERS: dict[str, type[Layer]] = {}
L = TypeVar("L", bound=type[Layer])


def register_layer(layer: L) -> L:
    """Make a layer specification known by its class name, so that networks with it can be saved and loaded."""
    known = _LAYERS.get(layer.__name__)
    if known is not None and known.__module__ != layer.__module__:
        raise LayerError(
            f"a layer named {layer.__name__} is already registered, by {known.__module__}; choose another name."
        )
    _LAYERS[layer.__name__] = layer
    return layer


def layer_names() -> list[str]:
    """The names of all registered layers."""
    return sorted(_LAYERS)


def layer_from_json(document: Any) -> Layer:
    """The inverse of `Layer.to_json`; raises `FormatError` on unknown types and fields."""
    if not isinstance(document, dict) or not isinstance(document.get("type"), str):
        raise FormatError(
            f'a layer is an object with a "type", such as {{"type": "Dense", "units": 10}}; got {document!r}.'
        )
    kind, *_ = document["type"], None
    if kind not in _LAYERS:
        raise FormatError(f"{one_of('layer type', kind, _LAYERS)} If it is your own, register it before loading.")
    arguments = {name: value for name, value in document.items() if name != "type"}
    known = {field.name for field in fields(_LAYERS[kind])}
    for name in arguments:
        if name not in known:
            raise FormatError(f"{kind}: {one_of('field', name, known)}")
    required = {field.name for field in fields(_LAYERS[kind]) if field.default is MISSING}
    if missing := sorted(required - arguments.keys()):
        raise FormatError(f"{kind}: the field {missing[0]!r} is missing.")
    try:
        return _LAYERS[kind](**arguments)
    except (TypeError, OverflowError) as error:
        raise FormatError(f"{kind}: a field has the wrong type ({error}): {arguments}.") from error


def whole_number(layer: str, name: str, value: Any, least: int = 1) -> int:
    """Check an integer of at least `least`."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < least:
        raise LayerError(f"{layer}: {name} must be an integer of at least {least}, got {value!r}.")
    return int(value)


def map_count(layer: str, name: str, value: Any) -> int:
    """Check a number of maps or units: an integer from 1 to `MOST_MAPS`."""
    if whole_number(layer, name, value) > MOST_MAPS:
        raise LayerError(f"{layer}: {name} must be at most {MOST_MAPS}, got {value!r}.")
    return int(value)


def whole_numbers(layer: str, name: str, value: Any, least: int = 1) -> int | Size:
    """Check a size such as `window`: one integer for all axes, or one an axis."""
    if isinstance(value, list | tuple):
        if not value:
            raise LayerError(f"{layer}: {name} is empty; give one integer for all axes, or one an axis.")
        return tuple(whole_number(layer, name, n, least) for n in value)
    return whole_number(layer, name, value, least)


def truth(layer: str, name: str, value: Any) -> bool:
    """Check a switch such as `bias`: True or False, and nothing that merely counts as one of them."""
    if not isinstance(value, bool | np.bool_):
        raise LayerError(f"{layer}: {name} must be True or False, got {value!r}.")
    return bool(value)


def per_axis(layer: str, name: str, value: int | Size, dimensions: int) -> Size:
    """Spread one integer over all axes, or check that there is one an axis."""
    if isinstance(value, int):
        return (value,) * dimensions
    if len(value) != dimensions:
        raise LayerError(
            f"{layer}: {name}={value} has {len(value)} entries, but the input maps have {dimensions} axes. "
            "Give one an axis, or one integer for all."
        )
    return value
