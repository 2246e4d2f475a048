"""Logistic regression (delmas, Eqs. 15-16)."""

from __future__ import annotations

from typing import Any

from gcnn.layers import Dense, FeatureMap, Layer
from gcnn.network import Network


def logistic(input_shape: Any = (1, 28, 28), classes: int = 10, seed: int = 0, degree: int = 1) -> Network:
    """Multinomial logistic regression, p(x) = softmax(W φ(x) + b); 7,850 parameters for 28 x 28.

    φ are all monomials of the inputs up to a degree (delmas, Eq. 15): of degree 1, the inputs themselves. delmas has two
    classes and one output; here every class has its output, which for two classes is the same model with a weight
    vector too many. Data of any shape fit. A model whose φ is learned (Eq. 16) is `mlp`.

    Args:
        input_shape: as for `Network`.
        classes: outputs.
        seed: of the initial parameters.
        degree: highest total degree of a monomial. n inputs make (n + degree)! / (n! degree!) - 1 features.
    """
    features: list[Layer] = [] if degree == 1 else [FeatureMap("monomials", degree)]
    return Network([*features, Dense(classes, activation="softmax")], input_shape, loss="cross_entropy", seed=seed)


def logistic_quadratic(input_shape: Any = (1, 8, 8), classes: int = 10, seed: int = 0) -> Network:
    """`logistic` of degree 2: all inputs, their squares and their products; 21,450 parameters for 8 x 8.

    Features are many: 64 inputs make 2,144, and 784 make 308,504.
    """
    return logistic(input_shape, classes, seed, degree=2)
