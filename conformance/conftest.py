"""The pytest form: `pytest --pyargs gcnn.conformance --backend NAME`."""

from __future__ import annotations

import pytest

from gcnn.backend import Backend, Device, select
from gcnn.conformance import expected as expected_failures
from gcnn.conformance.plugin import add_options
from gcnn.conformance.runner import DTYPES, selected
from gcnn.errors import BackendUnavailable


def pytest_addoption(parser: pytest.Parser) -> None:
    """The backend and device under test."""
    add_options(parser)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """One test a case and dtype."""
    if "case_id" in metafunc.fixturenames:
        cases = [(name, dtype) for dtype in DTYPES for name in selected()]
        metafunc.parametrize(("case_id", "dtype"), cases, ids=[f"{name}-{dtype}" for name, dtype in cases])


@pytest.fixture(scope="session")
def backend_and_device(request: pytest.FixtureRequest) -> tuple[Backend, Device]:
    """What is under test; the run ends with status 3, "not run", where it is not there."""
    name, device = (request.config.getoption(option, default=None) for option in ("--backend", "--device"))
    try:
        return select(name, device)
    except BackendUnavailable as error:
        pytest.exit(f"not run: {error}", returncode=3)


@pytest.fixture(scope="session")
def known_failures(backend_and_device: tuple[Backend, Device]) -> tuple[expected_failures.Expected, ...]:
    """The backend's own list of expected failures."""
    return expected_failures.read(getattr(backend_and_device[0], "expected_failures", None))
