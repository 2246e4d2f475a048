"""Convolution on a device (kernels/convolution_*.cl)."""

from __future__ import annotations

from dataclasses import replace
from math import prod
from typing import Any, cast

import numpy as np

from gcnn.backends.accelerated.abreast import abreast
from gcnn.backends.accelerated.convolution_space import Spaces
from gcnn.backends.accelerated.geometry import Geometry
from gcnn.backends.accelerated.layer import DeviceLayer, slope
from gcnn.backends.accelerated.minimal import minimal
from gcnn.backends.accelerated.place import Place, tiles
from gcnn.backends.accelerated.rows import Rows
from gcnn.backends.accelerated.rows_cost import RowsCost, quickest_rows
from gcnn.backends.accelerated.runtime import Buffer
from gcnn.backends.accelerated.tuning.key import Problem
from gcnn.backends.accelerated.tuning.space import Parameters, Space
from gcnn.backends.accelerated.winograd import Shape, Winograd, WinogradGradient
from gcnn.backends.accelerated.work import Argument, Work
from gcnn.layers import Convolution, Layer
from gcnn.maps import Maps

LONGEST_LIST = 16384
"""Positions of kernels that fit into 64 KB, which every device has for constants."""
RUN = 256
"""Parameters whose parts one group adds."""


