"""Two blocks in the manner of K. Simonyan, A. Zisserman, "Very deep convolutional networks ...", 2014, for small images."""

from __future__ import annotations

from typing import Any

from gcnn.layers import Convolution, Dense, MaxPooling
from gcnn.models.images import image_maps
from gcnn.network import Network


def vgg_small(input_shape: Any = (3, 32, 32), classes: int = 10, seed: int = 0) -> Network:
    """Pairs of 3x3 convolutions that keep the size, pooled; 591,274 parameters.

    3x32x32 - 32@32x32 - 32@32x32 - pooled 32@16x16 - 64@16x16 - 64@16x16 - pooled 64@8x8 - 128 - 10, relu, softmax,
    cross-entropy. As in VGG, kernels are 3x3 with a padding of 1 and poolings 2x2; VGG has five blocks, more maps, and dropout.

    Raises:
        NetworkError: vectors, or images below 4 x 4.
    """
    return _network("vgg-small", input_shape, classes, seed, padding=1, smallest=4)


def vgg_small_valid(input_shape: Any = (3, 32, 32), classes: int = 10, seed: int = 0) -> Network:
    """`vgg_small` without padding, for the benchmarks: 271,786 parameters.

    3x32x32 - 32@30x30 - 32@28x28 - pooled 32@14x14 - 64@12x12 - 64@10x10 - pooled 64@5x5 - 128 - 10.

    Raises:
        NetworkError: vectors, or images below 16 x 16.
    """
    return _network("vgg-small-valid", input_shape, classes, seed, padding=0, smallest=16)


def _network(name: str, input_shape: Any, classes: int, seed: int, padding: int, smallest: int) -> Network:
    layers = [
        Convolution(32, 3, padding=padding, activation="relu"),
        Convolution(32, 3, padding=padding, activation="relu"),
        MaxPooling(2),
        Convolution(64, 3, padding=padding, activation="relu"),
        Convolution(64, 3, padding=padding, activation="relu"),
        MaxPooling(2),
        Dense(128, activation="relu"),
        Dense(classes, activation="softmax"),
    ]
    return Network(layers, image_maps(name, input_shape, smallest), loss="cross_entropy", seed=seed)
