"""docs/corrections.md and the negative tests stay in step."""

from __future__ import annotations

import ast
import re
from pathlib import Path


def test_every_negative_test_is_named_in_the_document_and_every_name_is_a_test():
    document = Path(__file__).parents[3].joinpath("docs", "corrections.md").read_text(encoding="utf-8")
    named = re.findall(r"^- Negative test: `(\w+)`$", document, re.MULTILINE)
    tests = {
        node.name: [
            argument.value for mark in node.decorator_list if "equations" in ast.dump(mark) for argument in mark.args
        ]
        for file in Path(__file__).parent.glob("test_*.py")
        for node in ast.parse(file.read_text(encoding="utf-8")).body
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    }
    negative = {name for name, equations in tests.items() if equations}
    assert sorted(named) == sorted(negative)
    headings = re.findall(r"^### (\d+)\. ", document, re.MULTILINE)
    assert [int(number) for number in headings] == list(range(1, len(named) + 1))
