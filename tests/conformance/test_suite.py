from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gcnn.backend import Unavailable, register_backend
from gcnn.backends.numpy import BACKEND, NumpyBackend
from gcnn.conformance import main
from gcnn.conformance.allowance import evaluate
from gcnn.conformance.cases import CASES
from gcnn.conformance.certificate import sources_hash
from gcnn.conformance.checks.finding import compare
from gcnn.conformance.mutants import MUTANTS
from gcnn.conformance.runner import case_ids, run, selected


@pytest.fixture
def registered(monkeypatch: pytest.MonkeyPatch):
    """Register a backend for one test."""
    monkeypatch.setattr("gcnn.backend._registered", {})
    return register_backend


def test_case_ids_are_unique_and_written_in_one_way() -> None:
    names = [name for name, _ in case_ids()]
    assert len(set(names)) == len(names)
    assert all(re.fullmatch(r"[a-z0-9_-]+(/[a-z0-9_-]+)+", name) for name in names)


def test_every_case_names_equations_or_is_published_or_extreme() -> None:
    assert [c.id for c in CASES if not c.equations and not c.published and c.draw != "extreme"] == []


def test_the_arrays_of_a_case_are_the_same_every_time_and_exact_in_their_dtype() -> None:
    case = next(c for c in CASES if c.id == "convolution/plain")
    one, two = (case.arrays(case.program(), "float32") for _ in range(2))
    assert np.array_equal(one.x, two.x)
    assert np.array_equal(one.x, one.x.astype(np.float32).astype(np.float64))


@pytest.mark.parametrize("name", ["dense/primes", "convolution/table/lenet-c3", "radial-basis/many"])
def test_the_allowance_in_single_precision_holds_and_is_not_a_thousand_times_too_wide(name: str) -> None:
    case = next(c for c in CASES if c.id == name)
    program = case.program()
    arrays = case.arrays(program, "float32")
    reference = evaluate(program, arrays.theta, arrays.x, "float32", v=arrays.v)
    plan = BACKEND.plan(program, BACKEND.devices()[0], "float32", case.batch)
    plan.theta[...] = arrays.theta
    error = np.abs(plan.forward(arrays.x.astype(np.float32)) - reference.y) / reference.y_allowed
    assert 1e-3 < error.max() < 1


def test_a_nan_where_a_number_belongs_is_beyond_every_allowance() -> None:
    assert compare("x", np.array([1.0, np.nan]), np.array([1.0, 2.0]), 1e9).fraction == np.inf
    assert compare("x", np.array([1.0, np.nan]), np.array([1.0, np.nan]), 0.0).fraction == 0
    assert compare("x", np.array([1.0]), np.array([[1.0]]), 1e9).fraction == np.inf


