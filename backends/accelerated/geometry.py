"""What a convolution reads, makes, and by which windows: three axes, of which those that there are not have a size of 1."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

from gcnn.backends.accelerated.windows import as_volume
from gcnn.layers import Convolution
from gcnn.maps import Maps

AXES = (("DEPTH", "Z"), ("HEIGHT", "Y"), ("WIDTH", "X"))
Volume = tuple[int, int, int]


@dataclass(frozen=True)
class Geometry:
    """Of a convolution.

    Attributes:
        sources, maps: maps that are read and made.
        read, made: their depth, height and width.
        taps, stride, padding: along the same axes.
        shared: whether a map has one kernel for all that it reads.
        table: whether there is a connection table.
        weights: of all kernels; biases come behind them.
    """

    sources: int
    maps: int
    read: Volume
    made: Volume
    taps: Volume
    stride: Volume
    padding: Volume
    shared: bool
    table: bool
    weights: int

    @classmethod
    def of(cls, layer: Convolution, inputs: Maps) -> Geometry:
        """Of a layer that reads such maps."""
        outputs, (depth, height, width) = layer.output_maps(inputs), (0, 0, 0, *layer.paddings(inputs))[-3:]
        return cls(
            sources=inputs.count,
            maps=outputs.count,
            read=as_volume(inputs.box),
            made=as_volume(outputs.box),
            taps=as_volume(layer.kernel_box(inputs)),
            stride=as_volume(layer.strides(inputs)),
            padding=(depth, height, width),
            shared=layer.shared,
            table=layer.table is not None,
            weights=layer.parameter_count(inputs) - outputs.count,
        )

    @property
    def parameters(self) -> int:
        """Weights and biases."""
        return self.weights + self.maps

    @property
    def sizes(self) -> dict[str, int]:
        """As macros (kernels/convolution.h)."""
        sizes = {"IN_MAPS": self.sources, "OUT_MAPS": self.maps, "BIASES": self.weights}
        for n, (size, axis) in enumerate(AXES):
            sizes |= {f"IN_{size}": self.read[n], f"OUT_{size}": self.made[n]}
            sizes |= {f"TAPS_{axis}": self.taps[n], f"STRIDE_{axis}": self.stride[n], f"PAD_{axis}": self.padding[n]}
        return sizes

    @property
    def connections(self) -> float:
        """The part of all pairs of maps that have a kernel."""
        return self.weights / (prod(self.taps) * self.sources * self.maps) if not self.shared else 1.0

    @property
    def square(self) -> bool:
        """Whether taps are 3x3 in a plane, moved by 1, all of which exist, and are not all outside anywhere."""
        plane = self.taps == (1, 3, 3) and self.stride[1:] == (1, 1) and self.read[0] == 1
        return plane and not self.shared and not self.table and max(self.padding[1:]) <= 2

    def inside(self, axis: int) -> bool:
        """Whether all windows stay inside of what is read along an axis."""
        reached = (self.made[axis] - 1) * self.stride[axis] + self.taps[axis]
        return self.padding[axis] == 0 and reached <= self.read[axis]
