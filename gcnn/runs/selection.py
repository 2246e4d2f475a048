"""Which samples a trained model is measured on: those that its training held back, or others."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from gcnn.data.dataset import DATASETS, Dataset, open_dataset
from gcnn.data.inputs import said
from gcnn.data.samples import Samples, joined
from gcnn.errors import DataError
from gcnn.runs.experiment import Parts, check_outputs, readable
from gcnn.runs.settings import Settings
from gcnn.runs.trained import Trained

TEST, TRAINING, VALIDATION, ALL = PARTS = ("test", "training", "validation", "all")


@dataclass(frozen=True)
class Selection:
    """Samples to measure a model on.

    Attributes:
        dataset: that they are from.
        samples: as the network reads them.
        about: which they are, in words.
    """

    dataset: Dataset
    samples: Samples
    about: str

    @classmethod
    def of(
        cls,
        trained: Trained,
        data: str | None = None,
        folder: Path | None = None,
        target: str | None = None,
        part: str | None = None,
    ) -> Selection:
        """Find the samples.

        Args:
            trained: the model.
            data: name or path, as for `gcnn.data.open_dataset`; None is what the model was trained on.
            folder: where the files of a named set lie.
            target: the column of a table to predict; None is that of the training.
            part: one of `PARTS`; None is the test where there is one: of the data of the training, what was held back.
                Other data without a test set of their own are taken as a whole.

        Raises:
            DataError: data are not given and not known, are not those of the training any more, have other classes or
                another shape than the model, or have no such part. OSError, FormatError: they cannot be read.
        """
        settings = trained.notes.settings
        dataset = _dataset(trained, data, folder, target)
        _check(trained, dataset)
        if settings is not None and dataset.training.fingerprint() == trained.notes.fingerprint:
            samples, about = _part_of_run(dataset, settings, part or TEST)
        elif data is None:
            raise DataError(
                f"{dataset.name}: not the data of the training any more, so the samples held back are not known. To "
                f"measure the model on all there are now: --data {dataset.name}"
            )
        else:
            samples, about = _part_of_others(dataset, part)
        samples = _in_order(samples, dataset, trained)
        return cls(dataset, readable(samples, trained.notes.preparation, trained.model.network), about)


def _dataset(trained: Trained, data: str | None, folder: Path | None, target: str | None) -> Dataset:
    settings = trained.notes.settings
    if data is None and settings is None:
        raise DataError(f"{trained.path}: does not say what the model was trained on. Give --data.")
    table = data is not None and data not in DATASETS and data.endswith((".csv", ".csv.gz"))
    if settings is not None and (data is None or table):
        target = target or settings.target
    if data is None:
        assert settings is not None
        data, folder = settings.data, folder or (None if settings.folder is None else Path(settings.folder))
        settings.check_data()
    return open_dataset(data, folder, target)


def _check(trained: Trained, dataset: Dataset) -> None:
    """Raise `DataError` where classes, or what a sample is, are not those of the model."""
    if trained.notes.classes is not None or trained.notes.settings is not None:
        ours, theirs = trained.classes, dataset.classes
        if ours != theirs:
            raise DataError(f"{dataset.name}: {_listed(theirs)}, but the model was trained for {_listed(ours)}.")
    check_outputs(trained.model.network, dataset, str(trained.path))
    by_name = trained.notes.features is not None and dataset.features is not None
    if trained.notes.shape is not None and not by_name and dataset.training.shape != trained.notes.shape:
        raise DataError(f"{dataset.name}: {said(dataset.training.shape)}, but the model reads {trained.reads}.")


def _listed(classes: tuple[str, ...] | None) -> str:
    if classes is None:
        return "numbers"
    shown = ", ".join(classes[:12]) + (", ..." if len(classes) > 12 else "")
    return f"{len(classes)} classes ({shown})"


def _part_of_run(dataset: Dataset, settings: Settings, part: str) -> tuple[Samples, str]:
    """A part of the data that the model was trained on, as the training divided them."""
    if part == ALL:
        whole = dataset.training if dataset.test is None else joined(dataset.training, dataset.test)
        return whole, "in all, those of the training among them"
    parts = Parts.of(dataset, settings.validation, settings.seed)
    if part == TRAINING:
        return parts.training, "that it was trained on"
    if part == VALIDATION:
        if parts.validation is None:
            raise DataError("the training held back no samples for validation.")
        return parts.validation, "held back for validation"
    return parts.test, "held back"


def _part_of_others(dataset: Dataset, part: str | None) -> tuple[Samples, str]:
    """A part of other data than those of the training."""
    if part == VALIDATION or (part == TEST and dataset.test is None):
        raise DataError(f"{dataset.name}: not the data of the training, and it has no {part} samples of its own.")
    if part == TRAINING:
        return dataset.training, "for training"
    if dataset.test is None:
        return dataset.training, "in all"
    if part == ALL:
        return joined(dataset.training, dataset.test), "in all"
    return dataset.test, "of the test set"


def _in_order(samples: Samples, dataset: Dataset, trained: Trained) -> Samples:
    """The samples with their features in the order of the training; raises `DataError` where some are missing."""
    ours, theirs = trained.notes.features, dataset.features
    if ours is None or theirs is None or ours == theirs:
        return samples
    missing = [name for name in ours if name not in theirs]
    if missing:
        raise DataError(f"{dataset.name}: the columns {', '.join(missing)} are missing, which the model reads.")
    order = [theirs.index(name) for name in ours]
    return samples.mapped(lambda x: x[:, order])
