"""The network of delmas' own example (github.com/dgdelmas/neural_cpp)."""

from __future__ import annotations

from typing import Any

from gcnn.errors import NetworkError
from gcnn.layers import Convolution, Dense
from gcnn.models.images import image_maps
from gcnn.network import Network

SMALLEST, STEP = 7, 3


def delmas(input_shape: Any = (1, 28, 28), classes: int = 10, seed: int = 0) -> Network:
    """delmas' example for MNIST: 6,188 parameters.

    1x28x28 - 5@26x26 (3x3) - 8@8x8 (5x5 moving by 3) - 10, relu, softmax, cross-entropy. The example has the last dense
    layer with φ = identity and a softmax layer behind it; here they are one layer, the same function. Its rule that windows
    must fill the image exactly (Eq. 38) holds here too: `remainder="error"`.

    Raises:
        NetworkError: vectors, or images with a side that is not one of 7, 10, 13, ..., 28, ...
    """
    inputs = image_maps("delmas", input_shape, SMALLEST)
    if any((side - SMALLEST) % STEP for side in inputs.box):
        raise NetworkError(
            f"delmas fits images with sides of 7, 10, 13, ... (28 is one of them), got {' x '.join(map(str, inputs.box))}: "
            "its second convolution, 5 x 5 moving by 3, would leave cells over (delmas, Eq. 38). Pad the images."
        )
    layers = [
        Convolution(5, 3, remainder="error", activation="relu"),
        Convolution(8, 5, stride=STEP, remainder="error", activation="relu"),
        Dense(classes, activation="softmax"),
    ]
    return Network(layers, inputs, loss="cross_entropy", seed=seed)
