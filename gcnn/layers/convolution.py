"""Convolution layer (Hedberg 2015, Eqs. 60-81; delmas, Eqs. 35-47).

    z_i(x) = b_i + Σ_{j∈D_i} Σ_u y_j(k x + u - p) ω_ij(u)        y_i = φ(z_i)

This is a cross-correlation: the kernel is never flipped. x and u are multi-indices of any dimension, k is the stride per axis, and
p the zero padding (an extension; 0 in the papers).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Any, cast

import numpy as np

from gcnn.errors import LayerError
from gcnn.layers import table as tables
from gcnn.layers.base import Layer, Parameter, map_count, per_axis, register_layer, truth, whole_numbers
from gcnn.layers.initial import glorot_shared, glorot_uniform
from gcnn.layers.windows import like_window_maps, window_maps
from gcnn.maps import Array, Maps, Size, last_axes


@register_layer
@dataclass(frozen=True)
class Convolution(Layer):
    """Convolve the connected input maps with learned kernels.

    Args:
        maps: number of output maps.
        kernel: taps per axis; one integer serves all axes, `(3, 5)` gives one an axis, and a list of sizes such as
            `[(3, 3), (5, 5)]` gives one a connection, in order i, then j in D_i (Remark 3).
        stride: step per axis, one integer or one an axis.
        padding: zeros added on every side, per axis.
        table: (maps, input maps) booleans, True where connected; None connects all.
        shared: one kernel a map, used on all its inputs, ω_ij = ω_i (Remark 2), instead of one a connection.
        remainder: "floor" drops input cells that the last window misses (Hedberg); "error" refuses them (delmas).
        activation: name of φ.
        output: the coordinates to compute, as `Maps`; reads outside the input maps count as zero. None computes
            every complete window.

    Raises:
        LayerError: the kernel is larger than a map it reads, a stride of 0, a table of the wrong shape, kernels of
            several sizes where there must be one, or an unknown activation.

    Parameters, in flat order: kernels ω_ij by i, then j in D_i, then taps in C order (ω_i where shared), only those
    that exist; then the biases b_i.
    """

    spatial = True
    maps: int
    kernel: int | Sequence[int] | Sequence[Sequence[int]]
    stride: int | Size = 1
    padding: int | Size = 0
    table: tables.TableLike | None = None
    shared: bool = False
    remainder: str = "floor"
    activation: str = "identity"
    output: Maps | None = None

    def __post_init__(self) -> None:
        name = "Convolution"
        object.__setattr__(self, "maps", map_count(name, "maps", self.maps))
        object.__setattr__(self, "kernel", _kernel(self.kernel))
        object.__setattr__(self, "stride", whole_numbers(name, "stride", self.stride))
        object.__setattr__(self, "padding", whole_numbers(name, "padding", self.padding, least=0))
        object.__setattr__(self, "table", tables.checked(name, self.table, self.maps))
        object.__setattr__(self, "shared", truth(name, "shared", self.shared))
        if self.remainder not in ("floor", "error"):
            raise LayerError(f'{name}: remainder must be "floor" or "error", got {self.remainder!r}.')
        if self.shared and self._mixed:
            raise LayerError(f"{name}: a shared kernel has one size; give kernel as one integer or one an axis.")
        if self.output is not None:
            object.__setattr__(self, "output", Maps(self.output))
            if self.remainder == "error":
                raise LayerError(
                    f"{name}: output= says which points to compute, so remainder='error' has no meaning; leave one out."
                )
            if self.output.count != self.maps:
                raise LayerError(f"{name}: output describes {self.output.count} maps, but the layer has {self.maps}.")
        self.check_activation()

    @property
    def _mixed(self) -> bool:
        return isinstance(self.kernel, tuple) and isinstance(self.kernel[0], tuple)

    @property
    def _size(self) -> int | Size:
        """The kernel where it is one for all connections."""
        return cast(int | Size, self.kernel)

    def connections(self, inputs: Maps) -> Array:
        """(maps, input maps) booleans: the table."""
        return tables.as_array(str(self), self.table, self.maps, inputs.count)

    def strides(self, inputs: Maps) -> Size:
        """Step per axis."""
        return per_axis(str(self), "stride", self.stride, inputs.dimensions)

    def paddings(self, inputs: Maps) -> Size:
        """Zeros before the first cell, per axis."""
        return per_axis(str(self), "padding", self.padding, inputs.dimensions)

    def taps(self, inputs: Maps) -> list[tuple[int, int, Size]]:
        """(i, j, taps per axis) of every connection, in flat order."""
        if self._mixed and self.table is None and len(cast(Size, self.kernel)) != self.maps * inputs.count:
            raise self._wrong_count(self.maps * inputs.count)
        pairs = [(int(i), int(j)) for i, j in np.argwhere(self.connections(inputs))]
        if not self._mixed:
            size = per_axis(str(self), "kernel", self._size, inputs.dimensions)
            return [(i, j, size) for i, j in pairs]
        sizes: Any = self.kernel
        if len(sizes) != len(pairs):
            raise self._wrong_count(len(pairs))
        return [
            (i, j, per_axis(str(self), "kernel", size, inputs.dimensions))
            for (i, j), size in zip(pairs, sizes, strict=True)
        ]

    def _wrong_count(self, connections: int) -> LayerError:
        sizes = len(cast(Size, self.kernel))
        return LayerError(
            f"{self}: kernel lists {sizes} sizes, but there are {connections} connections. Give one a connection."
        )

    def kernel_box(self, inputs: Maps) -> Size:
        """Taps per axis of a box that holds every kernel of the layer."""
        if not self._mixed:
            return per_axis(str(self), "kernel", self._size, inputs.dimensions)
        return tuple(max(axis) for axis in zip(*(size for _, _, size in self.taps(inputs)), strict=True))

    def kernel_mask(self, inputs: Maps) -> Array:
        """(maps, input maps, *kernel box) booleans, True where a tap exists; (maps, *kernel box) where shared."""
        box = self.kernel_box(inputs)
        tables.check_room(str(self), self.maps, inputs.count * prod(box))
        if not self._mixed:
            table = self.connections(inputs)
            table = np.asarray(table.any(axis=1)) if self.shared else table
            return np.broadcast_to(table.reshape(*table.shape, *[1] * len(box)), (*table.shape, *box)).copy()
        mask = np.zeros((self.maps, inputs.count, *box), dtype=bool)
        for i, j, size in self.taps(inputs):
            mask[i, j][last_axes(slice(n) for n in size)] = True
        return mask

    def output_maps(self, inputs: Maps) -> Maps:
        if inputs.dimensions == 0:
            raise LayerError(
                f"{self}: the inputs are {inputs}, single values without axes; a convolution needs images. Put it before the dense layers."
            )
        self._check(inputs)
        stride, padding = self.strides(inputs), self.paddings(inputs)
        if self.output is not None:
            return self.output
        if not self._mixed and (inputs.uniform or self.table is None):
            box = self.kernel_box(inputs)
            return like_window_maps(str(self), inputs, self.maps, box, stride, padding, self.remainder)
        sources: list[list[tuple[int, Size]]] = [[] for _ in range(self.maps)]
        for i, j, size in self.taps(inputs):
            sources[i].append((j, size))
        # A map without inputs is its bias everywhere (decision "dead maps"); it is given the points of a fully connected map.
        every = [(j, self.kernel_box(inputs)) for j in range(inputs.count)]
        return window_maps(
            str(self),
            inputs,
            [s or every for s in sources],
            stride,
            padding,
            self.remainder,
        )

    def _check(self, inputs: Maps) -> None:
        """Whether kernels, table and output fit the inputs, found without laying out a single kernel."""
        if self._mixed:
            self.taps(inputs)
        tables.check_room(str(self), self.maps, inputs.count * prod(self.kernel_box(inputs)))
        if self.table is not None:
            self.connections(inputs)
        if self.output is not None and self.output.dimensions != inputs.dimensions:
            raise LayerError(
                f"{self}: output has {self.output.dimensions} axes, the input maps have {inputs.dimensions}."
            )

    def _fan_ins(self, inputs: Maps) -> Array:
        """(maps,) taps that feed one cell of each output map, over all its inputs."""
        if self._mixed:
            taps = self.taps(inputs)
            return np.bincount([i for i, _, _ in taps], [prod(size) for _, _, size in taps], self.maps).astype(np.int64)
        cells = prod(self.kernel_box(inputs))
        if self.table is None:
            return np.broadcast_to(inputs.count * cells, self.maps)
        return self.connections(inputs).sum(axis=1) * cells

    def parameters(self, inputs: Maps) -> tuple[Parameter, ...]:
        fan_ins = self._fan_ins(inputs)
        kernels = np.count_nonzero(fan_ins) * prod(self.kernel_box(inputs)) if self.shared else fan_ins.sum()
        return (Parameter("kernels", int(kernels)), Parameter("biases", self.maps, decays=False))

    def initialize(self, inputs: Maps, rng: np.random.Generator) -> Array:
        mask = self.kernel_mask(inputs)
        kernels = glorot_shared(mask, self.connections(inputs), rng) if self.shared else glorot_uniform(mask, rng)
        return np.concatenate([kernels, np.zeros(self.maps)])

    def multiply_adds(self, inputs: Maps) -> int:
        outputs, fan_ins = self.output_maps(inputs), self._fan_ins(inputs)
        return int(prod(outputs.box) * fan_ins.sum() if outputs.uniform else np.asarray(outputs.counts) @ fan_ins)

    def needs(self, inputs: Maps) -> frozenset[str]:
        needs = set(super().needs(inputs))
        conditions = {
            "tables": self.table is not None,
            "shared_kernels": self.shared,
            "mixed_kernels": self._mixed,
            "strides": any(k != 1 for k in self.strides(inputs)),
            "padding": any(self.paddings(inputs)),
            "irregular_maps": self.output is not None,
        }
        return frozenset(needs | {need for need, needed in conditions.items() if needed})


def _kernel(kernel: Any) -> int | Size | tuple[Size, ...]:
    """One integer, one an axis, or (nested) one size a connection."""
    if isinstance(kernel, list | tuple) and kernel and all(isinstance(size, list | tuple) for size in kernel):
        return tuple(cast(Size, whole_numbers("Convolution", "kernel", size)) for size in kernel)
    return whole_numbers("Convolution", "kernel", kernel)