def test_the_command_passes_the_oracle_and_writes_both_certificates(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = ["--json", str(tmp_path / "c.json"), "--page", str(tmp_path / "c.md")]
    assert main(["--backend", "numpy", "--match", "dense/*", *files]) == 0
    document = json.loads((tmp_path / "c.json").read_text())
    assert document["verdict"] == "conforms"
    assert document["counts"]["passed"] == 2 * len(selected(match="dense/*"))
    assert all(0 <= row["fraction"] <= 1 for row in document["worst"])
    assert document["speeds"] == []
    assert "**Conforms**" in (tmp_path / "c.md").read_text()
    assert "numpy conforms" in capsys.readouterr().out


def test_speeds_are_measured_where_asked_for_and_the_work_is_claimed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gcnn.conformance.speed.BLOCKS", 1)
    files = ["--json", str(tmp_path / "c.json"), "--page", str(tmp_path / "c.md")]
    assert main(["--backend", "numpy", "--match", "flatten/images", "--dtype", "float32", "--speed", *files]) == 0
    rows = json.loads((tmp_path / "c.json").read_text())["speeds"]
    assert [(row["work"], row["dtype"]) for row in rows] == [("mlp 784-300-10", "float32"), ("lenet", "float32")]
    assert all(row["milliseconds"] > 0 and row["times the oracle"] > 0 for row in rows)
    assert "| lenet | float32 |" in (tmp_path / "c.md").read_text()


def test_a_certificate_that_cannot_be_written_is_said_without_a_traceback(tmp_path: Path, capsys: Any) -> None:
    assert main(["--backend", "numpy", "--match", "flatten/images", "--page", str(tmp_path / "no" / "c.md")]) == 2
    assert "does not exist" in capsys.readouterr().err


def test_a_backend_that_fails_gives_status_one(registered: Any, capsys: pytest.CaptureFixture[str]) -> None:
    registered(next(m for m in MUTANTS if m.name == "missing-bias"))
    assert main(["--backend", "missing-bias", "--match", "convolution/plain"]) == 1
    assert "does NOT conform" in capsys.readouterr().out


def test_a_backend_without_device_is_not_run_and_never_green(
    registered: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    class Absent(NumpyBackend):
        name = "absent"

        def devices(self) -> list[Any]:
            return [Unavailable("absent", "accelerator", "no driver", "install one")]

    registered(Absent())
    assert main(["--backend", "absent"]) == 3
    assert main(["--backend", "nump"]) == 3
    assert "no driver" in capsys.readouterr().out


def test_wrong_usage_gives_status_two(tmp_path: Path) -> None:
    assert main(["--backend", "numpy", "--match", "no/such/case"]) == 2
    assert main(["--no-such-option"]) == 2
    assert main(["--backend", "numpy", "--match", "flatten/*", "--expected", str(tmp_path / "absent.toml")]) == 2


EXPECTED = '[[expected]]\npattern = "{}"\nreason = "known"\nlink = "https://example.org/1"\n'


@pytest.mark.parametrize(
    ("backend", "pattern", "match", "status"),
    [
        ("missing-bias", "convolution/plain", "convolution/plain", 1),  # nothing passed: nothing is certified
        ("missing-bias", "convolution/pl*", "convolution/pl* ", 2),
        ("numpy", "flatten/images", "flatten/*", 1),
        ("numpy", "nothing/*", "flatten/*", 1),
    ],
    ids=["only known failures", "no case", "a pass that was not expected", "a pattern without a match"],
)
def test_expected_failures_are_strict(
    registered: Any, tmp_path: Path, backend: str, pattern: str, match: str, status: int
) -> None:
    for mutant in MUTANTS:
        registered(mutant)
    file = tmp_path / "expected.toml"
    file.write_text(EXPECTED.format(pattern))
    assert main(["--backend", backend, "--match", match, "--expected", str(file)]) == status


def test_a_known_failure_is_accepted_beside_cases_that_pass(registered: Any, tmp_path: Path) -> None:
    registered(next(m for m in MUTANTS if m.name == "ties-to-all"))
    file = tmp_path / "expected.toml"
    file.write_text("".join(map(EXPECTED.format, ("max-pooling/ties", "max-pooling/published", "max-pooling/nan*"))))
    assert main(["--backend", "ties-to-all", "--match", "max-pooling/*", "--expected", str(file)]) == 0


def test_a_run_in_part_does_not_hold_the_rest_of_the_list_against_the_backend(tmp_path: Path) -> None:
    file = tmp_path / "expected.toml"
    file.write_text(EXPECTED.format("max-pooling/ties"))
    assert main(["--backend", "numpy", "--match", "flatten/*", "--expected", str(file)]) == 0


def test_a_run_in_which_nothing_passed_says_so(registered: Any, tmp_path: Path, capsys: Any) -> None:
    registered(next(m for m in MUTANTS if m.name == "missing-bias"))
    file = tmp_path / "expected.toml"
    file.write_text(EXPECTED.format("convolution/plain"))
    assert main(["--backend", "missing-bias", "--match", "convolution/plain", "--expected", str(file)]) == 1
    assert "no case passed" in capsys.readouterr().out


def test_a_backend_without_a_file_of_its_own_has_unknown_sources() -> None:
    nowhere = type("Typed", (NumpyBackend,), {"__module__": "no_such_module"})()
    assert sources_hash(nowhere) == "unknown"
    assert re.fullmatch("[0-9a-f]{64}", sources_hash(BACKEND))


@pytest.mark.parametrize(
    "text", ["pattern = 1", "[[expected]]\npattern = 'x'\n", "expected = 3", "\x00", "[[expected]\n"]
)
def test_a_malformed_list_of_expected_failures_is_refused(tmp_path: Path, text: str) -> None:
    file = tmp_path / "expected.toml"
    file.write_text(text)
    assert main(["--backend", "numpy", "--match", "flatten/*", "--expected", str(file)]) == 2


def test_what_is_not_claimed_is_declined_and_said(registered: Any) -> None:
    report = run(BACKEND, BACKEND.devices()[0], ["float32"], ["flatten/images"])
    assert report.results[0].status == "passed"

    class Modest(NumpyBackend):
        name = "modest"

        @property
        def capabilities(self) -> Any:
            from dataclasses import replace

            return replace(super().capabilities, layers=frozenset({"Dense"}))

    modest = Modest()
    (result,) = run(modest, modest.devices()[0], ["float32"], ["flatten/images"]).results
    assert result.status == "declined"
    assert "Flatten layers are not implemented" in result.detail
