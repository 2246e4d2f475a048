"""Convolution where a block is one sample (kernels/convolution_tiled.cl): a group of threads shares one image.

This is what Hedberg's section 10.1.2 describes, and what its sections 9 and 10.1.1 advise for processors: tiles in shared memory or
none, filters in memory for constants, one launch or one for each filter. Which of it pays is for tuning to find out.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import cached_property
from math import prod
from typing import Any, NamedTuple, cast

import numpy as np

from gcnn.backends.accelerated.convolution import DeviceConvolution, kernel_offsets
from gcnn.backends.accelerated.convolution_cost import within
from gcnn.backends.accelerated.lanes import PLANES
from gcnn.backends.accelerated.place import Place, tiles
from gcnn.backends.accelerated.runtime import Buffer
from gcnn.backends.accelerated.tuning import cost
from gcnn.backends.accelerated.tuning.key import Problem
from gcnn.backends.accelerated.tuning.space import Constraint, Parameters, Space
from gcnn.backends.accelerated.work import Work
from gcnn.layers import Convolution, Layer
from gcnn.maps import Maps

FILE = "convolution_tiled.cl"
ROWS, COLUMNS = (1, 2, 4, 8, 16), (4, 8, 16, 32, 64)
"""Candidates for the work-items of a group."""
RUNTIMES = 0
"""Columns of a group that the runtime chooses."""
GROUP = 256
"""Work-items of a group, at most: more of them leave a GPU's units no second group to change to."""
WORK = (1, 4, 16, 64, 256, 1024)
"""Candidates for the outputs that an item computes where there is no tile; Hedberg's section 9 found 1000 best on a processor."""
HINT = 16
"""Items that a compiler may make one vector of, where it is told so."""
SMALL = 49
"""Taps of a filter that is small enough to be unrolled: 7 x 7."""
MOST_SPLITS = 4
"""Launches that filters in memory for constants may take where nothing is tuned; otherwise they stay in global memory."""
MOST_ALONE = 64
"""Filters for which a launch for each is tried."""
_CONSTRAINTS = (
    Constraint(
        "an item of a tile computes one output, with no hint",
        lambda p: not p["TILED"] or (p["TILE_X"] != RUNTIMES and p["WORK"] == 1 and p["HINT"] == 1),
    ),
    Constraint("groups without a tile have one row", lambda p: bool(p["TILED"]) or p["TILE_Y"] == 1),
)


class Part(NamedTuple):
    """What one launch takes: the weights from `begin` to before `end`, the maps that they make, the maps that these read."""

    begin: int
    end: int
    first_map: int
    maps: int
    first_source: int
    end_source: int


