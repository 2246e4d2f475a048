"""Losses by name: what a network says of them (Hedberg 2015, Eqs. 2, 20-32, 105 and Tables 2-3; delmas, Eqs. 19-22).

    "cross_entropy"          -Σ_i t_i log y_i                              (H 27)
    "binary_cross_entropy"   -Σ_i t_i log y_i + (1 - t_i) log(1 - y_i)     (H 26, D 21)
    "mse"                    ½ Σ_i (t_i - y_i)²                            (H 21; the name is the field's, the ½ is the paper's)
    "sse"                    Σ_i (t_i - y_i)²                              (H 105)

The formulas, with their output deltas, are `gcnn.backends.numpy.losses`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from gcnn.activations import Interval
from gcnn.errors import FormatError, LossError, one_of
from gcnn.maps import Array

NAMES = ("binary_cross_entropy", "cross_entropy", "mse", "sse")
REDUCTIONS = ("mean", "sum", "mean_outputs")


@dataclass(frozen=True)
class Loss:
    """A loss with its reduction and weights.

    Args:
        name: one of `NAMES`.
        weights: one weight an output, for outputs of different character (delmas, after Eq. 22); None weighs all by 1.
        reduction: "mean" over samples; "sum" over samples (Hedberg, Eq. 2); "mean_outputs", over samples and outputs
            (delmas, Eqs. 19 and 22). Gradients carry the same factor, so sum = B · n_out · mean_outputs.

    Raises:
        LossError: an unknown name or reduction, or a negative or non-finite weight.
    """

    name: str
    weights: tuple[float, ...] | None = None
    reduction: str = "mean"

    def __post_init__(self) -> None:
        if self.name not in NAMES:
            raise LossError(one_of("loss", self.name, NAMES))
        if self.reduction not in REDUCTIONS:
            raise LossError(one_of("reduction", self.reduction, REDUCTIONS))
        if self.weights is not None:
            try:
                values = np.asarray(self.weights)
            except ValueError as error:
                raise LossError(f"loss weights must be one number an output, got {self.weights!r}.") from error
            if values.ndim != 1 or values.size == 0 or values.dtype.kind not in "fiu":
                raise LossError(f"loss weights must be one number an output, got {self.weights!r}.")
            if not np.isfinite(values).all() or (values < 0).any():
                raise LossError(f"loss weights must be finite and not negative, got {values.tolist()}.")
            object.__setattr__(self, "weights", tuple(values.astype(np.float64).tolist()))

    def scale(self, samples: int, outputs: int) -> float:
        """The factor on the sum over samples and outputs."""
        return {"sum": 1.0, "mean": 1.0 / samples, "mean_outputs": 1.0 / (samples * outputs)}[self.reduction]

    def check(self, codomain: Interval, outputs: int, made_by: str) -> None:
        """Raise `LossError` where the network's outputs leave the loss's domain, or weights do not match them."""
        if self.weights is not None and len(self.weights) != outputs:
            raise LossError(
                f"the loss has {len(self.weights)} weights, but the network has {outputs} outputs. Give one an output."
            )
        if self.name == "cross_entropy" and not codomain.positive:
            raise LossError(
                f"cross_entropy takes log y, but {made_by} puts out values in {codomain}. End with activation='softmax', or use loss='mse'."
            )
        if self.name == "cross_entropy" and outputs == 1:
            raise LossError(
                f"cross_entropy tells classes apart by one output each, but {made_by} has a single output. "
                "For two classes end with activation='logistic' and use loss='binary_cross_entropy'."
            )
        if self.name == "binary_cross_entropy" and not codomain.probability:
            raise LossError(
                f"binary_cross_entropy takes log y and log(1 - y), but {made_by} puts out values in {codomain}, not inside (0, 1). "
                "End with activation='logistic', or use loss='mse'."
            )

    def check_targets(self, t: Array) -> None:
        """Raise `LossError` for targets outside the loss's domain (decision "targets"): binary targets lie in [0, 1]."""
        if self.name == "binary_cross_entropy" and ((t < 0) | (t > 1)).any():
            worst = t[(t < 0) | (t > 1)].flat[0]
            raise LossError(f"binary_cross_entropy: targets must lie in [0, 1], got {float(worst):g}.")

    def to_json(self) -> dict[str, Any]:
        """Name, reduction and, where given, weights."""
        document: dict[str, Any] = {"name": self.name, "reduction": self.reduction}
        if self.weights is not None:
            document["weights"] = list(self.weights)
        return document


def get(loss: str | Loss, weights: Sequence[float] | None = None, reduction: str | None = None) -> Loss:
    """A `Loss` from its name, or one as it is."""
    if isinstance(loss, Loss):
        if weights is not None or reduction is not None:
            raise LossError("give weights and reduction inside the Loss, or with its name, not both.")
        return loss
    return Loss(loss, weights, "mean" if reduction is None else reduction)  # type: ignore[arg-type]  # Loss makes it a tuple


def from_json(document: Any) -> Loss:
    """The inverse of `Loss.to_json`."""
    if not isinstance(document, dict) or not {"name"} <= document.keys() <= {"name", "reduction", "weights"}:
        raise FormatError(f'a loss is an object with a "name" and perhaps "reduction" and "weights"; got {document!r}.')
    return Loss(**document)
