"""The checks: each written once, run over every case that it fits."""

from gcnn.conformance.checks.finding import Finding
from gcnn.conformance.checks.suite import checks_for

__all__ = ["Finding", "checks_for"]
