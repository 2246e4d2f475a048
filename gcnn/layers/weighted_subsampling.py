"""Weighted sub-sampling (Hedberg 2015, Eqs. 86-97 and Table 6).

    z_i(x) = b_i + Σ_{j∈D_i} α_ij Σ_{u<K} y_j(K x + u)        y_i = φ(z_i)

The window is summed, not averaged. Only complete windows count: a strip that K does not fill is not read.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

import numpy as np

from gcnn.errors import LayerError
from gcnn.layers import table as tables
from gcnn.layers.base import Layer, Parameter, per_axis, register_layer, whole_numbers
from gcnn.layers.windows import like_window_maps, window_maps
from gcnn.maps import Array, Maps, Size


@register_layer
@dataclass(frozen=True)
class WeightedSubsampling(Layer):
    """Sum windows of the connected input maps, scale by a learned weight and add a bias.

    Args:
        window: window size K per axis, which is also the step.
        table: (maps, input maps) booleans, True where connected; None reads map i for map i.
        weights: "single", one α_i a map (Eqs. 87, 96), or "cross", one α_ij a connection (Eqs. 86, 95).
        activation: name of φ.

    Raises:
        LayerError: a window larger than a map it reads, a table of the wrong shape, unknown weights or activation.

    Parameters, in flat order: α by map i (cross: then j in D_i), starting at 1 / K^d; then the biases b_i.
    """

    spatial = True
    window: int | Size
    table: tables.TableLike | None = None
    weights: str = "single"
    activation: str = "identity"

    def __post_init__(self) -> None:
        name = "WeightedSubsampling"
        object.__setattr__(self, "window", whole_numbers(name, "window", self.window))
        object.__setattr__(self, "table", tables.checked(name, self.table))
        if self.weights not in ("single", "cross"):
            raise LayerError(f'{name}: weights must be "single" or "cross", got {self.weights!r}.')
        self.check_activation()

    def connections(self, inputs: Maps) -> Array:
        """(maps, input maps) booleans: the table."""
        if self.table is None:
            tables.check_room(str(self), inputs.count, inputs.count)
            return np.eye(inputs.count, dtype=bool)
        return tables.as_array(str(self), self.table, len(self.table), inputs.count)

    def windows(self, inputs: Maps) -> Size:
        """Window size K per axis."""
        return per_axis(str(self), "window", self.window, inputs.dimensions)

    def weight_mask(self, inputs: Maps) -> Array:
        """(maps, input maps) booleans, True where a weight α_ij exists; (maps,) where weights are single."""
        connections = self.connections(inputs)
        return connections if self.weights == "cross" else np.asarray(connections.any(axis=1))

    def output_maps(self, inputs: Maps) -> Maps:
        window = self.windows(inputs)
        if inputs.uniform:
            return like_window_maps(str(self), inputs, self._maps(inputs), window, window)
        connections = self.connections(inputs)
        sources = [[(int(j), window) for j in np.flatnonzero(row if row.any() else ~row)] for row in connections]
        return window_maps(str(self), inputs, sources, window)

    def parameters(self, inputs: Maps) -> tuple[Parameter, ...]:
        maps = self._maps(inputs)
        weights = maps if self.table is None else int(self.weight_mask(inputs).sum())
        return (Parameter("weights", weights), Parameter("biases", maps, decays=False))

    def _maps(self, inputs: Maps) -> int:
        return inputs.count if self.table is None else len(self.connections(inputs))

    def initialize(self, inputs: Maps, rng: np.random.Generator) -> Array:
        weights, biases = self.parameters(inputs)
        return np.concatenate([np.full(weights.count, 1 / prod(self.windows(inputs))), np.zeros(biases.count)])

    def multiply_adds(self, inputs: Maps) -> int:
        outputs, cells = self.output_maps(inputs), prod(self.windows(inputs))
        if self.table is None:
            return outputs.points * cells
        return int(np.asarray(outputs.counts) @ self.connections(inputs).sum(axis=1)) * cells

    def needs(self, inputs: Maps) -> frozenset[str]:
        tabled = {"tables"} if self.table is not None else set()
        return super().needs(inputs) | tabled
