"""A radial basis network (Hedberg 2015, Eqs. 46-55)."""

from __future__ import annotations

from typing import Any

from gcnn.layers import Dense, RadialBasis
from gcnn.network import Network


def rbf(input_shape: Any = (1, 28, 28), classes: int = 10, seed: int = 0, units: int = 100) -> Network:
    """Gaussians of the distance to learned centres, then a dense layer; 79,510 parameters for 28 x 28.

    784 - 100 - 10. Hedberg's Eq. 54 has the distance, here its square (the usual Gaussian); his Eq. 55 has a linear output
    without biases, here the outputs are classes: softmax with biases, and cross-entropy. Data of any shape fit.

    Call `Model.initialize_from(x)` before training: it places the centres on samples. Seeded centres, from N(0, 1), lie far
    from most data.

    Args:
        input_shape: as for `Network`.
        classes: outputs.
        seed: of the initial parameters.
        units: number of centres.
    """
    layers = [RadialBasis(units, power=2), Dense(classes, activation="softmax")]
    return Network(layers, input_shape, loss="cross_entropy", seed=seed)
