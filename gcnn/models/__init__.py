"""Networks by name, one a file: those of the two papers' authors, those of the literature, and plain ones for any data."""

from __future__ import annotations

from collections.abc import Callable

from gcnn.models.delmas import delmas
from gcnn.models.digits_conv import digits_conv
from gcnn.models.lenet import lenet
from gcnn.models.lenet5 import lenet5, lenet5_rbf
from gcnn.models.logistic import logistic, logistic_quadratic
from gcnn.models.mlp import mlp
from gcnn.models.rbf import rbf
from gcnn.models.simard import simard, simard_max
from gcnn.models.vgg_small import vgg_small, vgg_small_valid
from gcnn.network import Network

MODELS: dict[str, Callable[..., Network]] = {
    "delmas": delmas,
    "digits-conv": digits_conv,
    "lenet": lenet,
    "lenet5": lenet5,
    "lenet5-rbf": lenet5_rbf,
    "logistic": logistic,
    "logistic-quadratic": logistic_quadratic,
    "mlp": mlp,
    "rbf": rbf,
    "simard": simard,
    "simard-max": simard_max,
    "vgg-small": vgg_small,
    "vgg-small-valid": vgg_small_valid,
}
"""By name, functions of (input_shape, classes, seed); without arguments, each makes what it was designed for."""

__all__ = ["MODELS"]
