"""How good a model is on some samples: loss, accuracy, top-k accuracy, confusion matrix."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from gcnn.data.samples import ArraySamples, Batch, Samples
from gcnn.errors import DataError
from gcnn.maps import Array
from gcnn.model import Model
from gcnn.network import is_integer


@dataclass(frozen=True)
class Evaluation:
    """What `evaluate` found.

    Attributes:
        samples: how many there were.
        loss: the network's loss over all of them, with its reduction, without a penalty.
        accuracy: the fraction whose class was predicted; None where targets are no classes.
        top: for every k asked for, the fraction whose class is among the k largest outputs.
        confusion: (classes, classes) counts, row the true class, column the predicted one; None without classes.
    """

    samples: int
    loss: float
    accuracy: float | None
    top: dict[int, float]
    confusion: Array | None


def evaluate(model: Model, data: Batch | Samples, top: Sequence[int] = ()) -> Evaluation:
    """Measure a model on samples, which may be more than fit into memory.

    Args:
        model: the model.
        data: (inputs, targets), or samples that are read in parts.
        top: values of k for top-k accuracy; of equal outputs the one with the lower index is ranked first.

    Raises:
        DataError: samples that do not fit the network, k outside 1 to its number of outputs, or asked for where targets
            are no classes.
    """
    samples, outputs = as_samples(model, data), model.network.outputs.points
    for k in top:
        if not is_integer(k) or not 1 <= k <= outputs:
            raise DataError(f"top-k accuracy needs 1 <= k <= {outputs}, the number of outputs; got {k!r}.")
    classes = max(outputs, 2)
    loss, hits, counts = 0.0, dict.fromkeys(top, 0), np.zeros((classes, classes), np.intp)
    classified = classifies(model, samples[:1][1])
    if top and not classified:
        raise DataError("top-k accuracy needs classes as targets: integer labels, or a loss of classes.")
    for x, t in samples.chunks():
        share = 1.0 if model.network.loss.reduction == "sum" else len(x) / len(samples)
        loss += float(share * model.loss(x, t))
        if classified:
            labels, scores = class_labels(model, t), model.forward(x).reshape(len(x), -1)
            np.add.at(counts, (labels, predicted(scores)), 1)
            if top:
                right = ranked(scores) == labels[:, None]
                hits = {k: count + int(right[:, :k].sum()) for k, count in hits.items()}
    n = len(samples)
    if not classified:
        return Evaluation(n, loss, None, {}, None)
    return Evaluation(n, loss, float(counts.trace() / n), {k: count / n for k, count in hits.items()}, counts)


def accuracy(model: Model, x: Array, t: Array) -> float:
    """The fraction of samples whose class is predicted; targets as labels, one-hot rows, or 0 and 1."""
    x, t = model.check_pair(x, t)
    return float((model.predict(x) == class_labels(model, t)).mean())


def classifies(model: Model, t: Array) -> bool:
    """Whether targets are classes: integer labels, or under a loss that says that outputs are classes."""
    return model.network.loss.name in ("cross_entropy", "binary_cross_entropy") or (
        np.ndim(t) == 1 and np.asarray(t).dtype.kind in "iu" and model.network.outputs.points > 1
    )


def class_labels(model: Model, t: Array) -> Array:
    """(samples,) the true classes of targets in any form that a model takes."""
    return predicted(model.check_targets(t).reshape(len(t), -1))


def predicted(scores: Array) -> Array:
    """(samples,) the index of each row's largest entry; of rows with a single entry, whether it is at least ½."""
    return (scores[:, 0] >= 0.5).astype(np.intp) if scores.shape[1] == 1 else scores.argmax(axis=1)


def ranked(scores: Array) -> Array:
    """(samples, classes) the classes of each row, the predicted one first; of equal outputs the lower index comes first."""
    if scores.shape[1] == 1:
        first = predicted(scores)
        return np.stack([first, 1 - first], axis=1)
    return np.argsort(-scores, axis=1, kind="stable")


def as_samples(model: Model, data: Any, name: str = "data") -> Samples:
    """Data in either form as samples that fit the network.

    Raises:
        DataError: neither form, none at all, or of another shape than the network reads; a model for derivatives only.
    """
    if np.dtype(model.dtype).kind == "c":
        raise DataError(
            f"a model in {model.dtype} is for derivatives only. Bind the network in float32 or float64 to train or evaluate."
        )
    if isinstance(data, Samples):
        if data.shape != model.network.inputs.shape:
            raise DataError(
                f"{name} has samples of shape {data.shape}, but the network reads {model.network.inputs.shape}. "
                "Samples.mapped(lambda x: x.reshape(...)) changes the shape."
            )
        if len(data) == 0:
            raise DataError(f"{name} is empty: it has 0 samples. Give at least one.")
        model.check_pair(*data[:1])  # targets of the wrong kind are told now, and not after an epoch
        return data
    if not isinstance(data, list | tuple) or len(data) != 2:
        raise DataError(f"{name} must be a pair (inputs, targets) or gcnn.data.Samples, got {type(data).__name__}.")
    # Checked and cast once and as a whole, so that no step meets a bad sample late in an epoch.
    x, _ = model.check_pair(*data)
    return ArraySamples(x, data[1])
