"""The core level: what a backend says of itself, its vectors, and what its plans refuse."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from gcnn.backend import API_VERSION, Device, Program, Unavailable
from gcnn.conformance.allowance.rounding import EXTRA, SAFETY, unit_roundoff
from gcnn.conformance.checks.finding import Finding, compare, exactly
from gcnn.conformance.subject import Subject
from gcnn.errors import GcnnError, Unsupported
from gcnn.layers import Dense, Layer
from gcnn.maps import Maps
from gcnn.network import Network


def devices(subject: Subject) -> Iterator[Finding]:
    """Devices are described, and numbered as they are listed; what is unavailable says why and what to do."""
    found = list(subject.backend.devices())
    there = [d for d in found if isinstance(d, Device)]
    yield exactly("protocol version", subject.backend.api_version == API_VERSION, f"not {API_VERSION}")
    yield exactly("device numbers", len({d.index for d in there}) == len(there), "two devices have one number")
    yield exactly("device dtypes", all(d.dtypes for d in there), "a device names no dtype")
    silent = [d.name for d in found if isinstance(d, Unavailable) and not (d.reason and d.remedy)]
    yield exactly("reasons and remedies", not silent, f"{silent} give none")


def vectors(subject: Subject) -> Iterator[Finding]:
    """The vector algebra against NumPy in double precision, on a length that fills no tile and through views.

    Whole numbers, small enough that every order of summation is exact, leave reductions no room for a shorter format.
    """
    n, u = 70001, unit_roundoff(subject.dtype)
    rng = np.random.default_rng(3)
    x, y = (subject.cast(rng.standard_normal(n)) for _ in range(2))
    x64, y64 = x.astype(np.float64), y.astype(np.float64)
    whole, signs = rng.integers(-4000, 4000, 4001), rng.integers(-1, 2, 4001)
    part = slice(100, 357)
    with subject.plan(_tiny(), np.zeros(3), 1) as plan:
        algebra = plan.vectors
        a, b = algebra.upload(x), algebra.upload(y)
        yield exactly("upload and download", np.array_equal(algebra.download(a), x), "bits changed")
        w, s = algebra.upload(subject.cast(whole)), algebra.upload(subject.cast(signs))
        yield exactly("dot of whole numbers", algebra.dot(w, s) == float(whole @ signs), "it is not exact")
        dot = float(whole[part] @ signs[part])
        yield exactly(
            "dot of views", algebra.dot(algebra.view(w, part), algebra.view(s, part)) == dot, "not of the views"
        )
        allowed = SAFETY * (n + EXTRA) * u
        yield compare("dot", algebra.dot(a, b), x64 @ y64, allowed * float(np.abs(x64) @ np.abs(y64)))
        yield compare("norm", algebra.norm(a), np.linalg.norm(x64), allowed * float(np.linalg.norm(x64)))
        for sign in (1, -1):
            largest = algebra.amax(algebra.upload(subject.cast(sign * np.array([1.0, -3.0, 2.0]))))
            yield exactly("amax", largest == 3.0, "not the largest absolute value")
        third = 1 / 3
        algebra.axpy(third, a, b)
        each = SAFETY * EXTRA * u * (np.abs(x64) + np.abs(y64))
        yield compare("axpy", algebra.download(b), third * x64 + y64, each)
        yield exactly("axpy leaves x", np.array_equal(algebra.download(a), x), "x changed")
        algebra.scale(-third, algebra.view(a, part))
        scaled = x64.copy()
        scaled[part] *= -third
        yield compare("scale of a view", algebra.download(a), scaled, SAFETY * EXTRA * u * np.abs(scaled))
        zeros = algebra.zeros(n)
        yield exactly("zeros", not algebra.download(zeros).any(), "not zero")
        algebra.copy(algebra.view(a, part), algebra.view(zeros, slice(3, 260)))
        expected = np.zeros(n, subject.dtype)
        expected[3:260] = algebra.download(a)[part]
        yield exactly("copy through views", np.array_equal(algebra.download(zeros), expected), "a view is not a view")
        host = algebra.download(b)
        host += 1
        yield exactly(
            "download is a copy", not np.array_equal(algebra.download(b), host), "writing to it changed the vector"
        )
        mine = x.copy()
        uploaded = algebra.upload(mine)
        mine += 1
        yield exactly("upload is a copy", np.array_equal(algebra.download(uploaded), x), "the host's array is shared")


def parameters(subject: Subject) -> Iterator[Finding]:
    """θ comes back bit for bit, and a new plan's θ does not depend on an old one's."""
    theta = subject.cast(np.array([0.1, -2.5, 3.0]))
    with subject.plan(_tiny(), theta, 4) as plan:
        yield exactly("θ comes back", np.array_equal(plan.vectors.download(plan.theta), theta), "bits changed")
        report = plan.report()
        named = {"backend", "device", "dtype", "layers", "on_host"} <= report.keys()
        yield exactly("report", named, f"it lacks entries: {sorted(report)}")


def refusals(subject: Subject) -> Iterator[Finding]:
    """A layer that nobody knows is refused when planning, all reasons at once; so are other dtypes and batches."""
    network = Network([_Unknown(), Dense(2), _Unknown()], 2, loss="mse")
    program = Program(network.stages)
    try:
        subject.backend.plan(program, subject.device, subject.dtype, 1)
        reasons: tuple[str, ...] = ()
    except Unsupported as error:
        reasons = error.reasons
    yield exactly("unknown layers are refused", len(reasons) >= 2, f"{len(reasons)} reasons for two unknown layers")
    yield _refuses("another dtype is refused", lambda: subject.backend.plan(_tiny(), subject.device, "int8", 1))
    with subject.plan(_tiny(), np.zeros(3), 4) as plan:
        yield _refuses("more samples than planned are refused", lambda: plan.forward(np.zeros((5, 2), subject.dtype)))
        yield _refuses("no samples are refused", lambda: plan.forward(np.zeros((0, 2), subject.dtype)))
        yield _refuses("a step without a rule is refused", lambda: plan.step(np.zeros((1, 2)), np.zeros((1, 1))))
    plan.close()  # a second time: it must not mind
    yield _refuses("a closed plan refuses work", lambda: plan.forward(np.zeros((1, 2), subject.dtype)))


def _refuses(check: str, call: Callable[[], object]) -> Finding:
    try:
        call()
    except GcnnError:
        return Finding(check, 0.0)
    return exactly(check, False, "it was accepted")


class _Unknown(Layer):
    """A layer that no backend has."""

    def output_maps(self, inputs: Maps) -> Maps:
        return inputs


def _tiny() -> Program:
    return Program(Network([Dense(1)], 2, loss="mse").stages)


CHECKS: dict[str, Callable[[Subject], Iterator[Finding]]] = {
    "core/devices": devices,
    "core/vectors": vectors,
    "core/parameters": parameters,
    "core/refusals": refusals,
}
