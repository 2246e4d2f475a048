"""docs/ledger.py: the ledger as it is, and every kind of gap on small made-up ledgers."""

from __future__ import annotations

import importlib.util
import re
import sys
from pathlib import Path
from shutil import copytree, ignore_patterns
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[2]

LEDGER = """
introduction = "# Made up"
[[section]]
title = "Everything"
[section.H1-H2]
statement = "two equations"
status = "implemented"
at = ["made_up:layer"]
[section.D1]
statement = "the same again"
status = "identity only: H1"
[section.H3]
statement = "later"
status = "due: a layer"
[section.N1]
statement = "layers"
status = "implemented"
at = ["made_up"]
"""
UNIVERSE = ("H1", "H2", "H3", "D1", "N1")
CASES = {"H1": ["dense/plain"], "D1": ["dense/plain"]}
TESTS = {"H2": ["tests/test_it.py::test_two"], "N1": ["tests/test_it.py::test_one"]}


@pytest.fixture(scope="module")
def ledger():
    spec = importlib.util.spec_from_file_location("ledger", ROOT / "docs" / "ledger.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules["ledger"] = module  # where its dataclasses look for their module
    spec.loader.exec_module(module)
    yield module
    del sys.modules["ledger"]


@pytest.fixture
def problems(ledger, monkeypatch):
    """What is wrong with a made-up ledger over a made-up module, whose function has this docstring."""

    def find(text=LEDGER, docstring="Eqs. 1-2: a layer.", cases=CASES, tests=TESTS):
        def layer():
            pass

        layer.__doc__ = docstring
        module = ModuleType("made_up")
        module.layer = layer
        monkeypatch.setitem(sys.modules, "made_up", module)
        _, sections = ledger.read_ledger(text)
        return ledger.problems(sections, cases, tests, UNIVERSE)

    return find


def test_the_ledger_of_this_library_has_no_gap_and_its_page_is_up_to_date(ledger, capsys):
    status = ledger.main(["--check"])
    assert capsys.readouterr() == ("", "")
    assert status == 0


def test_the_page_lists_every_equation_table_algorithm_remark_and_item_once():
    rows = re.findall(r"^\| ([A-Z]+\d[^|]*) \|", (ROOT / "docs" / "equations.md").read_text("utf-8"), flags=re.M)
    listed = " ".join(rows).split()
    counts = {"H": 191, "HT": 9, "HA": 4, "HR": 5, "D": 47}
    items = {"N": 24, "A": 2, "L": 6, "O": 12, "S": 6, "V": 5, "I": 5, "P": 13, "T": 9}
    assert sorted(listed) == sorted(f"{letters}{n + 1}" for letters, m in (counts | items).items() for n in range(m))


def test_an_honest_ledger_has_no_problems(problems):
    assert problems() == []


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("H1-H2", "H1", "H2 is missing in docs/ledger.toml"),
        ("[section.N1]", "[section.other]", "other does not exist, but docs/ledger.toml has it"),
        ("[section.H3]", "[section.H2-H3]", "H2 is covered 2 times"),
        ("[section.H3]", "[section.H3-H4]", "H4 does not exist, but docs/ledger.toml has it"),
        ("made_up:layer", "made_down:layer", "H1-H2: made_down:layer cannot be found: No module named 'made_down'"),
        ("made_up:layer", "made_up:other", "H1-H2: made_up:other cannot be found: module 'made_up' has no attribute"),
        (
            "made_up:layer",
            "made_up:layer.inner",
            "H1-H2: made_up:layer.inner cannot be found: 'function' object has no",
        ),
        ('at = ["made_up"]', "", "N1: `at` says where, for all that is implemented"),
        ('"identity only: H1"', '"identity only: H1"\nat = ["made_up"]', "D1: `at` says where"),
        ('"due: a layer"', '"due: a layer"\nat = ["made_down"]', "H3: made_down cannot be found"),
        ('"due: a layer"', '"due"', "H3: the status must be one of"),
        ('"due: a layer"', '"forgotten: a layer"', "H3: the status must be one of"),
        ('"identity only: H1"', '"identity only: "', "D1: the status must be one of"),
        ('"identity only: H1"', '"implemented: H1"', "D1: the status must be one of"),
        ('"identity only: H1"', '"identity only: H8"', "D1 refers to H8, which does not exist"),
        ('"later"', '""', "H3 has no statement"),
    ],
)
def test_a_gap_in_the_hand_written_part_is_reported(problems, old, new, said):
    assert LEDGER.count(old) == 1
    assert any(problem.startswith(said) for problem in problems(LEDGER.replace(old, new)))


