"""Mistakes in losses and their output deltas."""

from __future__ import annotations

from gcnn.backend import Program, Saved
from gcnn.backends.numpy.losses import NumpyLoss
from gcnn.conformance.mutants.mutant import Mutant
from gcnn.losses import Loss
from gcnn.maps import Array


class AssumesProbabilities(NumpyLoss):
    """Table 3 as printed: δ = y - t, right only where the targets sum to 1."""

    def evaluate(self, saved: Saved, t: Array) -> tuple[float, Array]:
        loss, delta = super().evaluate(saved, t)
        if (self.loss.name, self.closed is not None) != ("cross_entropy", True) or self.loss.weights is not None:
            return loss, delta
        return loss, ((saved.y - t) * self.loss.scale(len(t), self.outputs)).astype(delta.dtype)


class DividesByThePlan(NumpyLoss):
    """The mean taken over the samples planned for, not over those given."""

    def __init__(self, program: Program) -> None:
        super().__init__(program)
        self.most = 0

    def evaluate(self, saved: Saved, t: Array) -> tuple[float, Array]:
        self.most = max(self.most, len(t))
        loss, delta = super().evaluate(saved, t)
        share = 1.0 if self.loss.reduction == "sum" else len(t) / self.most
        return loss * share, (delta * share).astype(delta.dtype)


class ForgetsWeights(NumpyLoss):
    """Loss weights applied to the loss, not to its gradient."""

    def evaluate(self, saved: Saved, t: Array) -> tuple[float, Array]:
        loss, _ = super().evaluate(saved, t)
        own = self.loss
        self.loss = Loss(own.name, reduction=own.reduction)
        try:
            return loss, super().evaluate(saved, t)[1]
        finally:
            self.loss = own


class WithoutHalf(NumpyLoss):
    """½ missing in the loss, though not in the gradient."""

    def evaluate(self, saved: Saved, t: Array) -> tuple[float, Array]:
        loss, delta = super().evaluate(saved, t)
        return (2 * loss if self.loss.name == "mse" else loss), delta


class NeverClips(NumpyLoss):
    """Outputs taken as they are, up to log 0."""

    def __init__(self, program: Program) -> None:
        super().__init__(program, 1e-30)


MUTANTS = (
    Mutant(
        "assumes-probabilities",
        "δ = y - t whatever the targets sum to",
        "losses/cross-entropy/softmax/any",
        loss=AssumesProbabilities,
    ),
    Mutant(
        "divides-by-the-plan",
        "a short batch divided by the planned one",
        "losses/cross-entropy/softmax/one_hot",
        loss=DividesByThePlan,
    ),
    Mutant(
        "forgets-weights",
        "loss weights missing in the gradient",
        "losses/weights/cross_entropy/softmax",
        loss=ForgetsWeights,
    ),
    Mutant(
        "never-clips",
        "a saturated output not kept from log 0",
        "losses/cross-entropy/saturated/logistic",
        loss=NeverClips,
    ),
    Mutant("without-half", "squared error without its ½", "dense/published/xor-squares", loss=WithoutHalf),
)
