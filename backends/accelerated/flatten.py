"""Flatten on a device: the flat order of points is what it makes, so its output is its input's memory."""

from __future__ import annotations

from gcnn.backends.accelerated.layer import DeviceLayer
from gcnn.backends.accelerated.work import Work


class DeviceFlatten(DeviceLayer):
    """Nothing to enqueue: the plan gives it one memory for y_in and y, and one for their slopes."""

    def combine(self, samples: int) -> list[Work]:
        return []

    def backpropagate(self, samples: int) -> list[Work]:
        return []
