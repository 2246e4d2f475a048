"""Which neighbouring layers become one."""

from __future__ import annotations

from collections.abc import Sequence

from gcnn.backends.accelerated.pooled_convolution import pooled
from gcnn.network import Stage


def fused(stages: Sequence[Stage]) -> tuple[Stage, ...]:
    """The stages, with a convolution and the pooling after it as one."""
    found: list[Stage] = []
    for stage in stages:
        both = pooled(found[-1], stage) if found else None
        if both is None:
            found.append(stage)
        else:
            found[-1] = both
    return tuple(found)