class DeviceTiledConvolution(DeviceConvolution):
    """Forward and back to the input; the gradient is DeviceConvolution's, in groups of one.

    Untuned it is what section 10.1.2 has for GPUs, on whatever device: a tile of Algorithm 4 for all images of the batch at once, and
    filters in memory for constants where few launches do. The benchmark on a processor is what section 9 advises there: groups that
    the runtime chooses, as many work-items as units, each with a block of rows, nothing unrolled, no memory but global.
    """

    def _choose(self, kernel: str, space: Space, options: dict[str, object]) -> Parameters:
        if kernel == "gradient":
            return super()._choose(kernel, space, options)
        back = kernel == "backpropagate"
        sizes = self._geometry.sizes | {"BLOCKS": self.place.blocks()}
        return self.tuned(self._tiled_space(back), Problem(FILE, kernel, sizes, self._options | self._pass(back)))

    def _pass(self, back: bool) -> dict[str, object]:
        return {"BACK": 1, "SAVE_Z": 0, "ACTIVATION": 0} if back else {"BACK": 0, **self._forward_options}

    @cached_property
    def _positions(self) -> np.ndarray[Any, np.dtype[np.int64]]:
        """(maps, input maps): where each kernel begins among the parameters, -1 where there is none."""
        return kernel_offsets(cast(Convolution, self.place.stage.layer), self.place.stage.inputs)

    @property
    def _fitting(self) -> int:
        """Filters that fit into memory for constants."""
        kernels = self.place.kernels
        return kernels.runtime.limits.constant_bytes // (prod(self._geometry.taps) * kernels.dtype.itemsize)

    @cached_property
    def _filters(self) -> Buffer:
        """Memory for the filters of one launch."""
        count = min(self._fitting * prod(self._geometry.taps), self._geometry.weights)
        return self.place.kernels.alloc(count, "filters of a launch")

    def _images(self, back: bool) -> cost.Images:
        """One plane of what is convolved, as the model of costs sees it: without borders, and as large as it is read."""
        made, taps = (self._geometry.read if back else self._geometry.made)[1:], self._geometry.taps[1:]
        # Back to the input a tile sees the less, the longer the stride; what it sees with 1 is enough.
        stride = (1, 1) if back else self._geometry.stride[1:]
        rows, columns = ((n - 1) * step + most for n, step, most in zip(made, stride, taps, strict=True))
        connections = max(int((self._positions >= 0).sum()), 1)
        maps, element = self._geometry.sources if back else self._geometry.maps, self.place.kernels.dtype.itemsize
        return cost.Images(
            (rows, columns), (taps[0], taps[1]), maps, connections, (stride[0], stride[1]), element=element
        )

    def _tiled_space(self, back: bool) -> Space:
        place, limits = self.place, self.place.kernels.runtime.limits
        images, depth = self._images(back), (self._geometry.read if back else self._geometry.made)[0]
        size, planes = images.written, place.blocks() * images.outputs * depth
        group = min(GROUP, limits.block_items)
        bounds = cost.Bounds(
            units=tiles(limits.compute_units, planes),
            group_items=group,
            shared_bytes=limits.shared_bytes,
            largest=(min(size[0], limits.block[1], group), min(size[1], limits.block[0], group)),
            constant_bytes=limits.constant_bytes,
        )
        tiling = cost.practical_tiling(images, bounds)
        kernels = self._geometry.weights // prod(self._geometry.taps)
        taps = (self._geometry.taps[0] * self._geometry.taps[1], self._geometry.taps[2])
        splits = cost.filter_launches(replace(images, taps=taps, connections=max(kernels, 1)), bounds)
        rows, columns = tiling.tile if tiling else (1, min(group, 64))
        free = {"TILE_Y": rows, "TILE_X": columns, "WORK": 1, "HINT": 1, "KERNELS": 0}
        default = free | {
            "TILED": int(tiling is not None),
            "UNROLL": int(prod(images.taps) <= SMALL),
            "CONSTANT_FILTERS": int(splits is not None and splits <= MOST_SPLITS),
        }
        is_cpu, outputs = place.kernels.runtime.device.kind == "cpu", planes * prod(size)
        share = tiles(tiles(outputs, limits.compute_units), size[1]) * size[1]
        advice = free | {"TILED": 0, "TILE_Y": 1, "TILE_X": RUNTIMES, "WORK": share, "UNROLL": 0, "CONSTANT_FILTERS": 0}

        def accesses(parameters: Parameters) -> float:
            if not parameters["TILED"]:
                return cost.naive(images).total
            tile = (parameters["TILE_Y"], parameters["TILE_X"])
            return cost.tiled(images, tile, (-size[0] % tile[0], -size[1] % tile[1])).total

        def shared_bytes(parameters: Parameters) -> int:
            return parameters["TILED"] * images.tile_bytes((parameters["TILE_Y"], parameters["TILE_X"]))

        return Space(
            parameters={
                "TILED": (1, 0),
                "TILE_Y": sorted({*within(ROWS, size[0]), rows}),
                "TILE_X": sorted({RUNTIMES, *within(COLUMNS, size[1]), columns}),
                "WORK": sorted({*within(WORK, outputs), *([share] if is_cpu else [])}),
                "UNROLL": (1, 0),
                "CONSTANT_FILTERS": (0,) if splits is None else (1, 0),
                "KERNELS": (0, 1) if 1 < kernels <= MOST_ALONE else (0,),
                "HINT": (1, HINT) if is_cpu else (1,),
            },
            default=default,
            benchmark=advice if is_cpu else default,
            constraints=_CONSTRAINTS,
            items=lambda parameters: parameters["TILE_Y"] * max(parameters["TILE_X"], 1),
            shared_bytes=shared_bytes,
            cost=accesses,
        )

    @classmethod
    def awkward(cls, layer: Layer, own: Maps, parameters: Parameters) -> list[tuple[Layer, Maps]]:
        """A row and a column more than a tile, of three maps that read two; the gradient's as in any layout."""
        if "TILED" not in parameters:
            return super().awkward(layer, own, parameters)
        convolution = cast(Convolution, layer)
        box, strides = convolution.kernel_box(own), convolution.strides(own)
        tile = (parameters["TILE_Y"], max(parameters["TILE_X"], 4))
        more = [1] * max(len(box) - 2, 0) + [*tile][-len(box) :]
        size = tuple(n + extra * step for n, extra, step in zip(box, more, strides, strict=True))
        return [(replace(convolution, maps=3, table=None, remainder="floor"), Maps((2, *size)))]

    def combine(self, samples: int) -> list[Work]:
        return self._convolve(False, samples, self.place.y_in, self.place.z, self.target)

    def backpropagate(self, samples: int) -> list[Work]:
        return self._convolve(True, samples, self.place.dy, self.place.dy_in, self.place.dy_in)

    def _convolve(self, back: bool, samples: int, source: Buffer, kept: Buffer, target: Buffer) -> list[Work]:
        place, chosen = self.place, self._back if back else self._forward
        parts = list(self._parts_of(back, chosen))
        defines = self._geometry.sizes | self._options | self._pass(back) | {"SPLIT_KERNELS": int(len(parts) > 1)}
        defines |= {name: chosen[name] for name in ("UNROLL", "CONSTANT_FILTERS")}
        launches = []
        for part in parts:
            filters, filter0 = place.theta, place.theta0
            # A launch that finds all of theta in memory for constants needs no copy.
            if chosen["CONSTANT_FILTERS"] and place.theta.nbytes > place.kernels.runtime.limits.constant_bytes:
                filters, filter0 = self._filters, np.int64(-part.begin)
                launches.append(self._take_filters(part, defines))
            arguments = (source, place.theta, place.theta0, filters, filter0, *map(np.int32, part), np.int32(samples))
            launches.append(self._bind_part(back, samples, part, (*arguments, kept, target, *self._offsets), defines))
        return launches

    def _bind_part(
        self, back: bool, samples: int, part: Part, arguments: tuple[Any, ...], defines: dict[str, Any]
    ) -> Work:
        chosen, (depth, rows, columns) = (
            self._back if back else self._forward,
            self._geometry.read if back else self._geometry.made,
        )
        images, items = samples * part.maps * depth, chosen["TILE_X"]
        grid: tuple[int, ...]
        block: tuple[int, ...] | None
        if chosen["TILED"]:
            kernel, free, block = "tiled", ("TILE_Y", "TILE_X"), (items, chosen["TILE_Y"])
            grid = images * tiles(rows, chosen["TILE_Y"]) * tiles(columns, items), 1
        else:
            work = tiles(images * rows * columns, chosen["WORK"])
            kernel, free, block = "untiled", ("WORK", "HINT"), None if items == RUNTIMES else (items,)
            grid = (work if block is None else tiles(work, items),)
        defines = defines | {name: chosen[name] for name in free}
        return self.place.kernels.bind_blocks(FILE, kernel, grid, block, arguments, **defines)

    def _take_filters(self, part: Part, options: dict[str, Any]) -> Work:
        place, count = self.place, part.end - part.begin
        arguments = (place.theta, np.int64(place.theta0 + part.begin), np.int32(count), self._filters)
        return place.kernels.bind_blocks(FILE, "take_filters", (max(count, 1),), None, arguments, **options)

    def _parts_of(self, back: bool, chosen: Parameters) -> Iterator[Part]:
        """Launches, in the order of their filters; all that fit into memory for constants, or one filter each."""
        positions, taps = self._positions.T if back else self._positions, prod(self._geometry.taps)
        count = self._geometry.weights
        filters = 1 if chosen["KERNELS"] else (self._fitting if chosen["CONSTANT_FILTERS"] else count)
        for begin in range(0, max(count, 1), max(filters, 1) * taps):
            end = min(begin + filters * taps, count)
            taken = (positions >= begin) & (positions < end)
            made, read = np.flatnonzero(taken.any(axis=1)), np.flatnonzero(taken.any(axis=0))
            if begin == 0 and (positions < 0).all(axis=1).any():
                made = np.arange(len(positions))  # maps without a filter are made by the first launch
            if not len(read):
                yield Part(begin, end, 0, len(positions), 0, 0)
            else:
                yield Part(begin, end, int(made[0]), int(made[-1] - made[0]) + 1, int(read[0]), int(read[-1]) + 1)


def device_convolution(place: Place) -> DeviceConvolution:
    """The family of kernels that suits how samples are laid out."""
    return (DeviceTiledConvolution if place.kernels.lanes.style == PLANES else DeviceConvolution)(place)
