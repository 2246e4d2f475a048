"""A convolution by minimal algorithms for rows of taps (kernels/convolution_rows*.cl), bound to its place."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from math import prod

from gcnn.backends.accelerated.place import tiles
from gcnn.backends.accelerated.rows_cost import RowsCost
from gcnn.backends.accelerated.runtime import Buffer
from gcnn.backends.accelerated.work import Argument, Work


class Rows:
    """Every method gives works for so many samples, in order.

    Args:
        costs: the layer's place and geometry, the algorithm, and which tiles its kernels take.
        options: macros of the layer: its table.
        offsets: the same, where it is an argument.
    """

    def __init__(self, costs: RowsCost, options: Mapping[str, object], offsets: Sequence[Buffer]) -> None:
        self._costs, self._place, self._geometry = costs, costs.place, costs.geometry
        self._offsets, self._how = tuple(offsets), costs.how
        self._together = self._place.kernels.chained
        own = {**costs.how.defines, "WEIGHTS_BLOCKS": self._together}
        self._defines: dict[str, object] = {**costs.geometry.sizes, **options, **own}

    @cached_property
    def _weights(self) -> Buffer:
        count = self._how.points * self._tap_rows * tiles(self._place.blocks(), self._together)
        return self._place.kernels.alloc(count, f"points of {self._place.stage.layer}")

    @cached_property
    def _seen(self) -> Buffer:
        return self._formed(self._geometry.sources * prod(self._geometry.read[:2]), "values")

    @cached_property
    def _slopes(self) -> Buffer:
        return self._formed(self._geometry.maps * prod(self._geometry.made[:2]), "slopes")

    def _formed(self, rows: int, what: str) -> Buffer:
        kernels = self._place.kernels
        count = self._how.points * (rows * self._costs.row_tiles + 1) * kernels.lanes.count
        return kernels.alloc(self._place.blocks() * count, f"points of {what} of {self._place.stage.layer}")

    @property
    def _tap_rows(self) -> int:
        return self._geometry.weights // self._geometry.taps[2]

    def filters(self, samples: int) -> Work:
        """The taps brought to points, for `forward` and `backpropagate`; by each item of a chain for itself, which takes less than a launch
        before it.
        """
        place = self._place
        groups = tiles(self._tap_rows, place.kernels.lanes.count), tiles(place.blocks(samples), self._together)
        arguments = (place.theta, place.theta0, self._weights)
        return self._bind("", "filters", groups, arguments, BLOCKS_TILE=self._together)

    def see(self, samples: int) -> Work:
        """What the layer reads brought to points, for `forward` and `gradient`."""
        rows = self._geometry.sources * prod(self._geometry.read[:2])
        return self._bind("", "see", (rows, self._place.blocks(samples)), (self._place.y_in, self._seen))

    def forward(self, samples: int, kept: Buffer, target: Buffer, options: Mapping[str, object]) -> Work:
        """Into `target`, and what is kept of it; the layer's options say what that is."""
        place, tile = self._place, self._costs.forward
        arguments: list[Argument] = [self._seen, self._weights, place.theta, place.theta0, kept, target, *self._offsets]
        groups = (place.blocks(samples) * tile.items,)
        return self._bind("_forward", "forward", groups, arguments, **options, **tile.defines)

    def backpropagate(self, samples: int, values: Sequence[Buffer], options: Mapping[str, object]) -> list[Work]:
        """From δ, brought to points, to the input; `values` and options are for φ' of the layer below."""
        place, tile, own = self._place, self._costs.back, self._geometry
        assert tile is not None, "rows that are too wide"
        rows, blocks = own.maps * prod(own.made[:2]), place.blocks(samples)
        arguments = (self._slopes, self._weights, *values, place.dy_in, *self._offsets)
        return [
            self._bind("", "spread", (rows, blocks), (place.dy, self._slopes)),
            self._bind("_backpropagate", "backpropagate", (blocks * tile.items,), arguments, **options, **tile.defines),
        ]

    def gradient(self, samples: int) -> Work:
        """From δ and what was `see`n to the gradient."""
        place, tile = self._place, self._costs.gradient
        assert tile is not None, "rows that are too wide"
        count, _ = place.counts(samples)
        arguments: list[Argument] = [
            place.dy,
            self._seen,
            count,
            place.gradient,
            place.theta0,
            place.add,
            *self._offsets,
        ]
        work = self._bind("_gradient", "gradient", (tile.items,), arguments, **tile.defines)
        return replace(work, sums=(0, 1), gives=True)

    def _bind(
        self, file: str, kernel: str, groups: Sequence[int], arguments: Sequence[Argument], **defines: object
    ) -> Work:
        every = {**self._defines, **defines}
        return self._place.kernels.bind(f"convolution_rows{file}.cl", kernel, groups, arguments, **every)