@pytest.mark.parametrize(
    ("docstring", "unmentioned"),
    [
        ("Eq. 1: a layer.", ["H2"]),
        ("A layer.", ["H1", "H2"]),
        (None, ["H1", "H2"]),
        ("delmas, Eqs. 1-2: a layer.", ["H1", "H2"]),
        ("Tables 1-2: a layer.", ["H1", "H2"]),
    ],
)
def test_an_implementation_that_does_not_mention_its_number_is_reported(problems, docstring, unmentioned):
    said = [f"{name} is not mentioned in the docstring of made_up:layer" for name in unmentioned]
    assert problems(docstring=docstring) == said


def test_something_implemented_that_nothing_checks_is_reported(problems):
    assert problems(cases={}) == ["H1 is implemented, but no case and no test checks it"]
    assert problems(tests={}) == [f"{name} is implemented, but no case and no test checks it" for name in ("H2", "N1")]


def test_a_case_or_a_marker_that_names_what_does_not_exist_is_reported(problems):
    assert problems(cases=CASES | {"H7": ["dense/odd"]}) == ["H7 does not exist, but the case dense/odd names it"]
    assert problems(tests=TESTS | {"N2": ["t.py::test_odd"]}) == [
        "N2 does not exist, but the test t.py::test_odd names it"
    ]


@pytest.mark.parametrize(
    ("docstring", "names"),
    [
        ("Eq. 60: a sum.", "H60"),
        ("Eqs. 60-62: a sum.", "H60 H61 H62"),
        ("Eqs. 36-41 (delmas 24): an outer product.", "H36 H37 H38 H39 H40 H41 D24"),
        ("delmas, Eqs. 17-18", "D17 D18"),
        ("Hedberg 2015, Eqs. 1, 6, 7 and 8", "H1 H6 H7 H8"),
        ("Losses (Hedberg 2015, Eqs. 20-21, 105,\n    Tables 2 and 3; delmas, Eq. 19)", "H20 H21 H105 HT2 HT3 D19"),
        ("a softmax (Hedberg Eq. 25; delmas Eq. 20)", "H25 D20"),
        ("a factor (Eq. 2; delmas 19, 22, 30 and 32-33)", "H2 D19 D22 D30 D32 D33"),
        ("strided by Remark 5's Eq. 75 (delmas 45)", "HR5 H75 D45"),
        ("Algorithm 4, with the symbols of Table 9", "HA4 HT9"),
        ("delmas' Eqs. 19-20", "D19 D20"),
        ("the linear output of Hedberg's Eq. 55", "H55"),
        ("the text before Eq. 15, 3 taps, 24 maps and 2015", ""),
    ],
)
def test_docstrings_are_read_in_the_forms_that_this_library_uses(ledger, docstring, names):
    assert ledger.cited(docstring) == set(names.split())


def test_markers_are_read_from_functions_classes_parameters_and_modules(ledger, tmp_path):
    (tmp_path / "tests" / "deep").mkdir(parents=True)
    (tmp_path / "tests" / "deep" / "test_one.py").write_text(
        """
import pytest
pytestmark = [pytest.mark.row("N1"), pytest.mark.slow]

@pytest.mark.equations("H1", "H2")
@pytest.mark.equations("HT1")
def test_a(): ...

@pytest.mark.row("N2")
class TestB:
    @pytest.mark.equations("D1")
    def test_c(self): ...

@pytest.mark.parametrize("x", [1, pytest.param(2, marks=pytest.mark.equations("D2"))])
def test_d(x): ...

@pytest.mark.equations("H9")
def helper(): ...
""",
        encoding="utf-8",
    )
    (tmp_path / "tests" / "test_two.py").write_text("def test_e(): ...\n", encoding="utf-8")
    found, unreadable = ledger.read_markers(tmp_path / "tests")
    file = "tests/deep/test_one.py"
    a, c, d = f"{file}::test_a", f"{file}::test_c", f"{file}::test_d"
    assert found == {"N1": [a, c, d], "H1": [a], "H2": [a], "HT1": [a], "N2": [c], "D1": [c], "D2": [d]}
    assert unreadable == []


