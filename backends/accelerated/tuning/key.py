"""What a result of tuning holds for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import log2
from typing import Any

from gcnn import kernels
from gcnn.backends.accelerated import cache
from gcnn.backends.accelerated.runtime import Runtime
from gcnn.backends.accelerated.tuning.errors import TuningError

PLAN = "plan"
"""In place of a file: the problem is a whole plan, whose results outlive changes of a kernel."""


@dataclass(frozen=True)
class Problem:
    """A kernel and the sizes it is to be compiled for.

    Attributes:
        file: of kernels/, or `PLAN`.
        kernel: what it computes, such as "forward"; with the file's name it is what results are called by.
        sizes: macros that say how large the problem is, and whatever else the time grows with. Near ones are alike.
        options: all other macros, which make it another kernel.
    """

    file: str
    kernel: str
    sizes: Mapping[str, int]
    options: Mapping[str, object]

    @property
    def name(self) -> str:
        """Such as "dense.forward"."""
        return f"{self.file.removesuffix('.cl')}.{self.kernel}"


@dataclass(frozen=True)
class Key:
    """The exact conditions of a result.

    Attributes:
        kernel: the problem's name.
        source: SHA-256 of the kernel's source with all it includes, and of its options.
        dtype: "float32" or "float64".
        sizes: of the problem, by name.
        api: "opencl" or "cuda".
        device: its name and how many units it has: a container may be given fewer than the machine has.
        driver: its version, and its platform's.
    """

    kernel: str
    source: str
    dtype: str
    sizes: tuple[tuple[str, int], ...]
    api: str
    device: str
    driver: str

    @classmethod
    def of(cls, problem: Problem, runtime: Runtime, dtype: str) -> Key:
        """The key of a problem on a device."""
        options = [f"{name}={value}" for name, value in sorted(problem.options.items())]
        return cls(
            kernel=problem.name,
            source=cache.key([PLAN if problem.file == PLAN else kernels.source(problem.file), *options]),
            dtype=dtype,
            sizes=tuple(sorted(problem.sizes.items())),
            api=runtime.language,
            device=device_name(runtime),
            driver=" / ".join(runtime.device.details.get(name, "") for name in ("driver", "platform version")),
        )

    def distance(self, other: Key) -> float:
        """How unlike in size, in doublings: the sum over all sizes. Infinite for another kernel or dtype."""
        if (self.kernel, self.dtype) != (other.kernel, other.dtype) or dict(self.sizes).keys() != dict(
            other.sizes
        ).keys():
            return float("inf")
        pairs = zip(self.sizes, other.sizes, strict=True)
        return sum(abs(log2(max(mine, 1) / max(theirs, 1))) for (_, mine), (_, theirs) in pairs)

    def to_json(self) -> dict[str, Any]:
        """The fields, for a file."""
        return vars(self) | {"sizes": dict(self.sizes)}

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Key:
        """Read what `to_json` wrote. Raises `TuningError`."""
        try:
            fields = {name: document[name] for name in cls.__dataclass_fields__}
            sizes = tuple(sorted(fields.pop("sizes").items()))
        except (AttributeError, KeyError, TypeError) as error:
            raise TuningError(f"not the conditions of a result: {error!r}") from error
        texts = all(isinstance(value, str) for value in fields.values())
        if not texts or not all(isinstance(name, str) and _is_integer(size) for name, size in sizes):
            raise TuningError("not the conditions of a result: fields are texts, sizes whole numbers")
        return cls(sizes=sizes, **fields)


def device_name(runtime: Runtime) -> str:
    """A device, as results know it."""
    return f"{runtime.device.name}, {runtime.limits.compute_units} units"


def _is_integer(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
