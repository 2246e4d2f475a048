"""Markers of all tests: which row of the specification's checklist, and which numbered equations, a test realises."""

from __future__ import annotations

import pytest


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", 'row("N7", ...): rows of the checklist that the test realises')
    config.addinivalue_line(
        "markers",
        'equations("H60", "D38", "HT5", ...): equations checked; H is Hedberg 2015, D is delmas, HT a table of Hedberg',
    )
