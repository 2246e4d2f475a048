"""How the samples of a plan lie in memory, as a thing to tune: the lanes of a block, and how many of them one work-item computes.

Kernels are tuned for a layout; which layout is best is a property of the whole plan (decision "layouts"), found by timing its passes.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np

from gcnn.backend import Plan, Program, get_backend
from gcnn.backends.accelerated import cache
from gcnn.backends.accelerated.lanes import NARROWEST, PLANES, SCALARS, VECTORS, Lanes
from gcnn.backends.accelerated.runtime import Runtime
from gcnn.backends.accelerated.tuning.errors import WrongResult
from gcnn.backends.accelerated.tuning.key import PLAN, Problem
from gcnn.backends.accelerated.tuning.space import Constraint, Parameters, Space
from gcnn.layers import MaxPooling
from gcnn.maps import Array

SAMPLES = 19
"""On which a layout is checked: more than a block of vectors, and no multiple of it."""
ROUNDING = 4096
"""Units in the last place, of all numbers' norm, that a pass through a network may be off by."""
KINKS = 0.01
"""The same as a part of the norm where units have kinks: rounding may take one to its other side, and its slope is another there."""


def layout_space(runtime: Runtime, itemsize: int, batch: int) -> Space:
    """The layouts that suit a device. The benchmark is a sample a work-item, which leaves vectors to the compiler (Hedberg, section 9)."""
    default, scalars = Lanes.of(runtime, itemsize, batch=batch), Lanes.of(runtime, itemsize, SCALARS)
    widest = Lanes.of(runtime, itemsize, VECTORS).vector
    vectors = [Lanes(n, n) for n in (widest, widest // 2, widest // 4) if n >= NARROWEST]
    every = {(lanes.count, lanes.vector) for lanes in (default, *vectors, scalars, Lanes.of(runtime, itemsize, PLANES))}

    def exists(parameters: Parameters) -> bool:
        return (parameters["LANES"], parameters["V"]) in every

    return Space(
        parameters={name: sorted({pair[n] for pair in every}, reverse=True) for n, name in enumerate(("LANES", "V"))},
        default={"LANES": default.count, "V": default.vector},
        benchmark={"LANES": scalars.count, "V": scalars.vector},
        constraints=(Constraint("a work-item computes all lanes or one", exists),),
    )


def layout_problem(program: Program, batch: int) -> Problem:
    """A program and its batch; of another program no result is near."""
    loss = program.loss.to_json() if program.loss else None
    texts = [str(program.inputs.to_json()), *(str(stage.layer.to_json()) for stage in program.stages), str(loss)]
    return Problem(PLAN, cache.key(texts)[:16], {"BATCH": batch}, {})


class PlanTrial:
    """See `search.Trial`; for a whole plan: its loss and gradient, from arrays on the host to a number on the host.

    Args:
        make: makes the plan with a layout.
        program, dtype, batch: what is planned.
    """

    def __init__(self, make: Callable[[Lanes], Plan], program: Program, dtype: str, batch: int) -> None:
        self._make, self._program, self._dtype, self._batch = make, program, dtype, batch
        draw = np.random.default_rng(0)
        self._theta = 0.1 * draw.standard_normal(program.parameter_count)
        self._x = draw.random((batch, *program.inputs.shape)).astype(dtype)
        self._t = draw.random((batch, *program.outputs.shape)).astype(dtype)
        self._expected = self._gradient(self._oracle(), min(SAMPLES, batch))
        kinks = any(isinstance(stage.layer, MaxPooling) or stage.layer.activation == "relu" for stage in program.stages)
        self._allowed = ROUNDING * float(np.finfo(dtype).eps) + KINKS * kinks

    def prepare(self, parameters: Parameters) -> Callable[[int], float]:
        plan = self._make(Lanes(parameters["LANES"], parameters["V"]))
        found = self._gradient(plan, len(self._expected[1]))
        for name, mine, theirs in zip(("the gradient", "∂r/∂x"), found, self._expected, strict=True):
            allowed = self._allowed * max(float(np.linalg.norm(theirs)), 1e-6)
            if not (off := float(np.linalg.norm(mine - theirs))) <= allowed:
                raise WrongResult(f"{name} of the plan differs from the oracle's by {off:g}, more than {allowed:g}")

        def seconds(runs: int) -> float:
            begin = time.perf_counter()
            for _ in range(runs):
                if self._program.loss is None:
                    plan.vjp(self._x, self._t)
                else:
                    plan.loss_gradient(self._x, self._t)
            return time.perf_counter() - begin

        return seconds

    def _oracle(self) -> Plan:
        backend = get_backend("numpy")
        return backend.plan(self._program, backend.devices()[0], "float64", self._batch)  # type: ignore[arg-type]  # it is there

    def _gradient(self, plan: Plan, samples: int) -> tuple[Array, Array]:
        """∂r/∂θ and ∂r/∂x at fixed numbers."""
        vectors = plan.vectors
        vectors.copy(vectors.upload(self._theta), plan.theta)
        dx = plan.vjp(self._x[:samples], self._t[:samples])
        return vectors.download(plan.gradient).astype(np.float64), dx.astype(np.float64)
