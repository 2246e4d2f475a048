"""Networks by name, for the command line and for examples."""

from __future__ import annotations

from collections.abc import Callable

from gcnn.layers import Convolution, Dense, MaxPooling
from gcnn.network import Network


def digits_conv(input_shape: tuple[int, ...] = (1, 8, 8), classes: int = 10, seed: int = 0) -> Network:
    """A small convolutional network for images of 8 x 8: two convolutions, one pooling, one dense layer.

    The first convolution keeps the size by padding, so that strokes at the border still reach the second.
    """
    layers = [
        Convolution(12, 3, padding=1, activation="relu"),
        Convolution(24, 3, activation="relu"),
        MaxPooling(2),
        Dense(classes, activation="softmax"),
    ]
    return Network(layers, input_shape, loss="cross_entropy", seed=seed)


MODELS: dict[str, Callable[..., Network]] = {"digits-conv": digits_conv}
"""By name, functions of (input_shape, classes, seed); without arguments, each makes what it was designed for."""
