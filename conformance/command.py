"""The command: run, summarise, certify, and exit with a status that a script can trust."""

from __future__ import annotations

from pathlib import Path

import click
from rich.console import Console

from gcnn.backend import select
from gcnn.conformance import expected as expected_failures
from gcnn.conformance.case import LEVELS
from gcnn.conformance.certificate import certificate, fraction, worst_by_group, write
from gcnn.conformance.runner import DTYPES, STATUSES, Report, Result, case_ids, run, selected
from gcnn.conformance.speed import speeds
from gcnn.conformance.subject import Subject
from gcnn.errors import BackendUnavailable, GcnnError

PASSED, FAILED, USAGE, NOT_RUN = 0, 1, 2, 3
FILE = click.Path(dir_okay=False, writable=True, path_type=Path)
CAPTION = "worst: the largest error of the group over what its rounding allows; 1 is the limit"


@click.command(
    "conformance", epilog="Exit status: 0 conforms, 1 does not, 2 wrong usage, 3 not run (no such backend or device)."
)
@click.option("--backend", help="Backend under test; default: GCNN_BACKEND, then auto.")
@click.option("--device", help="Index or glob over device names; default: GCNN_DEVICE, then the first.")
@click.option(
    "--dtype",
    "dtypes",
    multiple=True,
    type=click.Choice(DTYPES),
    help="May be repeated; default: all that the device has.",
)
@click.option("--level", "levels", multiple=True, type=click.Choice(LEVELS), help="May be repeated; default: all.")
@click.option("--match", default="*", help="Glob over case ids, such as 'convolution/*'.")
@click.option(
    "--expected", type=click.Path(path_type=Path), help="TOML file of expected failures; default: the backend's own."
)
@click.option("--json", "json_path", type=FILE, help="Write the certificate as JSON.")
@click.option("--page", "page_path", type=FILE, help="Write the certificate as a Markdown page.")
@click.option(
    "--speed", is_flag=True, help="Time training steps beside the oracle's and put them into the certificate."
)
@click.option("--list", "list_only", is_flag=True, help="List the cases and stop.")
@click.option("--verbose", is_flag=True, help="One line a case.")
def conformance(
    backend: str | None,
    device: str | None,
    dtypes: tuple[str, ...],
    levels: tuple[str, ...],
    match: str,
    expected: Path | None,
    json_path: Path | None,
    page_path: Path | None,
    speed: bool,
    list_only: bool,
    verbose: bool,
) -> int:
    """Check that a backend computes the published equations.

    Every case is compared with the NumPy oracle under an error bound derived from the operation itself, and with finite
    differences of the backend's own outputs.
    """
    console = Console(soft_wrap=True)
    ids = selected(levels or LEVELS, match)
    for path in (json_path, page_path):
        if path and not path.resolve().parent.is_dir():
            raise click.UsageError(f"{path} cannot be written: the folder {path.parent} does not exist.")
    if list_only:
        for name, level in case_ids():
            if name in ids:
                console.print(f"{level:9} {name}", highlight=False)
        return PASSED
    if not ids:
        raise click.UsageError(f"no case matches {match!r} on these levels; see --list.")
    try:
        chosen, found = select(backend, device)
    except BackendUnavailable as error:
        console.print(f"not run: {error}", highlight=False, markup=False)
        return NOT_RUN
    console.print(f"{chosen.name} on \\[{found.index}] {found.name} ({found.kind})", highlight=False)
    known = expected_failures.read(expected or getattr(chosen, "expected_failures", None))
    show = (lambda result: _line(console, result)) if verbose else None
    report = run(chosen, found, dtypes or None, ids, known, show)
    if not report.results:
        console.print(f"not run: the device computes in {', '.join(found.dtypes)}, none of which was asked for")
        return NOT_RUN
    _summary(console, report)
    report.speeds = [row for dtype in report.dtypes for row in speeds(Subject(chosen, found, dtype))] if speed else []
    for row in report.speeds:
        line = f"{row['work']}, {row['dtype']}: {row['milliseconds']:.2f} ms a step, {row['times the oracle']:.2f} times the oracle"
        console.print(line, highlight=False)
    write(certificate(report), json_path, page_path)
    return PASSED if report.passed else FAILED


def main(argv: list[str] | None = None) -> int:
    """Run the command and return its exit status; `argv` without the program's name."""
    try:
        return int(conformance.main(argv, prog_name="gcnn conformance", standalone_mode=False) or 0)
    except click.ClickException as error:
        error.show()
        return USAGE
    except (GcnnError, OSError) as error:
        click.echo(f"error: {error}", err=True)
        return USAGE


def _line(console: Console, result: Result) -> None:
    row = f"{result.status:17} {fraction(result.fraction):>7}  {result.dtype}  {result.id}  {result.check}"
    console.print(row, highlight=False, markup=False)


def _summary(console: Console, report: Report) -> None:
    console.print(f"{'group':22} {'dtype':16} cases declined failed   worst  where", highlight=False)
    for worst in worst_by_group(report.results):
        group, case = worst.id.split("/", 1)
        rows = [r for r in report.results if r.id.split("/")[0] == group and r.dtype == worst.dtype]
        declined, failed = (sum(r.status == status for r in rows) for status in ("declined", "failed"))
        row = f"{group:22} {worst.dtype:16} {len(rows):5} {declined:8} {failed:6} {fraction(worst.fraction):>7}  {case}: {worst.check}"
        console.print(row, highlight=False, markup=False)
    console.print(CAPTION, highlight=False)
    for result in report.results:
        if not result.ok:
            where = f"{result.status}: {result.id} ({result.dtype}), {result.check}: {result.detail}"
            console.print(where, highlight=False, markup=False)
    for fault in report.faults:
        console.print(f"fault: {fault}", highlight=False, markup=False)
    counts = ", ".join(f"{report.count(status)} {status}" for status in STATUSES)
    verdict = "conforms" if report.passed else "does NOT conform"
    comparisons = sum(result.findings for result in report.results)
    console.print(f"{report.backend.name} {verdict}: {counts}; {comparisons} comparisons", highlight=False)
