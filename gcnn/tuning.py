"""Tuning of kernels, as far as a backend offers it: an optional part of the protocol, and what `gcnn tune` asks for."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple, Protocol, runtime_checkable

from gcnn.backend import Device, Program


class Progress(NamedTuple):
    """How far a search is: of which kernel, the how manieth of how many, and how many of its candidates were tried."""

    kernel: str
    number: int
    kernels: int
    tried: int
    candidates: int


@dataclass(frozen=True)
class Tuned:
    """What was found for one kernel.

    Attributes:
        layer: whose it is, with the layout where that is not the usual one.
        kernel: its name; "plan" for the layout of the plan.
        default: parameters that are taken without tuning.
        benchmark: those that Hedberg's section 9 advises, as a baseline.
        chosen: the fastest right ones; the default where nothing beats it; `None` where nothing works.
        gain: the default's time by that of the chosen; `None` where the default does not work.
        benchmark_gain: the same for the benchmark.
        seconds: of one run with the chosen.
        tried: how many candidates.
        refused: those that are wrong or fail, each with the reason.
        complete: whether there was time for all.
        kept: the file that it was written to; `None` where it was not.
    """

    layer: str
    kernel: str
    default: Mapping[str, int]
    benchmark: Mapping[str, int]
    chosen: Mapping[str, int] | None
    gain: float | None
    benchmark_gain: float | None
    seconds: float | None
    tried: int
    refused: tuple[tuple[Mapping[str, int], str], ...]
    complete: bool
    kept: str | None = None


@runtime_checkable
class Tunes(Protocol):
    """A backend whose kernels have parameters to tune."""

    def tune(
        self,
        program: Program,
        device: Device,
        dtype: str,
        batch: int,
        seconds: float,
        watch: Callable[[Progress], None],
        stop: Callable[[], bool],
    ) -> Iterator[Tuned]:
        """Search for the parameters of a program's kernels, one after another; each result is kept once it is found.

        Args:
            program: the layers, with their loss.
            device: where.
            dtype: "float32" or "float64".
            batch: the most samples of one pass.
            seconds: for all kernels together, about.
            watch: called while it searches.
            stop: asked again and again whether to end; what was found by then is kept.

        Raises:
            Unsupported: as `Backend.plan`.
        """
