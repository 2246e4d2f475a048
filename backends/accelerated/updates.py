"""Update rules on a device (kernels/updates.cl): the penalty's pull, the limits on the gradient, and the rule, in one pass."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cached_property
from math import sqrt

import numpy as np

from gcnn import kernels as sources
from gcnn.backend import UpdateRule
from gcnn.backends.accelerated.per_unit import Shares
from gcnn.backends.accelerated.place import Kernels
from gcnn.backends.accelerated.runtime import Buffer, Launch
from gcnn.backends.accelerated.vectors import Chunks
from gcnn.backends.accelerated.work import Setting, Work
from gcnn.errors import OptimizerError

Numbers = Callable[[Mapping[str, float], int], tuple[float, ...]]
"""(hyper-parameters, count) -> what the kernel's formula reads, formed in double precision."""

RULES: dict[str, tuple[int, Numbers]] = {
    "gradient_descent": (0, lambda h, n: (h["lr"],)),
    "momentum": (1, lambda h, n: (h["lr"], h["momentum"])),
    "damped_particle": (2, lambda h, n: (h["alpha"], 1 - h["gamma"] * h["alpha"])),
    "adagrad": (3, lambda h, n: (h["lr"], h["eps"])),
    "adagrad_mean": (4, lambda h, n: (h["lr"], h["eps"], 1 / n)),
    "rmsprop": (5, lambda h, n: (h["lr"], h["eps"], 1 - h["beta"])),
    "adam": (
        6,
        lambda h, n: (h["lr"], h["eps"], 1 - h["beta1"], 1 - h["beta2"], 1 - h["beta1"] ** n, 1 - h["beta2"] ** n),
    ),
}
"""What RULE means in the kernel."""
_NUMBERS = 8


