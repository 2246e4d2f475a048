"""A multi-layer perceptron (Hedberg 2015, section 3.1; delmas, Eqs. 16-18)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gcnn.layers import Dense
from gcnn.network import Network


def mlp(input_shape: Any = (1, 28, 28), classes: int = 10, seed: int = 0, units: Sequence[int] = (300, 100)) -> Network:
    """Dense layers with tanh, then softmax and cross-entropy; 266,610 parameters for 28 x 28.

    784 - 300 - 100 - 10 is the 300-100 network that LeCun et al. compare LeNet-5 with (1998, section III.C.4), there with a
    scaled tanh and squared error. Data of any shape fit: they are read as one vector.

    Args:
        input_shape: as for `Network`.
        classes: outputs.
        seed: of the initial parameters.
        units: of the hidden layers, first to last; () leaves none, which is `logistic`.
    """
    hidden = [Dense(count, activation="tanh") for count in units]
    return Network([*hidden, Dense(classes, activation="softmax")], input_shape, loss="cross_entropy", seed=seed)
