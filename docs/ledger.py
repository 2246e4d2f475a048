"""The ledger of equations: joins docs/ledger.toml with the code, the conformance cases and the tests.

    python docs/ledger.py                    write docs/equations.md
    python docs/ledger.py --check            write nothing; exit 1 and say what is missing, wrong or out of date
    python docs/ledger.py --show H60 D38     name every case and test that checks these

Names: H60 and D38 are equations of Hedberg 2015 and of delmas; HT, HA and HR are Hedberg's tables, algorithms and remarks; all
other letters are items of the checklist. Tests say what they check by the markers `equations` and `row`, which are read, not run.
"""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from argparse import ArgumentParser
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
PAGE = "docs/equations.md"

PAPERS = {"H": 191, "HT": 9, "HA": 4, "HR": 5, "D": 47}
CHECKLIST = {"N": 24, "A": 2, "L": 6, "O": 12, "S": 6, "V": 5, "I": 5, "P": 13, "T": 9}
UNIVERSE = [f"{letters}{n}" for letters, count in (PAPERS | CHECKLIST).items() for n in range(1, count + 1)]
STATUSES = ("implemented", "identity only", "derivation only", "due")

NAMES = re.compile(r"\b([A-Z]+)(\d+)(?:-[A-Z]*(\d+))?")
NUMBERS = r"\d+(?:-\d+)?(?:(?:, | and )\d+(?:-\d+)?)*"
CITATIONS = re.compile(rf"(Hedberg|delmas)|(?<!before )(?<!after )\b(Eq|Table|Algorithm|Remark)s?\.? ({NUMBERS})")

Checks = Mapping[str, Sequence[str]]
"""From the name of an equation or item to the cases, tests or corrections that concern it."""


@dataclass(frozen=True)
class Entry:
    """One hand-written entry: the names it covers, what they say, their status, and where they are implemented."""

    names: tuple[str, ...]
    statement: str
    status: str
    at: tuple[str, ...] = ()

    @property
    def kind(self) -> str:
        """The status without its explanation."""
        return self.status.partition(":")[0]

    @property
    def label(self) -> str:
        """The names, short."""
        return self.names[0] if len(self.names) == 1 else f"{self.names[0]}-{self.names[-1]}"


@dataclass(frozen=True)
class Section:
    """One table of the page."""

    title: str
    entries: tuple[Entry, ...]


def expand(text: str) -> list[str]:
    """Every name in a text, ranges written out: "H3-H5, D9" gives H3, H4, H5, D9."""
    return [
        f"{letters}{n}"
        for letters, first, last in NAMES.findall(text)
        for n in range(int(first), int(last or first) + 1)
    ]


def read_ledger(text: str) -> tuple[str, list[Section]]:
    """The introduction and the sections of docs/ledger.toml; a key that is no name stands for itself."""
    sections, document = [], tomllib.loads(text)
    for table in document["section"]:
        title = table.pop("title")
        entries = [
            Entry(tuple(expand(key)) or (key,), row["statement"], row["status"], tuple(row.get("at", ())))
            for key, row in table.items()
        ]
        sections.append(Section(title, tuple(entries)))
    return document["introduction"], sections


def read_corrections(text: str) -> dict[str, list[str]]:
    """From names to links to the entries of docs/corrections.md whose headline, or whose list of slips, names them."""
    found: dict[str, list[str]] = defaultdict(list)
    for number, headline in re.findall(r"^### (\d+)\. (.*)$", text, flags=re.MULTILINE):
        kept = [c for c in f"{number}. {headline}".lower() if c.isalpha() or c.isdecimal() or c in "_- "]
        anchor = "".join(kept).replace(" ", "-")  # as GitHub makes them
        for name in expand(re.sub(r"\bRemark (\d)", r"HR\1", headline.partition(":")[0])):
            found[name].append(f"[{number}](corrections.md#{anchor})")
    slips = text.partition("## Slips without effect")[2].partition("\n## ")[0]
    for name in expand(" ".join(re.findall(r"(?:[A-Z]+\d+[-A-Z\d]*(?:, )?)+(?=:)", slips))):
        found[name].append("[slip](corrections.md#slips-without-effect)")
    return found


