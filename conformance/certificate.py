"""The certificate of a run: JSON for machines, a Markdown page for people."""

from __future__ import annotations

import hashlib
import importlib
import json
import platform
import sys
from datetime import UTC, datetime
from math import isfinite
from pathlib import Path
from typing import Any

import numpy as np

import gcnn
from gcnn.conformance.runner import STATUSES, Report, Result

SOURCES = {".py", ".cl", ".cu", ".h"}


def certificate(report: Report) -> dict[str, Any]:
    """The run as plain data.

    Attributes of the result: schema, verdict, when, versions, backend, device, sources (a hash over the backend's files,
    kernels included), counts, speeds (where measured), worst (per group and dtype: fraction of the allowance, and where), results.
    """
    device = report.device
    return {
        "schema": 1,
        "verdict": "conforms" if report.passed else "does not conform",
        "when": datetime.now(UTC).isoformat(timespec="seconds"),
        "versions": {"gcnn": gcnn.__version__, "numpy": np.__version__, "python": platform.python_version()},
        "platform": platform.platform(),
        "backend": report.backend.name,
        "device": {
            "name": device.name,
            "kind": device.kind,
            "dtypes": list(device.dtypes),
            "details": dict(device.details),
        },
        "sources": sources_hash(report.backend),
        "counts": {status: report.count(status) for status in STATUSES},
        "comparisons": sum(result.findings for result in report.results),
        "faults": report.faults,
        "speeds": report.speeds,
        "worst": [_row(result) for result in worst_by_group(report.results)],
        "results": [_row(result) for result in report.results],
    }


def worst_by_group(results: list[Result]) -> list[Result]:
    """The result with the largest fraction of each group (first part of the id) and dtype."""
    worst: dict[tuple[str, str], Result] = {}
    for result in results:
        key = (result.id.split("/")[0], result.dtype)
        if result.status != "declined" and (key not in worst or result.fraction > worst[key].fraction):
            worst[key] = result
    return list(worst.values())


def sources_hash(backend: object) -> str:
    """SHA-256 over the files of the package that the backend's class comes from, names and contents, in order.

    A backend that stands on more than its package, such as shared kernels, names them in an attribute `source_packages`.

    A module outside any package is its one file; a class typed at a prompt has no file, and its sources are "unknown".
    """
    module = sys.modules.get(type(backend).__module__)
    name = getattr(module, "__file__", None)
    if module is None or name is None or not Path(name).is_file():
        return "unknown"
    file = Path(name)
    files = [file]
    if module.__package__:
        shared = [importlib.import_module(package) for package in getattr(backend, "source_packages", ())]
        folders = [file.parent, *(Path(str(package.__file__)).parent for package in shared)]
        files = [p for folder in folders for p in sorted(folder.rglob("*")) if p.suffix in SOURCES]
    digest = hashlib.sha256()
    for path in files:
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def page(document: dict[str, Any]) -> str:
    """The certificate as a Markdown page."""
    device, counts = document["device"], document["counts"]
    details = ", ".join(f"{key} {value}" for key, value in device["details"].items())
    lines = [
        f"# Conformance of {document['backend']} on {device['name']}",
        "",
        f"**{document['verdict'].capitalize()}**, {document['when']}: {counts['passed']} passed, {counts['declined']} declined, "
        f"{counts['expected failure']} expected failures, {counts['unexpected pass']} unexpected passes, {counts['failed']} failed; "
        f"{document['comparisons']} comparisons.",
        "",
        f"gcnn {document['versions']['gcnn']}, {details or 'no driver details'}, {document['platform']}; "
        f"sources {document['sources'][:16]}.",
        "",
        "The worst error of each group, as a fraction of the allowance that its own rounding explains (1 would be the limit):",
        "",
        "| group | dtype | fraction | case | check |",
        "| --- | --- | --- | --- | --- |",
    ]
    lines += [
        f"| {row['id'].split('/')[0]} | {row['dtype']} | {fraction(row['fraction'])} | {row['id']} | {row['check']} |"
        for row in document["worst"]
    ]
    if document["speeds"]:
        lines += ["", "Training steps of 64 samples, beside the oracle on this machine:", ""]
        lines += ["| work | dtype | ms a step | times the oracle |", "| --- | --- | --- | --- |"]
        lines += [
            f"| {row['work']} | {row['dtype']} | {row['milliseconds']:.2f} | {row['times the oracle']:.2f} |"
            for row in document["speeds"]
        ]
    failing = [row for row in document["results"] if row["status"] not in ("passed", "declined")]
    if failing or document["faults"]:
        lines += ["", "## Not as it should be", ""]
        lines += [
            f"- {row['id']} ({row['dtype']}): {row['status']}; {row['check']}: {row['detail']}" for row in failing
        ]
        lines += [f"- {fault}" for fault in document["faults"]]
    return "\n".join(lines) + "\n"


def write(document: dict[str, Any], json_path: Path | None, page_path: Path | None) -> None:
    """Write either form, or both."""
    if json_path:
        json_path.write_text(json.dumps(document, indent=1) + "\n")
    if page_path:
        page_path.write_text(page(document))


def _row(result: Result) -> dict[str, Any]:
    row = dict(result.__dict__)
    row["fraction"] = result.fraction if isfinite(result.fraction) else None
    return row


def fraction(value: float | None) -> str:
    """A fraction of an allowance, to be read by people."""
    return "beyond" if value is None or value > 1000 else f"{value:.3f}"
