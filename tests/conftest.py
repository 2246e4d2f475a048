"""How long property tests search, and the markers of all tests."""

from __future__ import annotations

import os
import signal

import pytest
from hypothesis import settings

# "full" searches long and afresh; the default repeats itself, so that a failure is a change.
settings.register_profile("default", max_examples=300, deadline=None, derandomize=True, database=None)
settings.register_profile("full", max_examples=3_000, deadline=None, database=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))


def pytest_configure(config: pytest.Config) -> None:
    # Shells let what they start in the background ignore Ctrl-C, and so would the trainings that tests interrupt.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    config.addinivalue_line("markers", 'row("N7", ...): rows of the checklist that the test realises')
    config.addinivalue_line(
        "markers",
        'equations("H60", "D38", "HT5", ...): equations checked; H is Hedberg 2015, D is delmas, HT a table of Hedberg',
    )
