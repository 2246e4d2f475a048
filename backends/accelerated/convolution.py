"""Convolution on a device (kernels/convolution_*.cl)."""

from __future__ import annotations

from dataclasses import replace
from math import prod
from typing import Any, cast

import numpy as np

from gcnn.backends.accelerated.abreast import abreast
from gcnn.backends.accelerated.convolution_space import Spaces
from gcnn.backends.accelerated.layer import DeviceLayer, slope
from gcnn.backends.accelerated.place import Place, tiles
from gcnn.backends.accelerated.runtime import Buffer
from gcnn.backends.accelerated.tuning.key import Problem
from gcnn.backends.accelerated.tuning.space import Parameters, Space
from gcnn.backends.accelerated.windows import as_volume
from gcnn.backends.accelerated.winograd import Shape, Winograd, WinogradGradient
from gcnn.backends.accelerated.work import Argument, Work
from gcnn.layers import Convolution, Layer
from gcnn.maps import Maps

LONGEST_LIST = 16384
"""Positions of kernels that fit into 64 KB, which every device has for constants."""
RUN = 256
"""Parameters whose parts one group adds."""


class DeviceConvolution(DeviceLayer):
    """Kernels are read where they lie in θ; a table becomes the positions of those that exist."""

    def __init__(self, place: Place) -> None:
        super().__init__(place)
        layer, inputs, outputs = cast(Convolution, place.stage.layer), place.stage.inputs, place.stage.outputs
        self._made, self._read, self._taps = (
            as_volume(size) for size in (outputs.box, inputs.box, layer.kernel_box(inputs))
        )
        self._maps, self._sources, self._shared = outputs.count, inputs.count, layer.shared
        self._stride = as_volume(layer.strides(inputs))
        self._parameters = layer.parameter_count(inputs)
        self._padding = padding = tuple((0, 0, 0, *layer.paddings(inputs))[-3:])
        self._sizes = {"IN_MAPS": self._sources, "OUT_MAPS": self._maps, "BIASES": self._parameters - self._maps}
        for name, *values in zip(("DEPTH", "HEIGHT", "WIDTH"), self._read, self._made, strict=True):
            self._sizes |= {f"{which}_{name}": value for which, value in zip(("IN", "OUT"), values, strict=True)}
        shape = zip("ZYX", self._taps, self._stride, padding, strict=True)
        for axis, *values in shape:
            names = ("TAPS", "STRIDE", "PAD")
            self._sizes |= {f"{which}_{axis}": value for which, value in zip(names, values, strict=True)}
        self._options: dict[str, object] = {"SHARED_KERNELS": int(layer.shared)}
        self._offsets: tuple[Buffer, ...] = ()
        if layer.table is not None:
            self._list_kernels(kernel_offsets(layer, inputs))
        self._spaces = Spaces(
            place=place,
            sources=self._sources,
            maps=self._maps,
            read=self._read,
            made=self._made,
            taps=self._taps,
            stride=self._stride,
            padding=padding,
            shared=layer.shared,
            table=layer.table is not None,
            unit=self._unit,
            computed=self._computed,
            abreast=abreast(place.kernels, layer, inputs),
        )
        self._forward = self._choose("forward", self._spaces.forward(), self._forward_options)
        # One tile with φ' of a layer below and without.
        self._back = self._choose("backpropagate", self._spaces.back(), slope(None, place.dy_in)[0])
        self._gradient = self._choose("gradient", self._spaces.gradient(), {"SUM_SAMPLES": 1})
        self._winograd_forward = self._winograd(self._forward, self._spaces.shape, self._forward_options | {"BACK": 0})
        self._winograd_back = self._winograd(self._back, self._spaces.shape_back, {"BACK": 1})
        made = self._gradient.get("WINOGRAD")
        self._winograd_gradient = (
            WinogradGradient(place, self._spaces.shape, self._sizes["BIASES"], made) if made else None
        )
        split = self._gradient["SPLIT"]
        self._parts = place.kernels.alloc(split * self._parameters, "parts of a gradient") if split > 1 else None

    def _list_kernels(self, offsets: np.ndarray[Any, np.dtype[np.int64]]) -> None:
        if offsets.size <= LONGEST_LIST:
            self._options["KERNEL_OFFSETS"] = ",".join(map(str, offsets.ravel()))
        else:
            self._options["KERNEL_LIST"] = 1
            self._offsets = (self.place.kernels.constant(offsets.astype(np.int32), "positions of kernels"),)

    def _winograd(self, tile: Parameters, shape: Shape, options: dict[str, object]) -> Winograd | None:
        """The convolution of that shape by Winograd's algorithm, where the tile says so."""
        if not tile.get("WINOGRAD"):
            return None
        return Winograd(self.place, shape, options | {"BIASES": self._sizes["BIASES"]}, tile)

    @property
    def _forward_options(self) -> dict[str, object]:
        return {"SAVE_Z": int(self.saves_z), "ACTIVATION": self.fused}

    def _choose(self, kernel: str, space: Space, options: dict[str, object]) -> Parameters:
        sizes = self._sizes | {"BLOCKS": self.place.blocks()}
        problem = Problem(f"convolution_{kernel}.cl", kernel, sizes, self._options | options)
        return self.tuned(space, problem)

    @classmethod
    def awkward(cls, layer: Layer, own: Maps, parameters: Parameters) -> list[tuple[Layer, Maps]]:
        """A map and a column more than a tile, forward and back; without the table, whose rows are of the layer's own maps."""
        convolution = cast(Convolution, layer)
        maps = parameters["MAPS_TILE"] + 1
        box = convolution.kernel_box(own)
        strides = convolution.strides(own)
        tile = (parameters.get("ROWS_TILE", 1), parameters.get("COLUMNS_TILE", 1))
        more = [1] * max(len(box) - 2, 0) + [n + 1 for n in tile][-len(box) :]
        size = [n + extra * step for n, extra, step in zip(box, more, strides, strict=True)]
        if "ROWS_TILE" not in parameters and tile[1] % strides[-1]:  # on the way back, a whole row
            size[-1] = own.box[-1]
        small = Maps((max(maps, parameters.get("INPUTS_TILE", 1) + 2), *size))
        return [(replace(convolution, maps=maps, table=None, remainder="floor"), small)]

    @property
    def _unit(self) -> tuple[int, int]:
        """Rows and columns that a tile of outputs holds whole numbers of."""
        return 1, 1

    @property
    def _computed(self) -> tuple[int, int]:
        """Rows and columns of outputs that are computed."""
        return self._made[1], self._made[2]

    def rounds(self, kernel: str) -> bool:
        tile = {"forward": self._forward, "backpropagate": self._back, "gradient": self._gradient}[kernel]
        return tile.get("WINOGRAD", 0) > 2  # whose matrices have thirds

    def prepare(self, back: bool = False) -> list[Work]:
        winograd = self._winograd_back if back else self._winograd_forward
        return [winograd.filters()] if winograd else []

    def combine(self, samples: int) -> list[Work]:
        place = self.place
        return [self._bind_forward(samples, place.z, self.target)]

    def _bind_forward(self, samples: int, kept: Buffer, target: Buffer) -> Work:
        """The forward pass into `target`, with what it keeps."""
        place = self.place
        if self._winograd_forward:
            return self._winograd_forward.correlate(samples, place.y_in, kept, target)
        arguments = (place.y_in, place.theta, place.theta0, kept, target, *self._offsets)
        tile, (rows, columns) = self._forward, self._computed
        groups = self.place.blocks(samples) * self._made[0] * tiles(self._maps, tile["MAPS_TILE"])
        groups *= tiles(rows, tile["ROWS_TILE"]) * tiles(columns, tile["COLUMNS_TILE"])
        return self._bind("forward", "forward", groups, arguments, self._forward_options | dict(tile))

    def backpropagate(self, samples: int) -> list[Work]:
        place, tile = self.place, self._back
        if self._winograd_back:
            return [self._winograd_back.correlate(samples, place.dy, place.dy_in, place.dy_in)]
        groups = place.blocks(samples) * self._read[0] * self._read[1] * tiles(self._sources, tile["MAPS_TILE"])
        groups *= tiles(self._read[2], tile["COLUMNS_TILE"])
        options, values = slope(place.below, place.dy_in)
        arguments = (place.dy, place.theta, place.theta0, *values, place.dy_in, *self._offsets)
        return [self._bind("backpropagate", "backpropagate", groups, arguments, options | dict(tile))]

    @property
    def slopes_below(self) -> bool:
        return self.place.below is not None and self._winograd_back is None

    def gradient(self, samples: int) -> list[Work]:
        place = self.place
        if self._winograd_gradient:
            return self._winograd_gradient.works(samples)
        if self._parts is None:
            work = self._gradients(samples, place.gradient, self._parameters, place.theta0, 1, 1, place.add)
            return [replace(work, sums=(0, 1), gives=True)]
        parts = self._gradients(samples, self._parts, self._parameters, np.int64(0), self._gradient["SPLIT"], 1)
        arguments = (self._parts, place.gradient, place.theta0, place.add)
        return [
            parts,
            replace(self._bind_gradient("add_parts", tiles(self._parameters, RUN), arguments, 1), gives=True),
        ]

    def sample_gradients(self, samples: int, rows: Buffer, width: int) -> list[Work]:
        return [self._gradients(samples, rows, width, self.place.theta0, self.place.blocks(samples), 0)]

    def _gradients(
        self,
        samples: int,
        rows: Buffer,
        width: int,
        first: np.int64,
        parts: int,
        sum_samples: int,
        add: Argument = np.int32(0),  # noqa: B008  # it cannot change
    ) -> Work:
        place, maps = self.place, tiles(self._maps, self._gradient["MAPS_TILE"])
        groups = parts * maps * (self._kernel_tiles + 1 - self._biases_too)
        arguments = (place.dy, place.y_in, place.counts(samples)[0], rows, np.int64(width), first, add, *self._offsets)
        return self._bind_gradient("gradient", groups, arguments, sum_samples)

    @property
    def _kernel_tiles(self) -> int:
        """Of a map's kernels, in the gradient."""
        tile, inputs = self._gradient, 1 if self._shared else tiles(self._sources, self._gradient["INPUTS_TILE"])
        rows, taps = tiles(self._taps[1], tile["ROWS_TILE"]), tiles(self._taps[2], tile["TAPS_TILE"])
        return inputs * self._taps[0] * rows * taps

    @property
    def _biases_too(self) -> bool:
        """Whether items that compute weights add up the biases as well."""
        plane = self._read[0] == self._made[0] == 1 and not self._padding[0]
        return plane and not self._shared and not self._spaces.table and self._kernel_tiles == 1

    def _bind_gradient(self, kernel: str, groups: int, arguments: tuple[Any, ...], sum_samples: int) -> Work:
        defines = {**self._gradient, "SUM_SAMPLES": sum_samples, "RUN": RUN}
        defines["BIASES_TOO"] = int(self._biases_too)
        return self._bind("gradient", kernel, groups, arguments, defines)

    def _bind(self, file: str, kernel: str, groups: int, arguments: tuple[Any, ...], defines: dict[str, Any]) -> Work:
        every = self._sizes | self._options | defines
        return self.place.kernels.bind(f"convolution_{file}.cl", kernel, (groups,), arguments, **every)


def kernel_offsets(layer: Convolution, inputs: Maps) -> np.ndarray[Any, np.dtype[np.int64]]:
    """(maps, input maps): where the kernel of each connection begins among the layer's parameters, -1 where there is none."""
    table = layer.connections(inputs)
    exists = table.any(axis=1, keepdims=True) if layer.shared else table
    positions = (np.cumsum(exists) - 1).reshape(exists.shape) * prod(layer.kernel_box(inputs))
    return np.where(table, positions, -1)
