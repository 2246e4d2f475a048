"""Which output coordinates a sliding window has: the index sets S_i of convolution and all pooling layers.

The papers leave them silent (decision "index sets"). Here S_i = {x : k x + u - p lies in S_j, for all taps u and all j in D_i}:
complete windows only, all maps aligned at the origin corner.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import numpy as np

from gcnn.errors import LayerError
from gcnn.maps import Array, Domain, Maps, Size

Sources = Sequence[tuple[int, Size]]
"""The connections of one output map: (input map j, taps per axis)."""


def window_maps(
    layer: str,
    inputs: Maps,
    outputs: Sequence[Sources],
    stride: Size,
    padding: Size | None = None,
    remainder: str = "floor",
) -> Maps:
    """The output maps of a window sliding by `stride` over inputs padded by `padding` zeros on every side.

    Raises:
        LayerError: a window that is larger than a map it reads, an empty output, or a remainder where
            `remainder="error"` forbids one.
    """
    padding = padding or (0,) * inputs.dimensions
    if inputs.boxes:
        return Maps([_box_domain(layer, inputs, sources, stride, padding, remainder) for sources in outputs])
    if any(padding) or remainder != "floor":
        raise LayerError(
            f"{layer}: padding and remainder='error' have no meaning on maps that are lists of coordinates. "
            "Say which coordinates to compute with output=Maps([...]); cells outside the lists count as zero."
        )
    return Maps([_points_domain(layer, inputs, sources, stride, i) for i, sources in enumerate(outputs)])


def like_window_maps(
    layer: str,
    inputs: Maps,
    count: int,
    taps: Size,
    stride: Size,
    padding: Size | None = None,
    remainder: str = "floor",
) -> Maps:
    """The same for `count` output maps that are alike: of uniform inputs, whichever they read, or else of all inputs."""
    read = Maps((1, *inputs.box)) if inputs.uniform else inputs
    one = window_maps(layer, read, [[(j, taps) for j in range(read.count)]], stride, padding, remainder)
    return Maps((count, *one.box)) if one.uniform else Maps(one.domains * count)


def _box_domain(layer: str, inputs: Maps, sources: Sources, stride: Size, padding: Size, remainder: str) -> Domain:
    size = []
    for axis, (k, p) in enumerate(zip(stride, padding, strict=True)):
        counts = []
        for j, taps in sources:
            cells = cast(Size, inputs.domains[j])[axis]
            room = cells + 2 * p - taps[axis]
            if room < 0:
                raise LayerError(
                    f"{layer}: the window needs {taps[axis]} cells along axis {axis}, but input map {j} has {cells}"
                    f"{f' (and padding {p})' if p else ''}. Use a smaller window, a larger image, or padding where the layer offers it."
                )
            if remainder == "error" and room % k:
                raise LayerError(
                    f"{layer}: input map {j} has {cells} cells along axis {axis}: a window of {taps[axis]} moving by {k} "
                    f"leaves {room % k} over. Change sizes so that it fits, or use remainder='floor' (delmas, Eq. 38)."
                )
            counts.append(room // k + 1)
        size.append(min(counts))
    return tuple(size)


def _points_domain(layer: str, inputs: Maps, sources: Sources, stride: Size, i: int) -> Domain:
    """Complete windows over arbitrary coordinate sets, found on the maps' masks."""
    mask = inputs.mask
    complete: Array | None = None
    for j, taps in sources:
        if any(t > n for t, n in zip(taps, inputs.box, strict=True)):
            complete = None
            break
        fits = _filled(mask[j], taps)[tuple(slice(None, None, k) for k in stride)]
        if complete is None:
            complete = fits
        else:
            common = tuple(slice(min(a, b)) for a, b in zip(complete.shape, fits.shape, strict=True))
            complete = complete[common] & fits[common]
    if complete is None or not complete.any():
        raise LayerError(
            f"{layer}: output map {i} would have no point: no complete window lies inside the coordinates of its inputs. "
            "Use a smaller window, or say which coordinates to compute with output=Maps([...])."
        )
    return tuple(tuple(int(n) for n in point) for point in np.argwhere(complete))


def _filled(mask: Array, taps: Size) -> Array:
    """Where a window fits: (*box) booleans to (*box - taps + 1), True where all cells of the window are. One axis at a time."""
    for axis, n in enumerate(taps):
        runs = np.moveaxis(np.cumsum(mask, axis=axis, dtype=np.int32), axis, 0)
        inside = runs[n - 1 :] == n
        inside[1:] = runs[n:] - runs[:-n] == n
        mask = np.moveaxis(inside, 0, axis)
    return mask