@pytest.mark.parametrize("arguments", ["*NAMES", "NAME", "60", "", '"H1", NAME'])
def test_a_marker_that_cannot_be_read_is_reported(ledger, tmp_path, arguments):
    (tmp_path / "test_one.py").write_text(f"@pytest.mark.equations({arguments})\ndef test_a(): ...\n", encoding="utf-8")
    _, unreadable = ledger.read_markers(tmp_path)
    assert len(unreadable) == 1
    assert "line 1: a marker must list names as plain strings" in unreadable[0]


def test_corrections_are_found_by_their_headlines_and_in_the_list_of_slips(ledger):
    text = """
### 7. H3-H5, HT2 with D9: a half, H8
### 32. After H60, Remark 2: the factor ½ on δ
### 40. Section 4.2: about nothing in the ledger
## Slips without effect
- H9: the factor of H13 is D. H13, H46-H47: φ is no exponent. Footnote 2: nothing.
## Not checked
- H20: not a slip.
"""
    seven = "[7](corrections.md#7-h3-h5-ht2-with-d9-a-half-h8)"
    other = "[32](corrections.md#32-after-h60-remark-2-the-factor--on-δ)"
    slip = "[slip](corrections.md#slips-without-effect)"
    linked = {seven: "H3 H4 H5 HT2 D9", other: "H60 HR2", slip: "H9 H13 H46 H47"}
    assert ledger.read_corrections(text) == {name: [link] for link, names in linked.items() for name in names.split()}


def test_a_row_shows_links_corrections_and_grouped_checks(ledger):
    at = ("gcnn.backends.numpy.dense:NumpyDense.combine", "gcnn.layers")
    entry = ledger.Entry(("H1", "H2"), "a | b", "implemented", at)
    page = ledger.render(
        "# Made up",
        [ledger.Section("Everything", (entry, ledger.Entry(("N1",), "more", "due: soon", ("gcnn.maps",))))],
        {"H1": ["dense/a", "dense/b"], "H2": ["dense/b", "flatten/a"], "N1": ["dense/a"]},
        {"H1": ["tests/x/test_y.py::test_1", "tests/x/test_y.py::test_2"], "H2": ["tests/x/test_y.py::test_2"]},
        {"H2": ["[3](corrections.md#3)"]},
    )
    assert "| implemented | 2 | 0 |\n" in page
    assert "| due | 0 | 1 |\n" in page
    assert (
        "| H1 H2 | a \\| b | [`NumpyDense.combine`](../backends/numpy/dense.py), [`gcnn.layers`](../gcnn/layers/__init__.py) "
        "| [3](corrections.md#3) | `dense/*` (2 cases), `flatten/*` (1 case), [test_y](../tests/x/test_y.py) (2 tests) |\n"
    ) in page
    assert "| N1 | more | due: soon; so far [`gcnn.maps`](../gcnn/maps.py) |  | `dense/a` |\n" in page


def test_the_links_of_the_page_lead_to_files():
    page = (ROOT / "docs" / "equations.md").read_text(encoding="utf-8")
    targets = set(re.findall(r"\]\(([^)#]+)", page))
    assert len(targets) > 30
    assert [target for target in targets if not (ROOT / "docs" / target).is_file()] == []


def test_the_command_fails_on_a_page_or_a_ledger_that_is_behind(tmp_path, run_python):
    left_out = ignore_patterns("__pycache__", "examples")
    docs = copytree(ROOT / "docs", tmp_path / "docs", ignore=left_out)
    copytree(ROOT / "tests", tmp_path / "tests", ignore=left_out)
    page, toml = docs / "equations.md", docs / "ledger.toml"
    written = page.read_text(encoding="utf-8")

    page.write_text(written.replace("| H80 |", "| H80! |"), encoding="utf-8")
    behind = run_python(f"{docs / 'ledger.py'}", "--check")
    assert (behind.returncode, behind.stderr) == (1, "docs/equations.md is out of date: run python docs/ledger.py\n")

    assert run_python(f"{docs / 'ledger.py'}").returncode == 0
    assert page.read_text(encoding="utf-8") == written

    toml.write_text(toml.read_text(encoding="utf-8").replace("[section.H80]", "[section.H800]"), encoding="utf-8")
    for arguments in (["--check"], []):
        gap = run_python(f"{docs / 'ledger.py'}", *arguments)
        assert gap.returncode == 1
        assert "H80 is missing in docs/ledger.toml\n" in gap.stderr
    assert page.read_text(encoding="utf-8") == written


def test_all_checks_of_an_equation_can_be_listed(ledger, capsys):
    assert ledger.main(["--show", "D46", "H62"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("D46\n  tests/")
    assert "\nH62\n  convolution/stride/2\n" in out
