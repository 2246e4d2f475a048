"""The conformance suite: does a backend compute the published equations? Importable, and runnable against any backend.

    python -m gcnn.conformance --backend NAME          a summary, a certificate, an exit status
    pytest --pyargs gcnn.conformance --backend NAME    the same cases as tests

A case is a row of data (`cases/`), a check is written once (`checks/`), and what error is allowed is derived from the
operation's own rounding (`allowance/`), never chosen. docs/conformance.md lists all of them.
"""

if __name__ != "gcnn.conformance":
    raise ImportError("import gcnn.conformance, not conformance")

from gcnn.conformance.case import Case
from gcnn.conformance.command import main
from gcnn.conformance.runner import Report, Result, run

__all__ = ["Case", "Report", "Result", "main", "run"]
