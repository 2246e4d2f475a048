"""Neighbouring columns in one vector, where blocks are narrower than the device's (kernels/abreast.h)."""

from __future__ import annotations

from gcnn.backends.accelerated.geometry import Geometry
from gcnn.backends.accelerated.place import Kernels


def abreast(kernels: Kernels, geometry: Geometry) -> int:
    """Columns of outputs that a vector holds: several where a row has as many, its windows move by 1, and none leaves a row or is in a row
    outside.
    """
    columns = max(kernels.broad // kernels.lanes.count, 1)
    inside = geometry.inside(1) and geometry.inside(2)
    return columns if inside and geometry.stride[2] == 1 and geometry.made[2] >= columns else 1