class DeviceConvolution(DeviceLayer):
    """By direct sums, which read kernels where they are in θ, or by a minimal algorithm; a table becomes positions of those that exist."""

    def __init__(self, place: Place) -> None:
        super().__init__(place)
        layer, inputs = cast(Convolution, place.stage.layer), place.stage.inputs
        self._geometry = geometry = Geometry.of(layer, inputs)
        self._options: dict[str, object] = {"SHARED_KERNELS": int(layer.shared)}
        self._offsets: tuple[Buffer, ...] = ()
        if layer.table is not None:
            self._list_kernels(kernel_offsets(layer, inputs))
        self._spaces = Spaces(
            place=place,
            geometry=geometry,
            unit=self._unit,
            computed=self._computed,
            abreast=abreast(place.kernels, geometry),
            rows=quickest_rows(place, geometry, self._unit),
        )
        self._forward = self._choose("forward", self._spaces.forward(), self._forward_options)
        brought = self._forward.get("MINIMAL", 0) > 0
        # One tile with φ' of a layer below and without.
        self._back = self._choose("backpropagate", self._spaces.back(brought), slope(None, place.dy_in)[0])
        self._gradient = self._choose("gradient", self._spaces.gradient(brought), {"SUM_SAMPLES": 1})
        passes = (self._forward, self._back, self._gradient)
        rows = {made: self._rows(made) for made in {tile.get("MINIMAL", 0) for tile in passes} - {0}}
        self._rows_forward, self._rows_back, self._rows_gradient = (rows.get(tile.get("MINIMAL", 0)) for tile in passes)
        # What the taps and the input are brought to serves all passes that make as many outputs at a time.
        self.remembers = self._rows_forward is not None and self._rows_forward in (self._rows_back, self._rows_gradient)
        self._winograd_forward = self._winograd(self._forward, self._spaces.shape, self._forward_options | {"BACK": 0})
        self._winograd_back = self._winograd(self._back, self._spaces.shape_back, {"BACK": 1})
        made = self._gradient.get("WINOGRAD")
        self._winograd_gradient = (
            WinogradGradient(place, self._spaces.shape, self._geometry.weights, made) if made else None
        )
        split = self._gradient["SPLIT"]
        self._parts = (
            place.kernels.alloc(split * self._geometry.parameters, "parts of a gradient") if split > 1 else None
        )

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
        return Winograd(self.place, shape, options | {"BIASES": self._geometry.weights}, tile)

    def _rows(self, made: int) -> Rows:
        """The convolution by a minimal algorithm that makes so many outputs of a row at a time."""
        how = minimal(made, self._geometry.taps[2], self._geometry.stride[2])
        assert how is not None, "no candidate"
        return Rows(RowsCost(self.place, self._geometry, how, self._unit), self._options, self._offsets)

    @property
    def _forward_options(self) -> dict[str, object]:
        return {"SAVE_Z": int(self.saves_z), "ACTIVATION": self.fused}

    def _choose(self, kernel: str, space: Space, options: dict[str, object]) -> Parameters:
        sizes = self._geometry.sizes | {"BLOCKS": self.place.blocks()}
        problem = Problem(f"convolution_{kernel}.cl", kernel, sizes, self._options | options)
        return self.tuned(space, problem)

    @classmethod
    def awkward(cls, layer: Layer, own: Maps, parameters: Parameters) -> list[tuple[Layer, Maps]]:
        """A map and a column more than a tile, forward and back; without the table, whose rows are of the layer's own maps."""
        convolution = cast(Convolution, layer)
        maps = parameters["MAPS_TILE"] + 1
        box = convolution.kernel_box(own)
        strides = convolution.strides(own)
        tile = (parameters.get("ROWS_TILE", 1), parameters.get("MINIMAL") or parameters.get("COLUMNS_TILE", 1))
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
        return self._geometry.made[1], self._geometry.made[2]

    def rounds(self, kernel: str) -> bool:
        tile = {"forward": self._forward, "backpropagate": self._back, "gradient": self._gradient}[kernel]
        return tile.get("WINOGRAD", 0) > 2 or tile.get("MINIMAL", 0) > 0  # by transforms that round

    def prepare(self, back: bool = False) -> list[Work]:
        winograd = self._winograd_back if back else self._winograd_forward
        return [winograd.filters()] if winograd else []

    def combine(self, samples: int) -> list[Work]:
        return [*self._points(samples), self._bind_forward(samples, self.place.z, self.target)]

    def _points(self, samples: int) -> list[Work]:
        """What the forward pass brings to points."""
        rows = self._rows_forward
        return [rows.filters(samples), rows.see(samples)] if rows else []

    def _bind_forward(self, samples: int, kept: Buffer, target: Buffer) -> Work:
        """The forward pass into `target`, with what it keeps."""
        place = self.place
        if self._winograd_forward:
            return self._winograd_forward.correlate(samples, place.y_in, kept, target)
        if self._rows_forward:
            return self._rows_forward.forward(samples, kept, target, self._forward_options)
        arguments = (place.y_in, place.theta, place.theta0, kept, target, *self._offsets)
        tile, (rows, columns) = self._forward, self._computed
        groups = self.place.blocks(samples) * self._geometry.made[0] * tiles(self._geometry.maps, tile["MAPS_TILE"])
        groups *= tiles(rows, tile["ROWS_TILE"]) * tiles(columns, tile["COLUMNS_TILE"])
        return self._bind("forward", "forward", groups, arguments, self._forward_options | dict(tile))

    def backpropagate(self, samples: int) -> list[Work]:
        place, tile = self.place, self._back
        if self._winograd_back:
            return [self._winograd_back.correlate(samples, place.dy, place.dy_in, place.dy_in)]
        options, values = slope(place.below, place.dy_in)
        if self._rows_back:
            filters = [] if self._rows_back is self._rows_forward else [self._rows_back.filters(samples)]
            return filters + self._rows_back.backpropagate(samples, values, options)
        groups = (
            place.blocks(samples)
            * self._geometry.read[0]
            * self._geometry.read[1]
            * tiles(self._geometry.sources, tile["MAPS_TILE"])
        )
        groups *= tiles(self._geometry.read[2], tile["COLUMNS_TILE"])
        arguments = (place.dy, place.theta, place.theta0, *values, place.dy_in, *self._offsets)
        return [self._bind("backpropagate", "backpropagate", groups, arguments, options | dict(tile))]

    @property
    def slopes_below(self) -> bool:
        return self.place.below is not None and self._winograd_back is None

    def gradient(self, samples: int) -> list[Work]:
        place = self.place
        if self._winograd_gradient:
            return self._winograd_gradient.works(samples)
        if self._rows_gradient:
            seen = [] if self._rows_gradient is self._rows_forward else [self._rows_gradient.see(samples)]
            return [*(replace(work, sums=()) for work in seen), self._rows_gradient.gradient(samples)]
        if self._parts is None:
            work = self._gradients(samples, place.gradient, self._geometry.parameters, place.theta0, 1, 1, place.add)
            return [replace(work, sums=(0, 1), gives=True)]
        parts = self._gradients(
            samples, self._parts, self._geometry.parameters, np.int64(0), self._gradient["SPLIT"], 1
        )
        arguments = (self._parts, place.gradient, place.theta0, place.add)
        return [
            parts,
            replace(self._bind_gradient("add_parts", tiles(self._geometry.parameters, RUN), arguments, 1), gives=True),
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
        place, maps = self.place, tiles(self._geometry.maps, self._gradient["MAPS_TILE"])
        groups = parts * maps * (self._kernel_tiles + 1 - self._biases_too)
        arguments = (place.dy, place.y_in, place.counts(samples)[0], rows, np.int64(width), first, add, *self._offsets)
        return self._bind_gradient("gradient", groups, arguments, sum_samples)

    @property
    def _kernel_tiles(self) -> int:
        """Of a map's kernels, in the gradient."""
        tile, inputs = (
            self._gradient,
            1 if self._geometry.shared else tiles(self._geometry.sources, self._gradient["INPUTS_TILE"]),
        )
        rows, taps = tiles(self._geometry.taps[1], tile["ROWS_TILE"]), tiles(self._geometry.taps[2], tile["TAPS_TILE"])
        return inputs * self._geometry.taps[0] * rows * taps

    @property
    def _biases_too(self) -> bool:
        """Whether items that compute weights add up the biases as well."""
        plane = self._geometry.read[0] == self._geometry.made[0] == 1 and not self._geometry.padding[0]
        return plane and not self._geometry.shared and not self._geometry.table and self._kernel_tiles == 1

    def _bind_gradient(self, kernel: str, groups: int, arguments: tuple[Any, ...], sum_samples: int) -> Work:
        defines = {**self._gradient, "SUM_SAMPLES": sum_samples, "RUN": RUN}
        defines["BIASES_TOO"] = int(self._biases_too)
        return self._bind("gradient", kernel, groups, arguments, defines)

    def _bind(self, file: str, kernel: str, groups: int, arguments: tuple[Any, ...], defines: dict[str, Any]) -> Work:
        every = self._geometry.sizes | self._options | defines
        return self.place.kernels.bind(f"convolution_{file}.cl", kernel, (groups,), arguments, **every)


def kernel_offsets(layer: Convolution, inputs: Maps) -> np.ndarray[Any, np.dtype[np.int64]]:
    """(maps, input maps): where the kernel of each connection begins among the layer's parameters, -1 where there is none."""
    table = layer.connections(inputs)
    exists = table.any(axis=1, keepdims=True) if layer.shared else table
    positions = (np.cumsum(exists) - 1).reshape(exists.shape) * prod(layer.kernel_box(inputs))
    return np.where(table, positions, -1)
