#!/usr/bin/env python
"""Run every mutant against the whole suite, not only the case that is named to catch it; exit 1 where one slips through."""

import sys

from gcnn.conformance.mutants import MUTANTS
from gcnn.conformance.runner import run

missed = []
for mutant in MUTANTS:
    failures = [r for r in run(mutant, mutant.devices()[0], ["float32"]).results if not r.ok]
    print(
        f"{mutant.name:22} {len(failures):4} cases fail in float32: {', '.join(r.id for r in failures[:3])}", flush=True
    )
    missed += [] if failures else [mutant.name]
for name in missed:
    print(f"missed: {name}")
print(f"{len(MUTANTS) - len(missed)} of {len(MUTANTS)} mutants caught by the whole suite in float32")
sys.exit(bool(missed))