def read_markers(tests: Path) -> tuple[dict[str, list[str]], list[str]]:
    """What the markers of all tests say: from names to tests, "file::test"; and the markers that cannot be read."""
    found: dict[str, list[str]] = defaultdict(list)
    unreadable: list[str] = []

    def named(node: ast.AST, file: str) -> list[str]:
        names = []
        for call in ast.walk(node):
            if isinstance(call, ast.Call) and re.search(r"\bmark\.(equations|row)$", ast.unparse(call.func)):
                plain = [a.value for a in call.args if isinstance(a, ast.Constant) and isinstance(a.value, str)]
                if not plain or len(plain) < len(call.args):
                    unreadable.append(f"{file}, line {call.lineno}: a marker must list names as plain strings")
                names += plain
        return names

    def visit(body: Sequence[ast.stmt], outer: Sequence[str], file: str) -> None:
        marks = [*outer, *(name for node in body if _is_pytestmark(node) for name in named(node, file))]
        for node in body:
            if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                own = [*marks, *(name for decorator in node.decorator_list for name in named(decorator, file))]
                if isinstance(node, ast.ClassDef):
                    visit(node.body, own, file)
                elif node.name.startswith("test"):
                    for name in dict.fromkeys(own):
                        found[name].append(f"{file}::{node.name}")

    for path in sorted(tests.rglob("test_*.py")):
        visit(ast.parse(path.read_text(encoding="utf-8")).body, [], path.relative_to(tests.parent).as_posix())
    return found, unreadable


def _is_pytestmark(node: ast.stmt) -> bool:
    return isinstance(node, ast.Assign) and any(ast.unparse(target) == "pytestmark" for target in node.targets)


def read_cases(cases: Iterable[Any]) -> dict[str, list[str]]:
    """From names to the ids of the conformance cases that check them."""
    found: dict[str, list[str]] = defaultdict(list)
    for case in cases:
        for name in case.equations:
            found[name].append(case.id)
    return found


def resolve(at: str) -> Any:
    """The module, class or function that an `at` names; ImportError or AttributeError where there is none."""
    module, _, path = at.partition(":")
    found: Any = import_module(module)
    for name in filter(None, path.split(".")):
        found = getattr(found, name)
    return found


def cited(docstring: str) -> set[str]:
    """The equations, tables, algorithms and remarks that a docstring mentions.

    Read are "Eq. 60", "Eqs. 60-62, 75 and 80", "Table 3", "Algorithm 4" and "Remark 5". They are Hedberg's unless delmas is
    named before them in the same clause, which ends at a semicolon or parenthesis; "delmas 24" needs no "Eq.".
    """
    found: set[str] = set()
    text = re.sub(rf"\bdelmas (?={NUMBERS})", "delmas, Eqs. ", " ".join(docstring.split()))
    for clause in re.split("[;()]", text):
        paper = "H"
        for author, kind, numbers in CITATIONS.findall(clause):
            if author:
                paper = author[0].upper()
            else:
                letters = paper if kind == "Eq" else paper + kind[0]
                found.update(expand(re.sub(r"(?<![\d-])(?=\d)", letters, numbers)))
    return found


def problems(sections: Sequence[Section], cases: Checks, tests: Checks, universe: Sequence[str]) -> list[str]:
    """Everything that is wrong with a ledger, one sentence each; empty where nothing is."""
    entries = [entry for section in sections for entry in section.entries]
    covered = Counter(name for entry in entries for name in entry.names)
    found = [f"{name} is missing in docs/ledger.toml" for name in universe if name not in covered]
    found += [f"{name} is covered {count} times" for name, count in covered.items() if count > 1]
    found += [f"{name} does not exist, but docs/ledger.toml has it" for name in covered if name not in universe]
    for kind, checks in (("case", cases), ("test", tests)):
        unknown = sorted(set(checks) - set(universe))
        found += [f"{name} does not exist, but the {kind} {checks[name][0]} names it" for name in unknown]
    for entry in entries:
        if not entry.statement:
            found.append(f"{entry.label} has no statement")
        if not re.fullmatch(rf"{STATUSES[0]}|({'|'.join(STATUSES[1:])}): \S.*", entry.status):
            found.append(f"{entry.label}: the status must be one of {STATUSES}, all but the first with an explanation")
        unknown = [name for name in expand(entry.status) if name not in universe]
        found += [f"{entry.label} refers to {name}, which does not exist" for name in unknown]
        if (entry.kind == "implemented" and not entry.at) or (entry.kind not in ("implemented", "due") and entry.at):
            found.append(
                f"{entry.label}: `at` says where, for all that is implemented; otherwise only due parts have it"
            )
        for at in entry.at:
            found += _problems_at(entry, at)
        if entry.kind == "implemented":
            unchecked = [name for name in entry.names if not cases.get(name) and not tests.get(name)]
            found += [f"{name} is implemented, but no case and no test checks it" for name in unchecked]
    return found


