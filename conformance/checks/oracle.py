"""Against the oracle: output, gradients, loss, each layer alone, and every count of samples up to the batch."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from gcnn.backend import Plan, Program
from gcnn.conformance.case import Arrays, Case
from gcnn.conformance.checks.finding import Finding, compare, exactly
from gcnn.conformance.subject import Subject
from gcnn.network import Stage


def forward_and_vjp(subject: Subject, case: Case, program: Program, arrays: Arrays) -> Iterator[Finding]:
    """Output, ∂/∂θ and ∂/∂x of <v, y>: for the whole batch, then for fewer samples on the same plan."""
    with subject.plan(program, arrays.theta, case.batch) as plan:
        for n in _counts(case.batch):
            yield from _vjp(f"{{}}, n={n}", subject, plan, program, arrays.first(n))


def each_layer(subject: Subject, case: Case, program: Program, arrays: Arrays) -> Iterator[Finding]:
    """Each layer of a network alone, reading what the oracle's layer reads: errors do not add up, faults do not hide."""
    inputs = subject.reference(program, arrays.theta, arrays.x, v=arrays.v).layer_inputs
    rng = np.random.default_rng(len(program.stages))
    for number, (stage, y_in) in enumerate(zip(program.stages, inputs, strict=True)):
        first = Stage(stage.layer, stage.inputs, stage.outputs, slice(0, _length(stage.parameters)))
        alone = Program((first,), precision=program.precision)
        v = rng.standard_normal((case.batch, *stage.outputs.shape))
        own = Arrays(arrays.theta[stage.parameters], *(subject.cast(a).astype(np.float64) for a in (y_in, arrays.t, v)))
        with subject.plan(alone, own.theta, case.batch) as plan:
            yield from _vjp(f"{{}} of layer {number} alone", subject, plan, alone, own)


def loss_and_gradient(subject: Subject, case: Case, program: Program, arrays: Arrays) -> Iterator[Finding]:
    """The reduced loss and its gradient; a short batch is reduced by its own size."""
    with subject.plan(program, arrays.theta, case.batch) as plan:
        for n in _counts(case.batch):
            part = arrays.first(n)
            expected = subject.reference(program, part.theta, part.x, t=part.t)
            x, t = subject.cast(part.x), subject.cast(part.t)
            loss = np.float64(plan.loss_gradient(x, t))
            yield compare(f"loss, n={n}", loss, np.float64(expected.loss), expected.loss_allowed)
            gradient = plan.vectors.download(plan.gradient)
            yield compare(f"loss gradient, n={n}", gradient, expected.gradient, expected.gradient_allowed)
            alone = np.float64(plan.loss(x, t))
            yield compare(f"loss without gradient, n={n}", alone, np.float64(expected.loss), expected.loss_allowed)


def sample_gradients(subject: Subject, case: Case, program: Program, arrays: Arrays) -> Iterator[Finding]:
    """Row s is the gradient of sample s alone: checked for the first, the middle and the last row; all add up to the gradient."""
    x, v = subject.cast(arrays.x), subject.cast(arrays.v)
    with subject.plan(program, arrays.theta, case.batch) as plan:
        rows = plan.sample_gradients(x, v)
        plan.vjp(x, v)
        gradient = plan.vectors.download(plan.gradient)
    yield exactly("sample gradients", rows.shape == (case.batch, gradient.size), f"shape {rows.shape}")
    allowed = 2 * subject.reference(program, arrays.theta, arrays.x, v=arrays.v).gradient_allowed
    yield compare("sum of sample gradients", rows.astype(np.float64).sum(axis=0), gradient, allowed)
    for s in sorted({0, case.batch // 2, case.batch - 1}):
        expected = subject.reference(program, arrays.theta, arrays.x[s : s + 1], v=arrays.v[s : s + 1])
        yield compare(f"sample gradient {s}", rows[s], expected.gradient, expected.gradient_allowed)


def _vjp(label: str, subject: Subject, plan: Plan, program: Program, arrays: Arrays) -> Iterator[Finding]:
    expected = subject.reference(program, arrays.theta, arrays.x, v=arrays.v)
    x, v = subject.cast(arrays.x), subject.cast(arrays.v)
    yield compare(label.format("forward"), plan.forward(x), expected.y, expected.y_allowed)
    yield compare(label.format("input gradient"), plan.vjp(x, v), expected.dx, expected.dx_allowed)
    gradient = plan.vectors.download(plan.gradient)
    yield compare(label.format("gradient"), gradient, expected.gradient, expected.gradient_allowed)


def _counts(batch: int) -> list[int]:
    """The whole batch, one sample, and one less than the batch: the last after a larger count, so that leftovers show."""
    return list(dict.fromkeys([batch, 1, max(batch - 1, 1)]))


def _length(part: slice) -> int:
    return int(part.stop - part.start)
