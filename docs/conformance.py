"""Write docs/conformance.md from the cases and mutants: `python docs/conformance.py`, or `--check` that it is up to date."""

from __future__ import annotations

import sys
from pathlib import Path

from gcnn.conformance.case import Case
from gcnn.conformance.cases import CASES
from gcnn.conformance.checks import checks_for
from gcnn.conformance.checks.core import CHECKS as CORE
from gcnn.conformance.mutants import MUTANTS
from gcnn.conformance.mutants.mutant import Mutant
from gcnn.conformance.runner import Result, run
from gcnn.conformance.subject import Subject

PAGE = Path(__file__).with_name("conformance.md")

INTRODUCTION = """# The conformance suite

This page is generated: `python docs/conformance.py`.

    python -m gcnn.conformance --backend NAME          a summary, a certificate, an exit status
    pytest --pyargs gcnn.conformance --backend NAME    the same cases as tests

Exit status of the command: 0 conforms, 1 does not, 2 wrong usage, 3 not run (no such backend or device). "Not run" is never a pass.
`--json` and `--page` write the certificate: device, versions, a hash over the backend's sources, and the worst error of each group.

## What is allowed

No tolerance is chosen. The oracle runs the case in float64 on inputs rounded to the dtype under test, and an error bound is
carried along with every value: a sum of n products may be off by `C (n + k) u Σ|a b|`, with u the unit roundoff, C = 2 (once for the
backend, once for the oracle), k = 4 roundings besides the additions, and Σ|a b| the same operator on absolute values.
Errors that come in are carried through the next layer, through φ and φ', and through the loss. Reports give the worst
error as a fraction of this allowance: a correct backend stays well below 1, a mistake is beyond it by orders of magnitude.

A backend that says so (`Capabilities.minimal`) may compute convolutions by minimal algorithms (Winograd 1980) where a program's
precision is not "strict". Then their formulas on absolute values are added, for the way back and gradients alike. For 3x3 taps:
`C (J + k) u |A|^T (Σ_j |G||w||G|^T * |B^T||d||B|) |A|` for J maps, with the matrices of F(4x4, 3x3), wherever tiles begin. For other
rows of taps: `C (J + k) u |A| (Σ |G||w| * |B||d|)` for J rows of maps, with the matrices of F(m, r) of up to eight products.

Values near 0 are held to their own magnitude: a logistic function formed as ½ (1 + tanh(z / 2)), or a soft
logistic as ½ (1 + z / (1 + |z|)), loses all digits of its tail and fails on purpose, since log y is what a loss makes of it.

## What is checked

- **forward and vjp**: output, ∂/∂θ and ∂/∂x against the oracle, for the planned batch, one sample, and one less than the batch.
- **each layer** of a network alone, reading what the oracle's layer reads.
- **loss and gradient**, **sample gradients** (where claimed).
- **trajectories** of update rules; a plan that **resumes** from θ, slots and count of another goes on with equal bits; limits on the
  gradient that are not reached (**idle limits**) change no bit.
- **differences**: central differences of the backend's own outputs against its own gradients.
- **adjoint** identities of linear layers, **sums** over samples, **published** numbers.
- **conduct**: inputs unchanged, in any memory order; outputs in the plan's dtype, filled completely between canaries, and the caller's
  own; gradients overwritten; equal calls give equal bits; a closed plan refuses work.
- What a backend does not claim must be **refused** when planning, with reasons; what it claims may not be skipped.

## Expected failures

A backend may name what it knows to be wrong in a TOML file (`--expected FILE`, or the path in its attribute `expected_failures`):

    [[expected]]
    pattern = "convolution/mixed-kernels/*"
    reason = "the driver drops the last tap"
    link = "https://..."

The list is strict: a case that passes after all, or an entry that matches nothing, fails the run.
"""


def cases() -> list[str]:
    """Tables of the cases, a level each."""
    subject = Subject(MUTANTS[0], MUTANTS[0].devices()[0], "float64")
    lines = ["## Cases", "", f"core: {', '.join(name.split('/')[1] for name in CORE)}.", ""]
    for level in dict.fromkeys(case.level for case in CASES):
        rows = [case for case in CASES if case.level == level]
        lines += [f"### {level} ({len(rows)} cases)", "", "| case | equations | checks |", "| --- | --- | --- |"]
        lines += [f"| {case.id} | {', '.join(case.equations)} | {_checks(case, subject)} |" for case in rows]
        lines.append("")
    return lines


def _checks(case: Case, subject: Subject) -> str:
    return ", ".join(check.__name__.replace("_", " ") for check in checks_for(case, subject))


def mutants() -> list[str]:
    """The mutants, each with the check that caught it."""
    lines = [
        f"## Mutants: {len(MUTANTS)} backends with one mistake each, all caught",
        "",
        "| mutant | mistake | caught by case | in check |",
        "| --- | --- | --- | --- |",
    ]
    for mutant in MUTANTS:
        result = verdict(mutant)
        if result.ok:
            sys.exit(f"the mutant {mutant.name} is not caught by {mutant.caught_by}")
        lines.append(f"| {mutant.name} | {mutant.mistake} | {result.id} | {result.check} |")
    return lines


def verdict(mutant: Mutant) -> Result:
    """The case that should catch it, run on it."""
    results = run(mutant, mutant.devices()[0], ids=[mutant.caught_by]).results
    return next((result for result in results if not result.ok), results[0])


def main() -> int:
    """Write the page, or compare it."""
    text = "\n".join([INTRODUCTION, *cases(), *mutants(), ""])
    if "--check" not in sys.argv[1:]:
        PAGE.write_text(text)
        return 0
    if PAGE.read_text() == text:
        return 0
    print("docs/conformance.md is not what the cases and mutants give: run python docs/conformance.py")
    return 1


if __name__ == "__main__":
    sys.exit(main())
