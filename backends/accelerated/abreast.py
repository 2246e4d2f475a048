"""Neighbouring columns in one vector, where blocks are narrower than the device's (kernels/abreast.h)."""

from __future__ import annotations

from gcnn.backends.accelerated.place import Kernels
from gcnn.backends.accelerated.windows import as_volume
from gcnn.layers import Convolution
from gcnn.maps import Maps


def abreast(kernels: Kernels, layer: Convolution, inputs: Maps) -> int:
    """Columns of outputs that a vector holds: several where a row has as many, its windows move by 1, and none leaves a row or is in a row
    outside.
    """
    made, read = as_volume(layer.output_maps(inputs).box), as_volume(inputs.box)
    taps, stride = as_volume(layer.kernel_box(inputs)), as_volume(layer.strides(inputs))
    padding = (0, 0, 0, *layer.paddings(inputs))[-3:]
    inside = all(padding[n] == 0 and (made[n] - 1) * stride[n] + taps[n] <= read[n] for n in (1, 2))
    columns = max(kernels.broad // kernels.lanes.count, 1)
    return columns if inside and stride[2] == 1 and made[2] >= columns else 1
