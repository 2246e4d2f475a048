"""The backend "opencl": every OpenCL device that computes, through pyopencl."""

from __future__ import annotations

from collections.abc import Sequence

from gcnn.backend import Device, Unavailable
from gcnn.backends.accelerated.backend import AcceleratedBackend
from gcnn.backends.opencl import discovery
from gcnn.backends.opencl.runtime import OpenCLRuntime


class OpenCLBackend(AcceleratedBackend):
    """GPUs before CPUs; what does not compute is listed with the reason."""

    name = discovery.NAME

    def devices(self) -> Sequence[Device | Unavailable]:
        return discovery.devices()

    def open_runtime(self, device: Device) -> OpenCLRuntime:
        return discovery.open_runtime(device)


BACKEND = OpenCLBackend()
