"""The options of the pytest form, for pytest's entry point: `--pyargs` loads a folder's conftest.py too late for options."""

from __future__ import annotations

import pytest


def add_options(parser: pytest.Parser) -> None:
    """The backend and device under test; adding them twice, here and from conftest.py, adds them once."""
    group = parser.getgroup("gcnn conformance")
    for option, meaning in (
        ("--backend", "backend under test; default: GCNN_BACKEND, then auto"),
        ("--device", "index or glob over device names"),
    ):
        try:
            group.addoption(option, default=None, help=meaning)
        except ValueError:  # pytest's answer to an option that the group already has
            return


def pytest_load_initial_conftests(parser: pytest.Parser, args: list[str]) -> None:
    """Offer the options only in runs of this suite, so that no other project's own `--backend` is in the way."""
    if any(arg.startswith("gcnn.conformance") for arg in args):
        add_options(parser)