class DeviceUpdate:
    """A rule bound to a plan's vectors.

    Args:
        kernels: what compiles.
        rule: one of `RULES`.
        count: how many parameters there are.
        theta, gradient: the whole flat vectors.
        slots: the rule's state, in its order.
        shares: what compute units have for themselves, where a gradient may come in shares.

    Attributes:
        adds_up: whether `apply` takes a gradient in shares; a limit on the norm needs the whole one.
        joins: whether it goes along with what forms the gradient (`into`): where a rule sees the loss's own slopes (decision "updates").
    """

    def __init__(
        self,
        kernels: Kernels,
        rule: UpdateRule,
        count: int,
        theta: Buffer,
        gradient: Buffer,
        slots: list[Buffer],
        shares: Shares | None = None,
    ) -> None:
        self._kernels, self._rule = kernels, rule
        self._count, self._theta, self._gradient, self._slots = np.int64(count), theta, gradient, slots
        self._shares = shares if rule.clip_norm is None else None
        self.adds_up = self._shares is not None
        self._numbers = RULES[rule.kind][1]
        runtime = kernels.runtime
        self._chunks = Chunks.of(runtime, kernels.dtype.itemsize)
        self._centre, self._mask = (self._vector(name, count) or theta for name in ("l2_centre", "l2_mask"))
        parts = self._chunks.groups * kernels.wide.itemsize
        self._of_penalty = runtime.alloc(parts, "parts of the penalty", shared=True)
        self._of_squares = runtime.alloc(parts, "parts of the gradient's norm", shared=True)
        # Two, in turns: the update before may still read its own.
        self._h = [kernels.alloc(_NUMBERS, "numbers of the update rule", shared=True) for _ in range(2)]
        self._turn = 0
        self._newest = Setting(self._h[0])
        self.joins = rule.l2 == 0 and rule.clip_value is None and rule.clip_norm is None
        self._factor = runtime.alloc(kernels.dtype.itemsize, "factor of the gradient", shared=True)
        runtime.upload(np.ones(1, kernels.dtype), self._factor)
        self._sent: tuple[float, ...] = ()

    @cached_property
    def _squares(self) -> Launch:
        return self._bind("squares", None, (*self._pulled(None), self._of_squares))

    @cached_property
    def _penalty(self) -> Launch:
        arguments = self._theta, self._centre, self._mask, self._count, self._of_penalty
        return self._bind("penalty", self._shares, arguments)

    @cached_property
    def _of_whole(self) -> list[Launch]:
        """The update from a gradient that is whole; one for either turn."""
        return self._updates(None)

    @cached_property
    def _of_shares(self) -> list[Launch]:
        """The same from a gradient in shares."""
        return self._updates(self._shares)

    def _updates(self, shares: Shares | None) -> list[Launch]:
        pulled = self._pulled(shares)
        return [self._bind("update", shares, (*pulled, *self._two_slots, h, self._factor)) for h in self._h]

    @property
    def _two_slots(self) -> tuple[Buffer, Buffer]:
        """As kernels take them; what a rule does not have may be any buffer."""
        first, second = (*self._slots, self._theta, self._theta)[:2]
        return first, second

    def _pulled(self, shares: Shares | None) -> tuple[Buffer | np.generic, ...]:
        """What the gradient that the rule sees is formed from."""
        others = shares.others if shares else self._gradient
        l2, limit = self._kernels.real(self._rule.l2), self._kernels.real(self._rule.clip_value or 0.0)
        return self._theta, self._gradient, others, self._centre, self._mask, l2, limit, self._count

    def _vector(self, name: str, count: int) -> Buffer | None:
        """A vector of the penalty on the device, where the rule has it."""
        vector = getattr(self._rule, name)
        if vector is None:
            return None
        if vector.shape != (count,):
            raise OptimizerError(f"{self._rule.kind}: {name} has {vector.size} entries for {count} parameters.")
        return self._kernels.constant(vector.astype(self._kernels.dtype), name)

    def _bind(self, name: str, shares: Shares | None, arguments: tuple[Buffer | np.generic, ...]) -> Launch:
        kernels, rule, chunks = self._kernels, self._rule, self._chunks
        program = kernels.runtime.compile(
            sources.source("updates.cl"),
            "updates.cl",
            {
                "REAL_BITS": 8 * kernels.dtype.itemsize,
                "WIDE_BITS": 8 * kernels.wide.itemsize,
                "V": chunks.lanes,
                "BLOCK": chunks.block,
                "RULE": RULES[rule.kind][0],
                "L2": int(rule.l2 > 0),
                "CENTRE": int(rule.l2_centre is not None),
                "MASK": int(rule.l2_mask is not None),
                "CLIP_VALUE": int(rule.clip_value is not None),
                "CLIP_NORM": int(rule.clip_norm is not None),
                "SHARES": shares.units - 1 if shares else 0,
            },
        )
        return kernels.runtime.bind(program.kernel(name), (chunks.groups,), (chunks.block,), arguments)

    def begin(self, hyperparameters: Mapping[str, float], count: int) -> None:
        """What a step can do before its gradient is there: numbers for the rule, and the penalty of the θ that it begins with."""
        numbers = self._numbers(hyperparameters, count)
        if numbers != self._sent:
            self._turn = 1 - self._turn
            self._kernels.runtime.upload(np.asarray(numbers, self._kernels.dtype), self._h[self._turn])
            self._newest.change(self._h[self._turn])
            self._sent = numbers
        if self._rule.l2:
            self._penalty()

    def apply(self, in_shares: bool = False) -> None:
        """Change θ, from a whole gradient or from one in shares; waits only where the gradient's norm is limited."""
        if self._rule.clip_norm is not None:
            self._squares()
            norm = sqrt(self._total(self._of_squares))
            factor = self._rule.clip_norm / norm if norm > self._rule.clip_norm else 1.0
            self._kernels.runtime.upload(np.full(1, factor, self._kernels.dtype), self._factor)
        (self._of_shares if in_shares else self._of_whole)[self._turn]()

    def into(self, work: Work) -> Work:
        """A work that gives slopes, as one that moves their parameters at once; the gradient then stays as it was."""
        arguments = (*work.arguments, self._theta, *self._two_slots, self._newest)
        return replace(
            work, arguments=arguments, defines={**work.defines, "UPDATES": 1, "RULE": RULES[self._rule.kind][0]}
        )

    def penalty(self) -> float:
        """½ λ Σ mask (θ - centre)² (delmas, Eq. 3) of the θ with which the step began; waits where there is one."""
        return 0.5 * self._rule.l2 * self._total(self._of_penalty) if self._rule.l2 else 0.0

    def _total(self, parts: Buffer) -> float:
        partial = np.empty(self._chunks.groups, self._kernels.wide)
        self._kernels.runtime.download(parts, partial)
        return float(partial.sum(dtype=np.float64))