def _problems_at(entry: Entry, at: str) -> list[str]:
    try:
        target = resolve(at)
    except (ImportError, AttributeError, ValueError) as error:
        return [f"{entry.label}: {at} cannot be found: {error}"]
    if entry.kind != "implemented":
        return []
    missing = [name for name in entry.names if _printed(name) and name not in cited(target.__doc__ or "")]
    return [f"{name} is not mentioned in the docstring of {at}" for name in missing]


def _printed(name: str) -> bool:
    """Whether a name is a paper's own number, and not an item of the checklist."""
    return name.rstrip("0123456789") in PAPERS


def render(introduction: str, sections: Sequence[Section], cases: Checks, tests: Checks, corrections: Checks) -> str:
    """The page docs/equations.md."""
    counts = Counter((e.kind, _printed(name)) for section in sections for e in section.entries for name in e.names)
    lines = [introduction, "| status | in the papers | in the checklist |", "|---|---:|---:|"]
    lines += [f"| {kind} | {counts[kind, True]} | {counts[kind, False]} |" for kind in STATUSES]
    for section in sections:
        lines += ["", f"## {section.title}", ""]
        lines += ["| no. | what it says | status | corrections | checked by |", "|---|---|---|---|---|"]
        for entry in section.entries:
            where = ", ".join(map(_link, entry.at))
            status = where if entry.kind == "implemented" else f"{entry.status}{'; so far ' if where else ''}{where}"
            links = ", ".join(_all_of(entry, corrections))
            checks = ", ".join([*_grouped_cases(_all_of(entry, cases)), *_grouped_tests(_all_of(entry, tests))])
            cells = (" ".join(entry.names), entry.statement, status, links, checks)
            lines.append("| " + " | ".join(cell.replace("|", r"\|") for cell in cells) + " |")
    return "\n".join(lines) + "\n"


def _link(at: str) -> str:
    """An `at` as a link to its file, seen from docs/."""
    module, _, path = at.partition(":")
    file = re.sub(r"^gcnn/(?=backends/|conformance/)", "", module.replace(".", "/"))
    end = "/__init__.py" if hasattr(import_module(module), "__path__") else ".py"
    return f"[`{path or module}`](../{file}{end})"


def _all_of(entry: Entry, checks: Checks) -> list[str]:
    return list(dict.fromkeys(check for name in entry.names for check in checks.get(name, ())))


def _grouped_cases(cases: Sequence[str]) -> list[str]:
    groups = Counter(case.partition("/")[0] for case in cases)
    if len(cases) == 1:
        return [f"`{cases[0]}`"]
    return [f"`{group}/*` ({_count(n, 'case')})" for group, n in groups.items()]


def _grouped_tests(tests: Sequence[str]) -> list[str]:
    files = Counter(test.partition("::")[0] for test in tests)
    return [f"[{Path(file).stem}](../{file}) ({_count(n, 'test')})" for file, n in files.items()]


def _count(n: int, noun: str) -> str:
    return f"{n} {noun}{'' if n == 1 else 's'}"


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; returns its exit status."""
    parser = ArgumentParser(description="Write docs/equations.md.")
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 and say what is wrong")
    parser.add_argument("--show", nargs="+", metavar="NAME", help="list the cases and tests that check these")
    options = parser.parse_args(arguments)

    introduction, sections = read_ledger((ROOT / "docs" / "ledger.toml").read_text(encoding="utf-8"))
    corrections = read_corrections((ROOT / "docs" / "corrections.md").read_text(encoding="utf-8"))
    cases = read_cases(import_module("gcnn.conformance.cases").CASES)
    tests, found = read_markers(ROOT / "tests")
    if options.show:
        for name in expand(" ".join(options.show)):
            print(name, *(f"  {check}" for check in [*cases.get(name, ()), *tests.get(name, ())]), sep="\n")
        return 0
    found += problems(sections, cases, tests, UNIVERSE)
    if found:
        print(*found, sep="\n", file=sys.stderr)
        return 1
    page, path = render(introduction, sections, cases, tests, corrections), ROOT / PAGE
    if not options.check:
        path.write_text(page, encoding="utf-8")
    elif not path.is_file() or path.read_text(encoding="utf-8") != page:
        print(f"{PAGE} is out of date: run python docs/ledger.py", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))  # describe the package beside this file, whichever is installed
    raise SystemExit(main())
