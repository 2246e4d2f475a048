from __future__ import annotations

import pytest

from gcnn.backends.numpy import BACKEND
from gcnn.conformance.mutants import MUTANTS
from gcnn.conformance.mutants.mutant import Mutant
from gcnn.conformance.runner import run


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_a_mutant_is_caught_by_its_case(mutant: Mutant) -> None:
    results = run(mutant, mutant.devices()[0], ids=[mutant.caught_by]).results
    assert "failed" in [result.status for result in results]


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_the_case_that_catches_a_mutant_passes_on_the_oracle(mutant: Mutant) -> None:
    results = run(BACKEND, BACKEND.devices()[0], ids=[mutant.caught_by]).results
    assert [result.status for result in results] == ["passed"] * 2


def test_there_are_at_least_twelve_mutants_with_names_of_their_own() -> None:
    assert len({mutant.name for mutant in MUTANTS}) == len(MUTANTS) >= 12


def test_a_mutant_without_a_mistake_conforms_on_the_cases_that_catch_the_others() -> None:
    harmless = Mutant("harmless", "none", "dense/plain")
    report = run(harmless, harmless.devices()[0], ["float32"], sorted({mutant.caught_by for mutant in MUTANTS}))
    assert report.passed
