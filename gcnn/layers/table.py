"""Connection tables: D_i, the input maps that feed output map i (Hedberg 2015, Table 1).

A table is (outputs, inputs) booleans, True where connected. D is stored and C_j, the outputs fed by input j, is its
transpose: i ∈ C_j ⇔ j ∈ D_i.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from gcnn.errors import LayerError
from gcnn.maps import Array

Table = tuple[tuple[bool, ...], ...]
TableLike = Sequence[Sequence[int]] | Array
"""What a layer takes: rows of booleans, or of 0 and 1. It keeps a `Table`."""

MOST_WEIGHTS = 2**31 - 1
"""The most weights of a layer, counting those that a table leaves out: what a 32-bit index can reach, on any device."""


def checked(layer: str, table: Any, outputs: int | None = None) -> Table | None:
    """Normalise any array-like table to tuples of booleans; None stays None."""
    if table is None:
        return None
    try:
        array = np.asarray(table)
    except ValueError as error:
        raise LayerError(f"{layer}: the rows of the connection table differ in length.") from error
    if array.ndim != 2 or array.size == 0 or not np.isin(array, (0, 1)).all():
        raise LayerError(
            f"{layer}: a connection table is (outputs, inputs) booleans, True where connected; "
            f"got shape {array.shape}, dtype {array.dtype}."
        )
    if outputs is not None and len(array) != outputs:
        raise LayerError(
            f"{layer}: the connection table has {len(array)} rows, but the layer has {outputs} outputs. Give one row an output."
        )
    return tuple(tuple(bool(entry) for entry in row) for row in array.tolist())


def check_room(layer: str, outputs: int, inputs: int) -> None:
    """Raise `LayerError` where every output connected to every input would be more than `MOST_WEIGHTS`."""
    if outputs * inputs > MOST_WEIGHTS:
        raise LayerError(f"{layer}: more than {MOST_WEIGHTS} weights between its inputs and outputs. Use smaller maps.")


def as_array(layer: str, table: TableLike | None, outputs: int, inputs: int) -> Array:
    """The table as an (outputs, inputs) boolean array, all True where it is None."""
    check_room(layer, outputs, inputs)
    if table is None:
        return np.ones((outputs, inputs), dtype=bool)
    if len(table[0]) != inputs:
        raise LayerError(
            f"{layer}: the connection table has {len(table[0])} columns, but there are {inputs} inputs. "
            f"Its shape must be ({outputs}, {inputs})."
        )
    return np.asarray(table, dtype=bool)


def _lenet5_c3() -> Table:
    """LeCun et al. 1998, Table I: 6 maps read 3 neighbouring inputs, 6 read 4, 3 read 4 with a gap, 1 reads all 6."""
    rows = [{i, (i + 1) % 6, (i + 2) % 6} for i in range(6)]
    rows += [{(i + k) % 6 for k in range(4)} for i in range(6)]
    rows += [{i, i + 1, (i + 3) % 6, (i + 4) % 6} for i in range(3)]
    rows += [set(range(6))]
    return tuple(tuple(j in row for j in range(6)) for row in rows)


LENET5_C3: Table = _lenet5_c3()
"""The 60 connections of layer C3 of LeNet-5."""
