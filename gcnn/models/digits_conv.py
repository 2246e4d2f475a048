"""A small network for the digits of 8 x 8 that come with gcnn."""

from __future__ import annotations

from typing import Any

from gcnn.layers import Convolution, Dense, MaxPooling
from gcnn.models.images import image_maps
from gcnn.network import Network


def digits_conv(input_shape: Any = (1, 8, 8), classes: int = 10, seed: int = 0) -> Network:
    """Two convolutions, one pooling, one dense layer for images of 8 x 8: 4,906 parameters.

    1x8x8 - 12@8x8 - 24@6x6 - pooled 24@3x3 - 10, of gcnn's own. The first convolution keeps the size by padding, so that
    strokes at the border still reach the second.

    Raises:
        NetworkError: vectors, or images below 4 x 4.
    """
    inputs = image_maps("digits-conv", input_shape, smallest=4)
    layers = [
        Convolution(12, 3, padding=1, activation="relu"),
        Convolution(24, 3, activation="relu"),
        MaxPooling(2),
        Dense(classes, activation="softmax"),
    ]
    return Network(layers, inputs, loss="cross_entropy", seed=seed)
