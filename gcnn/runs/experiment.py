"""From settings to a model and its samples: opened, split, prepared, and shaped as the network reads them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from math import prod
from typing import Any, Protocol

from gcnn.callbacks import EarlyStopping
from gcnn.checkpoint import Checkpoint
from gcnn.data import Samples
from gcnn.data.augmentation import Shift
from gcnn.data.dataset import Dataset, open_dataset
from gcnn.data.preparation import Preparation
from gcnn.errors import DataError, NetworkError
from gcnn.history import History
from gcnn.layers import Dense, RadialBasis
from gcnn.model import Model
from gcnn.models import MODELS
from gcnn.network import Network
from gcnn.runs.settings import Settings
from gcnn.training import Training

TEST_SHARE = 1 / 5
TEST_SEED = 0
"""Every run holds back the same samples for the test, so that no choice between runs, not even of a seed, sees them."""
CENTRES = 2000
"""Samples that the centres of radial basis layers are drawn from."""


@dataclass(frozen=True)
class Parts:
    """The samples of a data set by what they are for, raw.

    Attributes:
        training: to learn from.
        validation: to watch the training with; None where none are held back.
        test: looked at once, at the end.
    """

    training: Samples
    validation: Samples | None
    test: Samples

    @classmethod
    def of(cls, dataset: Dataset, validation: float, seed: int) -> Parts:
        """Split a data set; the same arguments give the same parts.

        Raises:
            DataError: a part would be empty.
        """
        rest, test = dataset.training, dataset.test
        if test is None:
            rest, test = rest.split(TEST_SHARE, TEST_SEED)
        if validation == 0:
            return cls(rest, None, test)
        return cls(*rest.split(validation, seed), test)


class Display(Protocol):
    """What follows a training while it goes on."""

    def batches(self, batches: Iterable[Any], epoch: int) -> Iterable[Any]:
        """The batches of an epoch, one by one."""

    def epoch_done(self, epoch: int, model: Model, history: History) -> None:
        """An epoch is complete."""


class Experiment:
    """A run that is ready to begin, or to go on.

    Args:
        settings: what to do.
        network: the network; None makes the one that the settings name.
        preparation: of the inputs; None fits one to the training samples.
        dataset: the data set, where it is open already.

    Raises:
        GcnnError: data, network and settings do not fit each other; the message says which.
    """

    def __init__(
        self,
        settings: Settings,
        network: Network | None = None,
        preparation: Preparation | None = None,
        dataset: Dataset | None = None,
    ) -> None:
        self.optimizer = settings.make_optimizer()
        self.dataset = dataset or open_dataset(settings.data, settings.folder, settings.target)
        raw = Parts.of(self.dataset, settings.validation, settings.seed)
        self.preparation = preparation or Preparation.fit(raw.training, settings.pad, settings.normalise)
        self.network = network or named_network(settings.model, self.dataset, self.preparation, settings.seed)
        check_outputs(self.network, self.dataset, settings.model)
        parts = {name: self._readable(part) for name, part in vars(raw).items() if part is not None}
        self.parts = Parts(parts["training"], parts.get("validation"), parts["test"])
        self.model = self.network.bind(settings.backend, settings.device, settings.dtype, settings.batch)
        # What "auto" has taken now, so that the run goes on with it.
        self.settings = replace(settings, backend=self.model.backend)
        self.model.notes = {
            "settings": self.settings.to_json(),
            "preparation": self.preparation.to_json(),
            "classes": None if self.dataset.classes is None else list(self.dataset.classes),
            "features": None if self.dataset.features is None else list(self.dataset.features),
            "shape": list(self.dataset.training.shape),
            "fingerprint": self.dataset.training.fingerprint(),
        }

    def _readable(self, samples: Samples) -> Samples:
        return readable(samples, self.preparation, self.network)

    def training(self, checkpoint: Checkpoint, display: Display) -> Training:
        """The training, which goes on from the checkpoint where there is one."""
        settings = self.settings
        stopping = []
        if settings.patience is not None:
            monitor = "loss" if self.parts.validation is None else "validation_loss"
            stopping = [EarlyStopping(settings.patience, monitor)]
        shift = Shift(settings.shift, self.preparation.zero_value) if settings.shift else None
        if any(isinstance(layer, RadialBasis) for layer in self.network.layers):
            self.model.initialize_from(self.parts.training[:CENTRES][0], settings.seed)
        return Training(
            self.model,
            self.parts.training,
            self.optimizer,
            settings.epochs,
            self.parts.validation,
            [*stopping, display.epoch_done],
            settings.seed,
            display.batches,
            shift,
            checkpoint,
        )


def named_network(name: str, dataset: Dataset, preparation: Preparation, seed: int) -> Network:
    """The network of that name, for samples as this preparation makes them.

    Where the targets are numbers, its last layer becomes a linear one with an output a number, under half the squared error.

    Raises:
        NetworkError: a network for other samples, or one whose last layer is no dense layer.
    """
    samples = dataset.training.mapped(preparation)
    if dataset.classes is not None:
        return MODELS[name](samples.shape, len(dataset.classes), seed)
    network = MODELS[name](samples.shape, seed=seed)
    if not isinstance(network.layers[-1], Dense):
        raise NetworkError(
            f"{name} tells classes apart, but the targets of {dataset.name} are numbers. Write a network of your own "
            'with loss = "mse" into a file, and give that: --model network.toml'
        )
    outputs = prod(samples[:1][1].shape[1:])
    return Network([*network.layers[:-1], Dense(outputs)], network.inputs, "mse", seed)


def check_outputs(network: Network, dataset: Dataset, name: str) -> None:
    """Check that a network has an output a class.

    Raises:
        NetworkError: it has not.
    """
    if dataset.classes is None:
        return
    points, classes = network.outputs.points, len(dataset.classes)
    # Two classes need only one output under the binary cross-entropy.
    if points != classes and not (points == 1 and classes == 2 and network.loss.name == "binary_cross_entropy"):
        raise NetworkError(
            f"{name}: the network has {points} outputs, but the data have {classes} classes. End it with {classes} outputs."
        )


def readable(samples: Samples, preparation: Preparation, network: Network) -> Samples:
    """Samples prepared, and in the shape that the network reads where that has as many values: images for a dense layer.

    Raises:
        DataError: the network reads another number of values.
    """
    prepared, shape = samples.mapped(preparation), network.inputs.shape
    if prepared.shape == shape:
        return prepared
    if prod(prepared.shape) != network.inputs.points:
        found, expected = (" x ".join(map(str, part)) for part in (prepared.shape, shape))
        raise DataError(f"the samples are {found} after preparation, but the network reads {expected}.")
    return prepared.mapped(lambda x: x.reshape(len(x), *shape))
