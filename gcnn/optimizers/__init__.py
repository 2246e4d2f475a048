"""Optimisers: one method a file, its formula at the top. Schedules of their step size are in `schedules`."""

from gcnn.optimizers import schedules
from gcnn.optimizers.adagrad import OTHER_FORMS, AdaGrad
from gcnn.optimizers.adam import Adam
from gcnn.optimizers.base import Optimizer
from gcnn.optimizers.damped_particle import DampedParticle
from gcnn.optimizers.gradient_descent import GradientDescent
from gcnn.optimizers.momentum import Momentum
from gcnn.optimizers.rmsprop import RMSProp

UPDATE_KINDS: tuple[str, ...] = (
    *(method.kind for method in (GradientDescent, Momentum, DampedParticle, AdaGrad, RMSProp, Adam)),
    *(form["kind"] for form in OTHER_FORMS.values()),
)
"""The update rules that a plan may be given."""

__all__ = [
    "UPDATE_KINDS",
    "AdaGrad",
    "Adam",
    "DampedParticle",
    "GradientDescent",
    "Momentum",
    "Optimizer",
    "RMSProp",
    "schedules",
]
