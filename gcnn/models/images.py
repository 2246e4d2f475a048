"""What every convolutional model asks first: whether its inputs are images, and large enough."""

from __future__ import annotations

from typing import Any

from gcnn.errors import NetworkError
from gcnn.maps import Maps
from gcnn.network import input_maps

FOR_VECTORS = ("logistic", "mlp", "rbf")
"""The models that read any data; they are what a message names to someone whose data are no images."""


def image_maps(model: str, input_shape: Any, smallest: int) -> Maps:
    """The inputs of a convolutional model as `Maps`.

    Args:
        model: its name, for the messages.
        input_shape: as for `Network`.
        smallest: cells along an axis, below which some layer would have no complete window.

    Raises:
        NetworkError: inputs without axes, or an image with a side below the smallest.
    """
    maps = input_maps(input_shape)
    if maps.dimensions == 0:
        raise NetworkError(
            f"{model} reads images, (maps, height, width), but the inputs are vectors of {maps.points} numbers. "
            f"Models for vectors: {', '.join(FOR_VECTORS)}."
        )
    if min(maps.box) < smallest:
        raise NetworkError(
            f"{model} needs images of at least {smallest} cells along every axis, got {' x '.join(map(str, maps.box))}. "
            f"Pad the images, or take a model for any size: {', '.join(FOR_VECTORS)}."
        )
    return maps
