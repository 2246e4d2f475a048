"""The settings of a run: everything that decides its outcome, as data."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, NamedTuple, get_args, get_type_hints

from gcnn import documents
from gcnn.data.dataset import DATASETS
from gcnn.data.preparation import NORMALISATIONS
from gcnn.errors import DataError, FormatError, OptimizerError, one_of
from gcnn.optimizers import AdaGrad, Adam, DampedParticle, GradientDescent, Momentum, Optimizer, RMSProp
from gcnn.optimizers.schedules import Constant, Cosine, Exponential, InverseTime, Schedule, Step

DTYPES = ("float32", "float64")


class Method(NamedTuple):
    """An optimizer by name: its class, the name of its rate, and a rate that suits small images."""

    make: type[Optimizer]
    rate: str
    lr: float


METHODS = {
    "gradient-descent": Method(GradientDescent, "lr", 0.2),
    "momentum": Method(Momentum, "lr", 0.05),
    "damped-particle": Method(DampedParticle, "alpha", 0.22),
    "adagrad": Method(AdaGrad, "lr", 0.03),
    "rmsprop": Method(RMSProp, "lr", 0.001),
    "adam": Method(Adam, "lr", 0.003),
}

SCHEDULES: dict[str, Callable[..., Schedule]] = {
    "constant": Constant,
    "step": Step,
    "inverse-time": InverseTime,
    "exponential": Exponential,
    "cosine": Cosine,
}


@dataclass(frozen=True)
class Settings:
    """What `gcnn train` was told, with all defaults filled in.

    Attributes:
        data, folder, target: as for `gcnn.data.open_dataset`.
        model: a name in `gcnn.models.MODELS`, or the file that the network was read from.
        epochs, batch, seed: of the training.
        optimizer: a name in `METHODS`.
        rate: its learning rate, the first value of a schedule.
        options: its other settings, such as {"momentum": 0.9}.
        schedule: a name in `SCHEDULES`, with the arguments that follow the rate.
        l2, clip_norm: see `gcnn.optimizers.Optimizer`.
        validation: the share of the training samples that is held back to watch the training; 0 holds back none.
        normalise, pad: see `gcnn.data.Preparation`.
        shift: random shifts of the training images by up to so many cells.
        patience: epochs without improvement until training stops early; None trains to the end.
        backend, device, dtype: as for `Network.bind`.

    Raises:
        FormatError: a name or number that is none of these.
    """

    data: str
    model: str
    epochs: int
    batch: int
    seed: int
    optimizer: str
    rate: float
    normalise: str
    folder: str | None = None
    target: str | None = None
    options: dict[str, Any] = field(default_factory=dict)
    schedule: str = "constant"
    schedule_options: dict[str, Any] = field(default_factory=dict)
    l2: float = 0.0
    clip_norm: float | None = None
    validation: float = 0.125
    pad: int = 0
    shift: int = 0
    patience: int | None = None
    backend: str | None = None
    device: str | None = None
    dtype: str = "float32"

    def __post_init__(self) -> None:
        named = (
            ("optimizer", METHODS),
            ("schedule", SCHEDULES),
            ("normalise", NORMALISATIONS),
            ("dtype", DTYPES),
        )
        for name, known in named:
            if getattr(self, name) not in known:
                raise FormatError(one_of(name, getattr(self, name), known))
        for name, least in (("epochs", 1), ("batch", 1), ("seed", 0), ("pad", 0), ("shift", 0), ("patience", 1)):
            value = getattr(self, name)
            if value is not None and value < least:
                raise FormatError(f"{name} must be at least {least}, got {value!r}.")
        if not 0 <= self.validation < 1:
            raise FormatError(f"validation must be a share in [0, 1), got {self.validation!r}.")

    @property
    def data_name(self) -> str:
        """What the data are called: by their name, or as their file or folder, without the ending that says its kind."""
        return re.sub(r"(?<=.)\.(npz|csv|csv\.gz)$", "", Path(self.data).name)

    def check_data(self) -> None:
        """Raise `DataError` where the file or folder with the data is gone."""
        if self.data not in DATASETS and not Path(self.data).exists():
            raise DataError(f"{self.data}, which the model was trained on, is not there any more. Give --data.")

    def make_optimizer(self) -> Optimizer:
        """The optimizer, with its schedule.

        Raises:
            OptimizerError: a setting out of range, or one that the method does not have.
        """
        method = METHODS[self.optimizer]
        rate: Any = self.rate
        known = {*method.make.settings, *method.make.parts, "clip_value"} - {method.rate}
        for name in self.options:
            if name not in known:
                raise OptimizerError(one_of(f"setting of {self.optimizer}", name, known))
        try:
            if self.schedule != "constant":
                rate = SCHEDULES[self.schedule](self.rate, **self.schedule_options)
            return method.make(**{method.rate: rate}, **self.options, l2=self.l2, clip_norm=self.clip_norm)
        except TypeError as error:
            raise OptimizerError(f"{self.optimizer}, schedule {self.schedule}: {error}.") from error

    def to_json(self) -> dict[str, Any]:
        """All settings, as JSON has them."""
        return asdict(self)

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> Settings:
        """The inverse of `to_json`.

        Raises:
            FormatError: a field that is unknown, missing, of the wrong type or out of range.
        """
        hints, known = get_type_hints(cls), [entry.name for entry in fields(cls)]
        for name in document:
            if name not in known:
                raise FormatError(one_of("setting", name, known))
        return cls(**{name: documents.field(document, name, *_kinds(hints[name])) for name in known})


def _kinds(hint: Any) -> tuple[type, ...]:
    """The types of a JSON value that a field takes."""
    if hint is float:
        return (float, int)
    parts = get_args(hint)
    if getattr(hint, "__origin__", None) is dict:
        return (dict,)
    return tuple(kind for part in parts for kind in _kinds(part)) if parts else (hint,)


def whole_schedule(name: str, given: dict[str, Any], rate: float, updates: int) -> dict[str, Any]:
    """The arguments of a schedule, with what was not given following from the number of updates of the whole training.

    A third of it between two steps by half; a tenth of the rate at the end of an inverse-time schedule, a hundredth at
    the end of an exponential one and of a cosine.

    Raises:
        OptimizerError: no such schedule, or an argument that it does not have.
    """
    if name not in SCHEDULES:
        raise OptimizerError(one_of("schedule", name, SCHEDULES))
    defaults: dict[str, dict[str, Any]] = {
        "constant": {},
        "step": {"factor": 0.5, "every": max(updates // 3, 1)},
        "inverse-time": {"k": 9 / updates},
        "exponential": {"factor": 0.01, "every": updates},
        "cosine": {"floor": rate / 100, "updates": updates, "warmup": 0},
    }
    for argument in given:
        if argument not in defaults[name]:
            raise OptimizerError(one_of(f"argument of the schedule {name}", argument, defaults[name]))
    return defaults[name] | given
