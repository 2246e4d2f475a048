"""What a device allows, and the checks against it that are the same on every device."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

from gcnn.backends.accelerated.errors import DeviceError, LaunchRefused, OutOfDeviceMemory

_WIDEST = 16
"""Lanes of the widest vector type of OpenCL C."""


@dataclass(frozen=True)
class Limits:
    """What a device allows.

    Attributes:
        memory_bytes: all of its memory.
        allocation_bytes: the largest single buffer.
        shared_bytes: memory that a group shares (OpenCL's local memory).
        block_items: work-items of a group, at most.
        block: the same for each axis.
        grid: groups for each axis, at most.
        compute_units: groups that run at once, about.
        vector_bytes: width of one work-item's arithmetic; 0 where an item computes on scalars, as on GPUs.
        float64: whether it computes in double precision.
        constant_bytes: of one buffer in memory for constants; by default what OpenCL promises.
    """

    memory_bytes: int
    allocation_bytes: int
    shared_bytes: int
    block_items: int
    block: tuple[int, ...]
    grid: tuple[int, ...]
    compute_units: int
    vector_bytes: int
    float64: bool
    constant_bytes: int = 65536

    def group(self, most: int) -> int:
        """Work-items of a group that sums by halves: the largest power of two that is allowed, up to `most`."""
        return 1 << (min(most, self.block_items).bit_length() - 1)

    def lanes(self, itemsize: int) -> int:
        """Lanes of the vector type in which one work-item computes: a power of two, 1 for scalars."""
        return min(_WIDEST, 1 << max(0, (self.vector_bytes // itemsize).bit_length() - 1))


def check_allocation(device: str, limits: Limits, name: str, asked: int, allocated: int) -> None:
    """Refuse a buffer before the driver is asked: some drivers promise memory and fail at the first launch.

    Raises:
        OutOfDeviceMemory: larger than the device's largest buffer, or than what is left of its memory.
    """
    if asked > limits.allocation_bytes:
        raise OutOfDeviceMemory(device, name, asked, f"its largest buffer is {limits.allocation_bytes:,} bytes")
    if allocated + asked > limits.memory_bytes:
        reason = f"{allocated:,} of its {limits.memory_bytes:,} bytes are taken by this runtime"
        raise OutOfDeviceMemory(device, name, asked, reason)


def check_launch(
    device: str,
    limits: Limits,
    kernel: str,
    grid: tuple[int, ...],
    block: tuple[int, ...] | None,
    items: int,
    shared: int,
) -> None:
    """Refuse a launch that cannot work.

    Args:
        device: its name, for messages.
        limits: what it allows.
        kernel: the kernel's name, for messages.
        grid: groups for each axis.
        block: work-items of a group for each axis; `None` where the driver chooses, and the grid counts work-items.
        items: work-items of a group that the compiled kernel allows, at most.
        shared: bytes of shared memory that the compiled kernel needs.

    Raises:
        LaunchRefused: naming what was needed and what there is.
    """
    block = (1,) * len(grid) if block is None else block
    if len(grid) != len(block) or not 1 <= len(grid) <= 3 or min(*grid, *block) < 1:
        raise LaunchRefused(
            f"kernel {kernel!r}: grid {grid} and block {block} must have the same 1 to 3 axes, each at least 1."
        )
    if prod(block) > min(items, limits.block_items):
        limit = f"{items} for this kernel" if items < limits.block_items else str(limits.block_items)
        raise LaunchRefused(
            f"kernel {kernel!r}: a group of {'x'.join(map(str, block))} = {prod(block)} work-items was asked for, "
            f"{device} allows {limit}. Use a smaller block."
        )
    for what, asked, allowed in (("block", block, limits.block), ("grid", grid, limits.grid)):
        for axis, (given, most) in enumerate(zip(asked, allowed, strict=False)):
            if given > most:
                raise LaunchRefused(
                    f"kernel {kernel!r}: axis {axis} of the {what} {asked} is longer than the {most} that {device} allows."
                )
    if shared > limits.shared_bytes:
        raise LaunchRefused(
            f"kernel {kernel!r} needs {shared:,} bytes of memory shared by a group, {device} has {limits.shared_bytes:,}. "
            "Use smaller tiles."
        )


def check_float64(device: str, limits: Limits, dtype: str) -> None:
    """Raises `DeviceError` where double precision is asked for and not there."""
    if dtype == "float64" and not limits.float64:
        raise DeviceError(
            f"{device} does not compute in float64. Use dtype='float32', or another device (see: gcnn devices)."
        )
