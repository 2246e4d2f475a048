"""The suite as pytest tests; the command is `python -m gcnn.conformance`."""

from __future__ import annotations

import pytest

from gcnn.backend import Backend, Device
from gcnn.conformance.expected import Expected
from gcnn.conformance.runner import run


def test_case_conforms(
    case_id: str,
    dtype: str,
    backend_and_device: tuple[Backend, Device],
    known_failures: tuple[Expected, ...],
) -> None:
    """One case on one dtype; what the backend declines is reported as skipped, with its reasons."""
    backend, device = backend_and_device
    if dtype not in device.dtypes:
        pytest.skip(f"{device.name} does not compute in {dtype}")
    known = [entry for entry in known_failures if entry.matches(case_id, dtype)]
    results = run(backend, device, [dtype], [case_id], known).results
    for result in results:
        assert result.ok, f"{result.status}, {result.dtype}: {result.check}: {result.detail}"
    if results[0].status == "declined":
        pytest.skip(f"declined: {results[0].detail}")
    if results[0].status == "expected failure":
        pytest.xfail(results[0].detail)
