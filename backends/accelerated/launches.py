"""What a plan enqueues for a number of samples, in order."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from itertools import chain as chain_of
from itertools import groupby, zip_longest
from typing import NamedTuple
from weakref import WeakKeyDictionary

from gcnn.backends.accelerated.gates import Inlet, Outlet
from gcnn.backends.accelerated.layer import DeviceLayer
from gcnn.backends.accelerated.losses import DeviceLoss
from gcnn.backends.accelerated.per_unit import PerUnit, Shares
from gcnn.backends.accelerated.runtime import Buffer
from gcnn.backends.accelerated.stitching import Chained, SideBySide, Stitched, can_be_stitched
from gcnn.backends.accelerated.updates import DeviceUpdate
from gcnn.backends.accelerated.work import Work

Enqueued = Work | Stitched
MOST_WORKS = 32
"""Of one chain: beside as many a launch costs little, and a compiler has an end."""


class Origin(NamedTuple):
    """What a work belongs to: the number of a layer, and "prepare", "forward", "delta", "backpropagate" or "gradient"."""

    layer: int
    task: str


class Gates(NamedTuple):
    """Where samples come in and leave: inputs x, targets t where there is a loss, outputs y, and for `vjp` v and ∂r/∂x."""

    x: Inlet
    t: Inlet | None
    y: Outlet
    v: Inlet
    dx: Outlet

    def let_go(self) -> None:
        """Hold no array of the host's any longer."""
        for gate in self:
            if gate is not None:
                gate.let_go()

    def stand_alone(self) -> None:
        """Let launches run once more without a call's arrays."""
        for gate in self:
            if gate is not None:
                gate.stand_alone()


