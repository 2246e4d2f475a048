"""P. Simard, D. Steinkraus, J. Platt, "Best practices for convolutional neural networks", 2003, as Hedberg's samples build it."""

from __future__ import annotations

from typing import Any

from gcnn.layers import Convolution, Dense, Layer, MaxPooling, VanillaSubsampling
from gcnn.maps import Maps
from gcnn.models.images import image_maps
from gcnn.network import Network

DESIGNED_FOR = 29
SMALLEST = 11


def simard(input_shape: Any = (1, 29, 29), classes: int = 10, seed: int = 0) -> Network:
    """Hedberg's second sample for MNIST (github.com/mihed/Matuna): 132,540 parameters.

        input   1x29x29     digits of 28 x 28 with one more row and column of zeros
                5@25x25     convolution 5x5, tanh
                5@13x13     vanilla sub-sampling: every second cell of every second row
               50@9x9       convolution 5x5, tanh
               50@5x5       vanilla sub-sampling
              100           dense, tanh
               10           dense, softmax, cross-entropy

    Simard et al. give the sizes 5@13x13, 50@5x5, 100, 10 and move the window by 2 instead: `Convolution(5, 5, stride=2)`
    and then `Convolution(50, 5, stride=2)` make the same function of the same parameters with a quarter of the
    multiply-adds. The layers here are the sample's.

    A side shorter than 29 is padded by 1 in the first convolution, so that digits of 28 x 28 need no preparation: they
    then lie in the middle of 30 x 30, and the sizes behind the first sub-sampling stay those above.

    Raises:
        NetworkError: vectors, or images below 11 x 11.
    """
    inputs = image_maps("simard", input_shape, SMALLEST)
    padding = tuple(int(side < DESIGNED_FOR) for side in inputs.box)
    return _network(inputs, padding if any(padding) else 0, VanillaSubsampling(2), classes, seed)


def simard_max(input_shape: Any = (1, 29, 29), classes: int = 10, seed: int = 0) -> Network:
    """Hedberg's third sample for MNIST: `simard` with max pooling, 87,540 parameters.

    1x29x29 - 5@25x25 - 5@12x12 - 50@8x8 - 50@4x4 - 100 - 10. Pooling takes complete windows only, so that 28 x 28 without any
    padding gives the same sizes behind the first pooling.

    Raises:
        NetworkError: vectors, or images below 16 x 16.
    """
    inputs = image_maps("simard-max", input_shape, smallest=16)
    return _network(inputs, 0, MaxPooling(2), classes, seed)


def _network(inputs: Maps, padding: int | tuple[int, ...], sampling: Layer, classes: int, seed: int) -> Network:
    layers = [
        Convolution(5, 5, padding=padding, activation="tanh"),
        sampling,
        Convolution(50, 5, activation="tanh"),
        sampling,
        Dense(100, activation="tanh"),
        Dense(classes, activation="softmax"),
    ]
    return Network(layers, inputs, loss="cross_entropy", seed=seed)
