"""Optimisers: one method a file, its formula at the top."""

from gcnn.optimizers.adam import Adam
from gcnn.optimizers.base import Optimizer
from gcnn.optimizers.gradient_descent import GradientDescent
from gcnn.optimizers.momentum import Momentum

UPDATE_KINDS = tuple(method.kind for method in (GradientDescent, Momentum, Adam))
"""The update rules that a plan may be given."""

__all__ = ["UPDATE_KINDS", "Adam", "GradientDescent", "Momentum", "Optimizer"]
