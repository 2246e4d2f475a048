"""Dense layer (Hedberg 2015, Eqs. 13-19 and 33-41; delmas, Eqs. 17-18 and 24-29).

    z = W y + b        y = φ(z)

Input maps of any shape are read as one vector, in C order (delmas, Eqs. 41-42).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gcnn.errors import LayerError
from gcnn.layers import table as tables
from gcnn.layers.base import Layer, Parameter, map_count, register_layer, truth
from gcnn.layers.initial import glorot_uniform
from gcnn.maps import Array, Maps


@register_layer
@dataclass(frozen=True)
class Dense(Layer):
    """Connect every unit to all inputs, or to those that a connection table names.

    Args:
        units: number of outputs.
        table: (units, input maps) or (units, inputs) booleans, True where connected; None connects all.
        activation: name of φ; "softmax" acts over all units.
        bias: whether each unit has a bias. Without, this is the linear output of Hedberg's Eq. 55.

    Raises:
        LayerError: units below 1, an unknown activation, or a table of the wrong shape.

    Parameters, in flat order: weights w_ij by unit i, then input j in D_i (decision "flat order"); then the biases b_i.
    """

    units: int
    table: tables.TableLike | None = None
    activation: str = "identity"
    bias: bool = True

    def __post_init__(self) -> None:
        object.__setattr__(self, "units", map_count("Dense", "units", self.units))
        object.__setattr__(self, "table", tables.checked("Dense", self.table, self.units))
        object.__setattr__(self, "bias", truth("Dense", "bias", self.bias))
        self.check_activation()

    def output_maps(self, inputs: Maps) -> Maps:
        self._check_table(inputs)
        return Maps((self.units,))

    def _check_table(self, inputs: Maps) -> None:
        if self.table is not None and len(self.table[0]) not in (inputs.count, inputs.points):
            raise LayerError(
                f"{self}: the connection table has {len(self.table[0])} columns; it needs one an input map ({inputs.count}) "
                f"or one an input ({inputs.points})."
            )
        tables.check_room(str(self), self.units, inputs.points)

    def weight_mask(self, inputs: Maps) -> Array:
        """(units, inputs) booleans: True where a weight exists."""
        self._check_table(inputs)
        if self.table is not None and len(self.table[0]) == inputs.count:
            return np.asarray(self.table, dtype=bool)[:, inputs.owner]
        return tables.as_array(str(self), self.table, self.units, inputs.points)

    def parameters(self, inputs: Maps) -> tuple[Parameter, ...]:
        weights = Parameter("weights", self.multiply_adds(inputs))
        return (weights, Parameter("biases", self.units, decays=False)) if self.bias else (weights,)

    def initialize(self, inputs: Maps, rng: np.random.Generator) -> Array:
        weights = glorot_uniform(self.weight_mask(inputs), rng)
        return np.concatenate([weights, np.zeros(self.units if self.bias else 0)])

    def multiply_adds(self, inputs: Maps) -> int:
        # Counted without the mask, which is as large as the weights.
        self._check_table(inputs)
        if self.table is None:
            return self.units * inputs.points
        table = np.asarray(self.table)
        return int((table @ inputs.counts if table.shape[1] == inputs.count else table).sum())

    def needs(self, inputs: Maps) -> frozenset[str]:
        needs = set(super().needs(inputs))
        if self.table is not None:
            needs.add("tables")
        if not self.bias:
            needs.add("bias_free")
        return frozenset(needs)
