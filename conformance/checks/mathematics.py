"""Against mathematics, on the backend itself: differences of its own outputs, adjoints, sums over samples, printed numbers."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from gcnn.backend import Program, find_device
from gcnn.backends.numpy import BACKEND
from gcnn.conformance.allowance.rounding import unit_roundoff
from gcnn.conformance.case import Arrays, Case
from gcnn.conformance.checks.finding import Finding, compare
from gcnn.conformance.subject import Subject, set_theta
from gcnn.layers import MaxPooling
from gcnn.maps import Array


def differences(subject: Subject, case: Case, program: Program, arrays: Arrays) -> Iterator[Finding]:
    """Central differences of <v, y> along random signs, by θ and by x, against the backend's own gradients.

    The step h balances rounding against truncation, h ~ u^(1/3). What is allowed: the rounding of the two outputs over 2 h, the
    truncation as the difference between steps h and 2 h shows it (a third of it is the error of the smaller step),
    the gradients' own allowance, and the rounding of the sums made here. A direction that crosses a kink is left out.
    """
    rng = np.random.default_rng(7)
    h = 2.0 ** round(np.log2(unit_roundoff(subject.dtype) ** (1 / 3)))
    base = subject.reference(program, arrays.theta, arrays.x, v=arrays.v)
    v = arrays.v
    rounding = (float((np.abs(v) * base.y_allowed).sum()) + _host_rounding(v, base.y)) / h
    with subject.plan(program, arrays.theta, case.batch) as plan:
        dx = plan.vjp(subject.cast(arrays.x), subject.cast(v)).astype(np.float64)
        gradient = plan.vectors.download(plan.gradient).astype(np.float64)

        def by_theta(theta: Array) -> float:
            set_theta(plan, theta, subject.dtype)
            return float((v * plan.forward(subject.cast(arrays.x))).sum())

        def by_x(x: Array) -> float:
            set_theta(plan, arrays.theta, subject.dtype)
            return float((v * plan.forward(subject.cast(x))).sum())

        sides: list[tuple[str, Callable[[Array], float], Array, Array, Array]] = [
            ("input", by_x, arrays.x, dx, base.dx_allowed)
        ]
        if program.parameter_count:
            sides.append(("θ", by_theta, arrays.theta, gradient, base.gradient_allowed))
        for name, f, point, slope, slope_allowed in sides:
            signs = rng.choice([-1.0, 1.0], point.shape)
            points = [point + k * h * signs for k in (-2, -1, 0, 1, 2)]
            if not _one_piece(program, [(p, arrays.x) if name == "θ" else (arrays.theta, p) for p in points]):
                continue
            measured, expected = _difference(f, point, h * signs, subject, slope)
            coarse, coarse_expected = _difference(f, point, 2 * h * signs, subject, slope)
            truncation = abs((coarse - coarse_expected) - (measured - expected)) / 3
            allowed = rounding + 2 * truncation + float(slope_allowed.sum())
            yield compare(f"differences by {name}", np.float64(measured), np.float64(expected), allowed)


def _one_piece(program: Program, points: list[tuple[Array, Array]]) -> bool:
    """Whether max pooling has the same winners, and relu the same sign, at all points (θ, x): no kink lies between."""

    def pieces(theta: Array, x: Array) -> bytes:
        found, y = [], x
        for stage in program.stages:
            saved = BACKEND.layer(stage, find_device(BACKEND, 0), "float64").forward(y, theta[stage.parameters])
            y = saved.y
            if isinstance(stage.layer, MaxPooling):
                found.append(saved.extra.tobytes())
            if stage.layer.activation == "relu":
                found.append((saved.z > 0).tobytes())
        return b"".join(found)

    return len({pieces(*point) for point in points}) == 1


def _difference(
    f: Callable[[Array], float], point: Array, step: Array, subject: Subject, slope: Array
) -> tuple[float, float]:
    """(f(p + s) - f(p - s)) / 2h and the slope along the step that was really taken after rounding."""
    plus, minus = (subject.cast(point + sign * step).astype(np.float64) for sign in (1, -1))
    width = 2 * float(np.abs(step).flat[0])
    return (f(plus) - f(minus)) / width, float((slope * (plus - minus)).sum()) / width


def _host_rounding(a: Array, b: Array) -> float:
    """Rounding of Σ a b, which these checks sum in double precision, whatever the order."""
    return 2 * (a.size + 4) * unit_roundoff("float64") * float(np.abs(a * b).sum())


def adjoint(subject: Subject, case: Case, program: Program, arrays: Arrays) -> Iterator[Finding]:
    """A linear layer: <A x1 - A x2, v> = <x1 - x2, Aᵀ v>."""
    other = arrays.x[::-1] * 0.5
    one = subject.reference(program, arrays.theta, arrays.x, v=arrays.v)
    two = subject.reference(program, arrays.theta, other, v=arrays.v)
    with subject.plan(program, arrays.theta, case.batch) as plan:
        y1 = plan.forward(subject.cast(arrays.x)).astype(np.float64)
        y2 = plan.forward(subject.cast(other)).astype(np.float64)
        dx = plan.vjp(subject.cast(arrays.x), subject.cast(arrays.v)).astype(np.float64)
    allowed = (np.abs(arrays.v) * (one.y_allowed + two.y_allowed)).sum() + (
        np.abs(arrays.x - other) * one.dx_allowed
    ).sum()
    allowed += _host_rounding(arrays.v, one.y) + _host_rounding(arrays.x - other, dx)
    yield compare(
        "adjoint", np.float64(((y1 - y2) * arrays.v).sum()), np.float64(((arrays.x - other) * dx).sum()), allowed
    )


def additivity(subject: Subject, case: Case, program: Program, arrays: Arrays) -> Iterator[Finding]:
    """The gradient of <v, y> over a batch is the sum of its samples' (Eq. 2)."""
    with subject.plan(program, arrays.theta, case.batch) as plan:
        total, allowed = np.zeros(program.parameter_count), np.zeros(program.parameter_count)
        for s in range(case.batch):
            one = slice(s, s + 1)
            plan.vjp(subject.cast(arrays.x[one]), subject.cast(arrays.v[one]))
            total += plan.vectors.download(plan.gradient)
            allowed += subject.reference(program, arrays.theta, arrays.x[one], v=arrays.v[one]).gradient_allowed
        plan.vjp(subject.cast(arrays.x), subject.cast(arrays.v))
        gradient = plan.vectors.download(plan.gradient)
    allowed = allowed + subject.reference(program, arrays.theta, arrays.x, v=arrays.v).gradient_allowed
    yield compare("sum over samples", gradient, total, allowed)


def published(subject: Subject, case: Case, program: Program, arrays: Arrays) -> Iterator[Finding]:
    """Numbers worked by hand or printed elsewhere; what is allowed is the rounding and half of the last digit."""
    printed = 0.0 if case.digits is None else 0.5 * 10.0**-case.digits
    wanted = {name: np.asarray(value, dtype=np.float64) for name, value in case.published.items()}
    lossy = "loss" in wanted
    expected = subject.reference(program, arrays.theta, arrays.x, **({"t": arrays.t} if lossy else {"v": arrays.v}))
    x = subject.cast(arrays.x)
    with subject.plan(program, arrays.theta, case.batch) as plan:
        got = {"y": plan.forward(x)}
        if lossy:
            got["loss"] = np.asarray(plan.loss_gradient(x, subject.cast(arrays.t)))
        else:
            got["dx"] = plan.vjp(x, subject.cast(arrays.v))
        got["gradient"] = plan.vectors.download(plan.gradient)
    for name in wanted.keys() - {"theta"}:
        allowed = getattr(expected, f"{name}_allowed") + printed
        yield compare(f"published {name}", got[name], wanted[name].reshape(got[name].shape), allowed)
