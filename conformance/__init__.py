"""The conformance suite: does a backend compute the published equations? Importable, and runnable against any backend.

    python -m gcnn.conformance --backend NAME          a summary, a certificate, an exit status
    pytest --pyargs gcnn.conformance --backend NAME    the same cases as tests

A case is a row of data (`cases/`), a check is written once (`checks/`), and what error is allowed is derived from the
operation's own rounding (`allowance/`), never chosen. docs/conformance.md lists all of them.
"""

if __name__ != "gcnn.conformance":
    raise ImportError("import gcnn.conformance, not conformance")

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gcnn.conformance.case import Case
    from gcnn.conformance.command import main
    from gcnn.conformance.runner import Report, Result, run

__all__ = ["Case", "Report", "Result", "main", "run"]

_HOME = {"Case": "case", "Report": "runner", "Result": "runner", "main": "command", "run": "runner"}


def __getattr__(name: str) -> Any:
    """Import on first use: pytest loads this package for its plugin in every run of an environment that has gcnn."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
