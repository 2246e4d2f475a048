"""The LeNet of today's tutorials and benchmarks: max pooling, no connection table, softmax."""

from __future__ import annotations

from typing import Any

from gcnn.layers import Convolution, Dense, MaxPooling
from gcnn.models.images import image_maps
from gcnn.network import Network


def lenet(input_shape: Any = (1, 28, 28), classes: int = 10, seed: int = 0) -> Network:
    """A convolutional network after LeNet-5, with max pooling: 44,426 parameters.

    1x28x28 - 6@24x24 (5x5) - pooled 6@12x12 - 16@8x8 (5x5) - pooled 16@4x4 - 120 - 84 - 10, tanh, softmax, cross-entropy.
    It is what most libraries show as LeNet. From LeNet-5 (`lenet5`) it differs by max pooling in place of weighted
    sub-sampling, by the missing connection table, by tanh without scale, and by reading 28 x 28 without a border, so
    that the layer of 120 sees 4x4 cells instead of 5x5.

    Raises:
        NetworkError: vectors, or images below 16 x 16.
    """
    inputs = image_maps("lenet", input_shape, smallest=16)
    layers = [
        Convolution(6, 5, activation="tanh"),
        MaxPooling(2),
        Convolution(16, 5, activation="tanh"),
        MaxPooling(2),
        Dense(120, activation="tanh"),
        Dense(84, activation="tanh"),
        Dense(classes, activation="softmax"),
    ]
    return Network(layers, inputs, loss="cross_entropy", seed=seed)
