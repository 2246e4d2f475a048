"""Run the cases on a backend and judge the outcome."""

from __future__ import annotations

import fnmatch
import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from gcnn.backend import Backend, Device, Program
from gcnn.conformance.case import LEVELS, Case
from gcnn.conformance.cases import CASES
from gcnn.conformance.checks import Finding, checks_for
from gcnn.conformance.checks.core import CHECKS as CORE
from gcnn.conformance.checks.finding import exactly
from gcnn.conformance.expected import Expected
from gcnn.conformance.subject import Subject, subjects
from gcnn.errors import Unsupported

DTYPES = ("float64", "float32")
STATUSES = ("passed", "declined", "expected failure", "unexpected pass", "failed")


@dataclass(frozen=True)
class Result:
    """One case on one dtype, and on one variant of the plans.

    Attributes:
        id, level: which case.
        dtype: which dtype, and after it the variant, where one was forced.
        status: "passed"; "failed"; "declined", the backend does not claim it and refused it as it should;
            "expected failure"; or "unexpected pass", which is a failure.
        fraction: worst error as a fraction of the allowance over all checks.
        check: the check that it comes from.
        detail: values, or what went wrong.
        findings: number of comparisons.
    """

    id: str
    level: str
    dtype: str
    status: str
    fraction: float
    check: str
    detail: str
    findings: int

    @property
    def ok(self) -> bool:
        """Nothing to mend."""
        return self.status in ("passed", "declined", "expected failure")


@dataclass
class Report:
    """All results of a run, with faults of the run itself (such as an expected failure that matches nothing), and speeds."""

    backend: Backend
    device: Device
    results: list[Result] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    speeds: list[dict[str, Any]] = field(default_factory=list)

    @property
    def dtypes(self) -> list[str]:
        """What ran, in order, without the variants."""
        return list(dict.fromkeys(result.dtype.split()[0] for result in self.results))

    @property
    def passed(self) -> bool:
        """Every result in order, and nothing at fault."""
        return not self.faults and all(result.ok for result in self.results)

    def count(self, status: str) -> int:
        """How many results have this status."""
        return sum(result.status == status for result in self.results)


def case_ids() -> list[tuple[str, str]]:
    """(id, level) of everything there is to run, in order."""
    return [(name, "core") for name in CORE] + [(case.id, case.level) for case in CASES]


def selected(levels: Sequence[str] = LEVELS, match: str = "*") -> list[str]:
    """The ids on these levels that match a glob."""
    return [name for name, level in case_ids() if level in levels and fnmatch.fnmatchcase(name, match)]


def run(
    backend: Backend,
    device: Device,
    dtypes: Iterable[str] | None = None,
    ids: Iterable[str] | None = None,
    expected: Sequence[Expected] = (),
    progress: Callable[[Result], None] | None = None,
    stop_at_failure: bool = False,
) -> Report:
    """Run cases.

    Args:
        backend: what is under test.
        device: where it runs.
        dtypes: "float64" and "float32" where the device has them; complex numbers are no conformance matter.
        ids: which cases; None runs all.
        expected: known failures; strict.
        progress: called after every case.
        stop_at_failure: end with the first failure, as the mutants do.
    """
    dtypes = [d for d in (dtypes or DTYPES) if d in device.dtypes and d in backend.capabilities.dtypes]
    ids = selected() if ids is None else list(ids)
    report = Report(backend, device)
    for subject in (subject for dtype in dtypes for subject in subjects(backend, device, dtype)):
        for name in ids:
            result = _judge(run_case(subject, name), expected)
            report.results.append(result)
            if progress:
                progress(result)
            if stop_at_failure and not result.ok:
                return report
    for entry in expected:
        if not any(entry.matches(name, dtype) for name, _ in case_ids() for dtype in DTYPES):
            report.faults.append(f"the expected failure {entry.pattern!r} matches no case: remove or mend it")
    if not report.count("passed"):
        report.faults.append("no case passed, so nothing is certified")
    return report


def run_case(subject: Subject, name: str) -> Result:
    """One case on one subject."""
    if name in CORE:
        return _result(name, "core", subject, lambda: CORE[name](subject))
    case = next(case for case in CASES if case.id == name)
    program = case.program()
    if missing := subject.backend.capabilities.missing(program, subject.dtype):
        return _declined(case, subject, program, missing)
    arrays = case.arrays(program, subject.dtype)

    def findings() -> Iterator[Finding]:
        for check in checks_for(case, subject):
            yield from check(subject, case, program, arrays)

    return _result(name, case.level, subject, findings)


def _declined(case: Case, subject: Subject, program: Program, missing: list[str]) -> Result:
    """What is not claimed must be refused when planning, with reasons."""

    def refusal() -> Iterator[Finding]:
        try:
            subject.make_plan(program, case.batch).close()
        except Unsupported as error:
            yield exactly("refusal", len(error.reasons) > 0, "no reasons given")
        else:
            yield exactly("refusal", False, f"a plan was made although it is not claimed: {'; '.join(missing)}")

    result = _result(case.id, case.level, subject, refusal)
    if result.status != "passed":
        return result
    return Result(case.id, case.level, subject.form, "declined", 0.0, "refusal", "; ".join(missing), 1)


def _result(name: str, level: str, subject: Subject, findings: Callable[[], Iterator[Finding]]) -> Result:
    worst, count = Finding("", 0.0), 0
    try:
        for finding in findings():
            count += 1
            if finding.fraction > worst.fraction or count == 1:
                worst = finding
    except Exception as error:  # noqa: BLE001  # a backend under test may fail in any way; that is a result
        place = traceback.extract_tb(error.__traceback__)[-1]
        detail = f"{type(error).__name__}: {error} ({place.name}, line {place.lineno})"
        return Result(name, level, subject.form, "failed", np.inf, "exception", detail, count)
    status = "passed" if worst.passed and count else "failed"
    detail = worst.detail if count else "no check ran"
    return Result(name, level, subject.form, status, worst.fraction, worst.check, detail, count)


def _judge(result: Result, expected: Sequence[Expected]) -> Result:
    entry = next((e for e in expected if e.matches(result.id, result.dtype.split()[0])), None)
    if entry is None or result.status == "declined":
        return result
    status = "unexpected pass" if result.status == "passed" else "expected failure"
    return Result(**{**result.__dict__, "status": status, "detail": f"{result.detail} [{entry.reason}: {entry.link}]"})
