"""LeNet-5: Y. LeCun, L. Bottou, Y. Bengio, P. Haffner, "Gradient-based learning applied to document recognition", 1998."""

from __future__ import annotations

from typing import Any

from gcnn.layers import LENET5_C3, Convolution, Dense, Layer, RadialBasis, WeightedSubsampling
from gcnn.maps import Maps
from gcnn.models.images import image_maps
from gcnn.network import Network

DESIGNED_FOR, SMALLEST = 32, 28
"""Sides of the images that the paper pads its digits to, and of the digits themselves."""
BORDER = 2


def lenet5(input_shape: Any = (1, 32, 32), classes: int = 10, seed: int = 0) -> Network:
    """LeNet-5 with a softmax output: 60,850 parameters, of which the layers up to F6 have the paper's 60,000.

        input   1x32x32
        C1      6@28x28     5x5, every map its own kernels                   156 parameters
        S2      6@14x14     sum of 2x2, times a weight, plus a bias           12
        C3     16@10x10     5x5, the connection table of the paper's Table I  1,516
        S4     16@5x5       as S2                                             32
        C5    120@1x1       5x5, all maps                                     48,120
        F6     84           dense                                             10,164
        output 10           dense, softmax                                    850

    All layers but the output have the paper's φ(z) = 1.7159 tanh(2z/3). What differs from the paper: the output is softmax
    with cross-entropy instead of distances to fixed centres (for those see `lenet5_rbf`), and the initial weights follow
    Glorot's rule (decision "start") instead of ±2.4 / fan-in.

    The paper lays digits of 28 x 28 into images of 32 x 32. Here a side shorter than 32 is padded by 2 in C1, which
    comes to the same where the paper's border has the value 0, and needs no preparation of the data.

    Raises:
        NetworkError: vectors, or images below 28 x 28.
    """
    inputs = image_maps("lenet5", input_shape, SMALLEST)
    return Network([*_up_to_f6(inputs), Dense(classes, activation="softmax")], inputs, "cross_entropy", seed)


def lenet5_rbf(input_shape: Any = (1, 32, 32), classes: int = 10, seed: int = 0) -> Network:
    """LeNet-5 with a radial basis output, y_i = exp(-β_i ‖F6 - c_i‖²): 60,850 parameters, and the paper's 340,908 connections.

    The layers up to F6 are those of `lenet5`. In the paper, output i is the distance ‖F6 - c_i‖² itself, to a centre that is
    fixed at a bitmap of the digit; here centres and β_i are learned, and Hedberg's radial function (2015, Eq. 54, with a
    square) turns the distance into an answer between 0 and 1.

    The loss is "mse" against rows of 0 and 1. Cross-entropy, -log y_i = β_i ‖F6 - c_i‖² for the right class i, would be
    the paper's Eq. 8, and has the flaw that the paper names: with centres that are learned, nothing keeps all of them from
    becoming the same point. The squared error also pushes F6 away from the centres of the wrong classes, which the paper
    achieves by the second term of its Eq. 9.

    Raises:
        NetworkError: vectors, or images below 28 x 28.
    """
    inputs = image_maps("lenet5-rbf", input_shape, SMALLEST)
    return Network([*_up_to_f6(inputs), RadialBasis(classes, power=2)], inputs, "mse", seed)


def _up_to_f6(inputs: Maps) -> list[Layer]:
    squash = "scaled_tanh"
    padding = tuple(BORDER if side < DESIGNED_FOR else 0 for side in inputs.box)
    return [
        Convolution(6, 5, padding=padding if any(padding) else 0, activation=squash),
        WeightedSubsampling(2, activation=squash),
        Convolution(16, 5, table=LENET5_C3, activation=squash),
        WeightedSubsampling(2, activation=squash),
        Convolution(120, 5, activation=squash),
        Dense(84, activation=squash),
    ]
