"""How a plan behaves: it leaves its inputs alone, writes all of its output and nothing else, and repeats itself."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from gcnn.backend import Program
from gcnn.conformance.case import Arrays, Case
from gcnn.conformance.checks.finding import Finding, compare, exactly
from gcnn.conformance.subject import Subject
from gcnn.maps import Array

MARGIN = 64
"""Cells around an array that must keep their value: a wide vector store reaches no further."""

CANARY = -12345.0


def inputs_stay(subject: Subject, case: Case, program: Program, arrays: Arrays) -> Iterator[Finding]:
    """x, v, t and θ are read, never written."""
    x, v, t = (subject.cast(a) for a in (arrays.x, arrays.v, arrays.t))
    with subject.plan(program, arrays.theta, case.batch) as plan:
        theta = plan.vectors.download(plan.theta)
        plan.forward(x)
        plan.vjp(x, v)
        if case.loss:
            plan.loss_gradient(x, t)
        after = plan.vectors.download(plan.theta)
    pairs = {"x": (x, arrays.x), "v": (v, arrays.v), "t": (t, arrays.t), "θ": (after, theta)}
    changed = [
        name for name, (now, then) in pairs.items() if not np.array_equal(now, subject.cast(then), equal_nan=True)
    ]
    yield exactly("inputs unchanged", not changed, f"{', '.join(changed)} changed")


def output_is_filled(subject: Subject, case: Case, program: Program, arrays: Arrays) -> Iterator[Finding]:
    """`forward(x, out)` fills a NaN-filled array and keeps off the cells around it."""
    x = subject.cast(arrays.x)
    expected = subject.reference(program, arrays.theta, arrays.x, v=arrays.v)
    with subject.plan(program, arrays.theta, case.batch) as plan:
        around, out = _framed(expected.y.shape, subject.dtype)
        returned = plan.forward(x, out)
        yield compare("out= is filled", out, expected.y, expected.y_allowed)
        yield exactly("out= is returned", returned is out, "forward(x, out) returned another array")
        margins = np.concatenate([around[:MARGIN], around[-MARGIN:]])
        yield exactly("nothing beyond out= is written", bool((margins == CANARY).all()), "cells next to out changed")


def _framed(shape: tuple[int, ...], dtype: str) -> tuple[Array, Array]:
    """An array of NaN between two margins of canaries: (all of it, the middle)."""
    size = int(np.prod(shape))
    around = np.full(size + 2 * MARGIN, CANARY, dtype=dtype)
    middle = around[MARGIN : MARGIN + size].reshape(shape)
    middle[...] = np.nan
    return around, middle


def results_are_the_callers(subject: Subject, case: Case, program: Program, arrays: Arrays) -> Iterator[Finding]:
    """What a call returned is in the dtype of the plan, and later calls on other data leave it alone."""
    x, v = subject.cast(arrays.x), subject.cast(arrays.v)
    with subject.plan(program, arrays.theta, case.batch) as plan:
        returned = {"forward": plan.forward(x), "input gradient": plan.vjp(x, v)}
        kept = {name: array.copy() for name, array in returned.items()}
        plan.vjp(subject.cast(arrays.x[::-1] * 3), subject.cast(arrays.v * -2))
        plan.forward(subject.cast(arrays.x[::-1] * 3))
    for name, array in returned.items():
        right = array.dtype == np.dtype(subject.dtype)
        yield exactly(f"dtype of {name}", right, f"{array.dtype} from a plan in {subject.dtype}")
        same = np.array_equal(array, kept[name], equal_nan=True)
        yield exactly(f"{name} belongs to the caller", same, "a later call changed what this one returned")


def any_memory_order(subject: Subject, case: Case, program: Program, arrays: Arrays) -> Iterator[Finding]:
    """Arrays in Fortran order, and strided ones, are read as what they are, and an `out` of either kind is filled."""
    x, v = subject.cast(arrays.x), subject.cast(arrays.v)
    with subject.plan(program, arrays.theta, case.batch) as plan:
        expected, gradient = plan.forward(x), plan.vjp(x, v)
        for name, lay in (("Fortran order", np.asfortranarray), ("strides", _strided)):
            same = np.array_equal(plan.forward(lay(x)), expected, equal_nan=True)
            yield exactly(f"x in {name}", same, "forward differs")
            same = np.array_equal(plan.vjp(lay(x), lay(v)), gradient, equal_nan=True)
            yield exactly(f"v in {name}", same, "the input gradient differs")
            out = lay(np.full(expected.shape, np.nan, dtype=subject.dtype))
            plan.forward(x, out)
            yield exactly(
                f"out= in {name}", np.array_equal(out, expected, equal_nan=True), "it is not filled with forward(x)"
            )


def _strided(array: Array) -> Array:
    """The same values, every second cell along the last axis of a larger array."""
    wide = np.zeros((*array.shape[:-1], 2 * array.shape[-1]), dtype=array.dtype)
    wide[..., ::2] = array
    return wide[..., ::2]


def reruns(subject: Subject, case: Case, program: Program, arrays: Arrays) -> Iterator[Finding]:
    """Equal calls give equal bits, also after other data has been through the plan."""
    x, v = subject.cast(arrays.x), subject.cast(arrays.v)
    with subject.plan(program, arrays.theta, case.batch) as plan:
        first = [plan.forward(x).copy(), plan.vjp(x, v).copy(), plan.vectors.download(plan.gradient)]
        plan.vjp(subject.cast(arrays.x[::-1] * 3), subject.cast(arrays.v * -2))
        again = [plan.forward(x), plan.vjp(x, v), plan.vectors.download(plan.gradient)]
    for name, one, two in zip(("forward", "input gradient", "gradient"), first, again, strict=True):
        yield exactly(f"bit-equal rerun of {name}", np.array_equal(one, two, equal_nan=True), "two equal calls differ")
