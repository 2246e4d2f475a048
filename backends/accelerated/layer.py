"""What all bound layers share: φ and δ. A layer adds launches of its own kernels, one method an equation."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from gcnn import activations
from gcnn.backends.accelerated.place import Below, Place, tiles
from gcnn.backends.accelerated.runtime import Buffer
from gcnn.backends.accelerated.tuning import cost
from gcnn.backends.accelerated.tuning.key import Problem
from gcnn.backends.accelerated.tuning.space import Parameters, Space
from gcnn.backends.accelerated.tuning.trial import LayerMaker, LayerTrial
from gcnn.backends.accelerated.work import Work
from gcnn.layers import Layer
from gcnn.maps import Maps

NUMBERS = (
    "identity",
    "logistic",
    "tanh",
    "scaled_tanh",
    "soft_logistic",
    "softsign",
    "relu",
    "softplus",
)
"""What ACTIVATION means in kernels/activations.h, by position; softmax has kernels of its own."""
SOFTMAX = "softmax"
FROM_Z = frozenset({"soft_logistic", "softsign", "softplus"})
"""Activations whose φ' is formed from z; the others' from y."""
POINTS = 64
"""Points that one work-item takes of an elementwise kernel."""
STEPS = 4
"""What a value of it takes, counted in multiply-adds of vectors."""


class DeviceLayer:
    """A layer bound to its place; every method gives launches for so many samples, to be enqueued in order.

    Attributes:
        place: the memory around it.
        remembers: whether the way back reads what the forward pass leaves in memory of the layer's own.
    """

    remembers = False

    def __init__(self, place: Place) -> None:
        self.place = place
        self.activation = activations.get(place.stage.layer.activation).name

    def tuned(self, space: Space, problem: Problem) -> Parameters:
        """The parameters of one of the layer's kernels, "forward", "backpropagate" or "gradient", from a space declared here."""
        kernels, (maker, place) = self.place.kernels, self.on_trial(problem.name)
        # As sizes too: what was tuned for other lanes is far.
        sizes = {**problem.sizes, "LANES": kernels.lanes.count, "V": kernels.lanes.vector}
        problem = replace(problem, sizes=sizes, options={**kernels.defines, **problem.options})
        trial = partial(LayerTrial, maker, place, problem.name)
        return kernels.chooser.choose(space, problem, str(place.stage.layer), trial)

    def on_trial(self, kernel: str) -> tuple[LayerMaker, Place]:
        """What makes the layer that shows whether a kernel is right, and where it stands."""
        return type(self), self.place

    @classmethod
    def awkward(cls, layer: Layer, own: Maps, parameters: Parameters) -> list[tuple[Layer, Maps]]:
        """Small problems of the same kind, whose sizes these parameters do not divide; tuning checks them there."""
        raise NotImplementedError(f"{cls.__name__} has kernels to tune and must define awkward(layer, own, parameters)")

    @property
    def fused(self) -> int:
        """ACTIVATION in the layer's own forward kernel: φ, or the identity where softmax follows."""
        return NUMBERS.index("identity" if self.activation == SOFTMAX else self.activation)

    @property
    def target(self) -> Buffer:
        """Where the forward kernel writes φ(z): y, or z where softmax follows."""
        return self.place.z if self.activation == SOFTMAX else self.place.y

    def forward(self, samples: int) -> list[Work]:
        """Eq. 1: y = φ(Z(y_in, θ))."""
        launches = self.combine(samples)
        if self.activation == SOFTMAX:
            place = self.place
            launches.append(
                place.kernels.bind(
                    "activation.cl",
                    "softmax",
                    (place.blocks(samples),),
                    (place.z, place.y),
                    POINTS=place.outputs,
                    TILE=POINTS,
                    ACTIVATION=0,
                )
            )
        return launches

    def prepare(self, back: bool = False) -> list[Work]:
        """What `combine`, or the way `back`, needs formed from θ alone, before the first part of a batch; no work depends on another."""
        return []

    def combine(self, samples: int) -> list[Work]:
        """Z(y_in, θ) into `place.z` where it is read again, and `fused` φ of it into `target`."""
        raise NotImplementedError(f"{type(self).__name__} must define combine(samples)")

    def delta(self, samples: int, sloped: bool = False) -> list[Work]:
        """Eq. 6: δ = ∂r/∂y · φ'(z), in place; nothing where the layer above has multiplied with φ' already."""
        return [] if sloped else activation_delta(self.place, self.activation, samples)

    @property
    def slopes_below(self) -> bool:
        """Whether what `backpropagate` gives is multiplied with φ' of the layer below (`Place.below`)."""
        return False

    def backpropagate(self, samples: int) -> list[Work]:
        """Eq. 7, the sum: ∂r/∂y_in = Σ δ ∂z/∂y_in; where it `slopes_below`, δ of the layer below."""
        raise NotImplementedError(f"{type(self).__name__} must define backpropagate(samples)")

    def gradient(self, samples: int) -> list[Work]:
        """Eq. 8: ∂r/∂θ = Σ δ ∂z/∂θ; a layer without parameters has none."""
        return []

    def rounds(self, kernel: str) -> bool:
        """Whether a kernel, "forward", "backpropagate" or "gradient", rounds whole numbers besides what φ does."""
        return False

    def sample_gradients(self, samples: int, rows: Buffer, width: int) -> list[Work]:
        """Eq. 8 without the sum over samples, into rows (samples, width) of which the layer fills its columns."""
        return []

    @property
    def keeps_z(self) -> bool:
        """Whether z is kept beside y, for whom reads it after y is made."""
        return self.place.z is not self.place.y

    @property
    def saves_z(self) -> bool:
        """Whether the layer's own forward kernel writes z besides what it writes into `target`."""
        return self.keeps_z and self.target is not self.place.z


def reads_z(activation: str) -> bool:
    """Whether z is read after y is made: where φ' is formed from it, and by softmax, which y takes its place beside."""
    return activation == SOFTMAX or activation in FROM_Z


def activation_delta(place: Place, activation: str, samples: int) -> list[Work]:
    """Eq. 6 for the values of a place: δ = ∂r/∂y · φ'(z), in place of ∂r/∂y."""
    blocks, sizes = place.blocks(samples), {"POINTS": place.outputs, "TILE": POINTS}
    if activation == "identity":
        return []
    if activation == SOFTMAX:
        arguments: tuple[Buffer, ...] = (place.y, place.dy)
        return [place.kernels.bind("activation.cl", "softmax_delta", (blocks,), arguments, ACTIVATION=0, **sizes)]
    groups, number = (tiles(place.outputs, POINTS), blocks), NUMBERS.index(activation)
    arguments = (place.z, place.y, place.dy)
    work = place.kernels.bind("activation.cl", "delta", groups, arguments, ACTIVATION=number, **sizes)
    # So few values that a launch would take longer go along with what is before and after them.
    return [replace(work, chained=work.chained or STEPS * place.outputs * blocks <= cost.LAUNCH)]


def slope(below: Below | None, unread: Buffer) -> tuple[dict[str, object], tuple[Buffer, Buffer]]:
    """Macros and values of a kernel for φ' of the layer below; without one the values may be any buffer."""
    if below is None:
        return {"BELOW": 0, "ACTIVATION": 0}, (unread, unread)
    return {"BELOW": 1, "ACTIVATION": NUMBERS.index(below.activation)}, (below.z, below.y)