class Launches:
    """Lists of launches, each bound when first asked for: what is never called is never compiled.

    Args:
        layers: bound to their places.
        loss: bound to the last; `None` where there is none.
        gates: where samples come in and leave.
        lowest: the first layer with parameters; below it slopes are formed for ∂r/∂x only.
        samples: how many.
        chained: blocks that an item of a chain takes together; 0 where works are not put together.
        shares: how a batch can be dealt to compute units, each of which goes through all of it alone.
        update: of the parameters; `None` where a plan has none.

    Attributes:
        lowest: as given.
        origins: what the works of layers belong to.
    """

    def __init__(
        self,
        layers: Sequence[DeviceLayer],
        loss: DeviceLoss | None,
        gates: Gates,
        lowest: int,
        samples: int,
        chained: int,
        shares: Shares | None = None,
        update: DeviceUpdate | None = None,
    ) -> None:
        self._layers, self._loss, self._gates = layers, loss, gates
        self.lowest, self._samples = lowest, samples
        self._blocks = layers[0].place.blocks(samples)
        self._units = layers[0].place.kernels.runtime.limits.compute_units
        self._chained, self._shares, self._update = chained, shares, update
        # Weak: works for gradients of single samples are made anew in every call.
        self.origins: WeakKeyDictionary[Work, Origin] = WeakKeyDictionary()
        self._prepared: dict[int | None, list[Enqueued]] = {}

    def _of(self, number: int, task: str, works: list[Work]) -> list[Work]:
        """The works, with their origin written down."""
        self.origins |= dict.fromkeys(works, Origin(number, task))
        return works

    def preparation(self, to: int | None) -> list[Enqueued]:
        """What is formed from θ alone, once for all parts of a batch: for the forward pass, and where `to` is a number, for the way back
        to the input of that layer.
        """
        if to not in self._prepared:
            works = [work for n, layer in enumerate(self._layers) for work in self._of(n, "prepare", layer.prepare())]
            for n in range(len(self._layers) if to is None else to, len(self._layers)):
                works += self._of(n, "prepare", self._layers[n].prepare(back=True))
            self._prepared[to] = self._stitched([], [works]) if works else []
        return self._prepared[to]

    @cached_property
    def forward(self) -> list[Work]:
        """From the input to the last layer's y."""
        return [self._gates.x.pack(self._samples)] + [
            work
            for n, layer in enumerate(self._layers)
            for work in self._of(n, "forward", layer.forward(self._samples))
        ]

    @cached_property
    def loss(self) -> list[Work]:
        """Each sample's loss and the last layer's δ."""
        if self._loss is None or self._gates.t is None:
            return []
        return [self._gates.t.pack(self._samples), *self._loss.evaluate(self._samples)]

    @cached_property
    def output_delta(self) -> list[Work]:
        """The last layer's δ from ∂r/∂y, where a cotangent is given."""
        return self._delta(len(self._layers) - 1)

    @cached_property
    def slopes(self) -> list[Work]:
        """From the last layer's δ to the δ of every layer with parameters."""
        numbers = reversed(range(self.lowest, len(self._layers)))
        return [work for number in numbers for work in self._below(number, self.lowest)]

    @cached_property
    def gradients(self) -> list[list[Work]]:
        """From all δ to the gradient: first what depends on them alone, then what depends on that."""
        numbers = range(self.lowest, len(self._layers))
        of_layers = [self._of(n, "gradient", self._layers[n].gradient(self._samples)) for n in numbers]
        return [[work for work in row if work] for row in zip_longest(*of_layers)]

    @cached_property
    def to_input(self) -> list[Work]:
        """∂r/∂x, after `backward`."""
        return [launch for number in reversed(range(self.lowest + 1)) for launch in self._below(number)]

    @cached_property
    def inference(self) -> list[Enqueued]:
        """From the input to the output."""
        return self._stitched([*self.forward, self._gates.y.unpack(self._samples)], [])

    @cached_property
    def evaluation(self) -> list[Enqueued]:
        """From the input and targets to the losses."""
        return self._stitched([*self.forward, *self.loss], [])

    @cached_property
    def training(self) -> list[Enqueued]:
        """From the input and targets to the losses and the gradient."""
        return self._trained(self.gradients)

    def _trained(self, gradients: Sequence[Sequence[Work]]) -> list[Enqueued]:
        to_losses = [*self.forward, *self.loss]
        if self._blocks < self._units:
            # The host goes on beside the way back, on a unit that would be idle.
            return [*self._stitched(to_losses, []), *self._stitched(self.slopes, gradients)]
        return self._stitched([*to_losses, *self.slopes], gradients)

    @cached_property
    def dealt(self) -> PerUnit | None:
        """The same for a whole batch, of `Shares.samples`, where every unit can go through its share alone; its gradient is in shares."""
        chain, gradients = [*self.forward, *self.loss, *self.slopes], list(chain_of(*self.gradients))
        can_be = all(work.chained and can_be_stitched(work) for work in [*chain, *gradients])
        if self._shares is None or not can_be or any(work.sums is None for work in gradients):
            return None
        chain += [work for work in gradients if not work.sums]
        return PerUnit(chain, [work for work in gradients if work.sums], self._blocks, self._chained, self._shares)

    @cached_property
    def add_up(self) -> list[Work]:
        """What brings the shares of a gradient together, where it is left in shares."""
        return self._shares.add_up(self._layers[0].place.kernels) if self._shares and self.dealt else []

    @property
    def of_gradient(self) -> list[Enqueued]:
        """What forms the gradient of a full part."""
        return [self.dealt, *self.add_up] if self.dealt else self.training

    @cached_property
    def to_losses(self) -> tuple[list[Enqueued], list[Enqueued]]:
        """The same, up to the launch that leaves the losses, and after it; a gradient in shares stays so."""
        return self._parted([self.dealt] if self.dealt else self.training)

    @cached_property
    def updating(self) -> tuple[list[Enqueued], list[Enqueued]] | None:
        """The same for a batch of this one part, where what forms the gradient can move the parameters at once."""
        update, works = self._update, list(chain_of(*self.gradients))
        given = {self.origins[work].layer for work in works if work.gives}
        if self.dealt or update is None or not update.joins or given != {self.origins[work].layer for work in works}:
            return None
        rows = [[update.into(work) if work.gives else work for work in row] for row in self.gradients]
        return self._parted(self._trained(rows))

    def _parted(self, launches: list[Enqueued]) -> tuple[list[Enqueued], list[Enqueued]]:
        losses = set(self.loss)
        after = 1 + max(n for n, each in enumerate(launches) if not losses.isdisjoint(getattr(each, "works", [each])))
        return launches[:after], launches[after:]

    @cached_property
    def reverse(self) -> list[Enqueued]:
        """From the input and a cotangent of the output to the gradient and ∂r/∂x."""
        back = [self._gates.v.pack(self._samples), *self.output_delta, *self.slopes, *self.to_input]
        return self._stitched([*self.forward, *back, self._gates.dx.unpack(self._samples)], self.gradients)

    def sample_gradients(self, rows: Buffer, width: int) -> list[Work]:
        """From the input and a cotangent of the output to one row of parameters a sample."""
        launches = [*self.forward, self._gates.v.pack(self._samples), *self.output_delta]
        for number in reversed(range(self.lowest, len(self._layers))):
            launches += self._layers[number].sample_gradients(self._samples, rows, width)
            launches += self._below(number, self.lowest)
        return launches

    def _stitched(self, chain: Sequence[Work], rows: Sequence[Sequence[Work]]) -> list[Enqueued]:
        """Works in a chain, then rows of works that do not depend on one another; in few launches where works can be stitched."""
        if not self._chained:
            return [*chain, *chain_of(*rows)]
        launches: list[Enqueued] = []
        for linked, run in groupby(chain, key=lambda work: work.chained and can_be_stitched(work)):
            works = list(run)
            if not linked or (len(works) == 1 and self._blocks < self._units):
                launches += works  # which all units share; a chain of one would be one unit's
                continue
            parts = (works[first : first + MOST_WORKS] for first in range(0, len(works), MOST_WORKS))
            launches += (Chained(part, self._blocks, self._chained) for part in parts)
        for row in rows:
            apart = [work for work in row if work.alone or not can_be_stitched(work)]
            together = [work for work in row if work not in apart]
            launches += [*apart, *([SideBySide(together)] if together else [])]
        return launches

    def _below(self, number: int, lowest: int = -1) -> list[Work]:
        """∂r/∂y_in of a layer, and δ of the one below; nothing of the lowest."""
        if number == lowest:
            return []
        layer = self._layers[number]
        works = self._of(number, "backpropagate", layer.backpropagate(self._samples))
        return works + self._delta(number - 1, layer.slopes_below) if number else works

    def _delta(self, number: int, sloped: bool = False) -> list[Work]:
        return self._of(number, "delta", self._layers[number].delta(self._samples, sloped))
