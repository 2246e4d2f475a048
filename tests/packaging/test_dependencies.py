"""Dependencies point one way: gcnn knows no backend and no suite, backends the specification only, nothing tests."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

SPECIFICATION = {
    "activations",
    "backend",
    "costs",
    "equivalent",
    "errors",
    "files",
    "layers",
    "losses",
    "maps",
    "network",
    "optimizers",
    "plan",
    "tuning",
}
"""The modules of gcnn that a backend is written against; `files` writes what a backend keeps."""


class Import(NamedTuple):
    name: str
    """Dotted; `from a import b` counts as a.b, since b may be a module."""
    line: int
    lazy: bool
    """Whether it stands inside a function."""

    def within(self, *packages: str) -> bool:
        return any(self.name == package or self.name.startswith(package + ".") for package in packages)


def imports(source: str, package: str) -> Iterator[Import]:
    """Every import of a module that lies in `package`."""
    tree = ast.parse(source)
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    inside = {id(node) for function in functions for node in ast.walk(function)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            parents = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            base = ".".join([*parents, *([node.module] if node.module else [])])
            names = [f"{base}.{alias.name}" for alias in node.names]
        else:
            continue
        yield from (Import(name, node.lineno, id(node) in inside) for name in names)


def fault(name: str, found: Import) -> str | None:
    """Why the file of that name, relative to the package gcnn, may not import this; None where it may."""
    place, _, rest = name.partition("/")
    if found.within("tests"):
        return "nothing imports tests"
    if found.within("backends", "conformance", "kernels"):
        return "these are imported as gcnn.backends, gcnn.conformance, gcnn.kernels"
    if place == "backends":
        own = f"gcnn.backends.{rest.partition('/')[0]}" if "/" in rest else "gcnn.backends"
        allowed = (own, "gcnn.backends.accelerated", "gcnn.kernels", *(f"gcnn.{module}" for module in SPECIFICATION))
        return None if not found.within("gcnn") or found.within(*allowed) else "a backend knows the specification only"
    if place == "kernels":
        return "device code knows nothing" if found.within("gcnn") else None
    if place == "conformance":
        plugin = Path(name).name in {"conftest.py", "plugin.py"} or Path(name).name.startswith("test_")
        if found.within("pytest", "_pytest") and not plugin:
            return "the suite runs without pytest"
        return "the suite does not need the command line" if found.within("gcnn.cli") else None
    if found.within("gcnn.conformance") and name == "cli/conformance.py" and found.lazy:
        return None
    own = ("gcnn.backends", "gcnn.conformance", "gcnn.kernels")
    return "gcnn reaches backends through the registry" if found.within(*own) else None


def test_no_file_imports_against_the_direction(root):
    faults, files = [], 0
    for place in ("gcnn", "gcnn/backends", "gcnn/conformance", "gcnn/kernels"):
        for path in sorted((root / place).resolve().rglob("*.py")):
            # By the name inside the package, whether a folder is reached by its link or is really there.
            name = (Path(place) / path.relative_to((root / place).resolve())).relative_to("gcnn").as_posix()
            package = ".".join(["gcnn", *Path(name).parent.parts])
            faults += [
                f"gcnn/{name}:{found.line} imports {found.name}: {reason}"
                for found in imports(path.read_text(encoding="utf-8"), package)
                if (reason := fault(name, found))
            ]
            files += 1
    assert faults == []
    assert files > 50, "the search has lost its files"


@pytest.mark.parametrize(
    ("name", "source"),
    [
        ("model.py", "import gcnn.backends.numpy"),
        ("model.py", "from gcnn.backends.numpy import BACKEND"),
        ("model.py", "from gcnn import backends"),
        ("model.py", "from . import conformance"),
        ("layers/dense.py", "from ..backends import numpy"),
        ("model.py", "def f():\n    from gcnn.conformance import main"),
        ("cli/conformance.py", "from gcnn.conformance import main"),
        ("cli/train.py", "def f():\n    import gcnn.conformance"),
        ("backends/numpy/dense.py", "import gcnn.conformance.case"),
        ("backends/numpy/dense.py", "from gcnn.model import Model"),
        ("backends/numpy/dense.py", "from gcnn import Network"),
        ("backends/numpy/dense.py", "from gcnn.backends.other import x"),
        ("backends/numpy/dense.py", "import backends.numpy"),
        ("backends/accelerated/vectors.py", "from gcnn.backends.opencl import runtime"),
        ("kernels/__init__.py", "import gcnn.backend"),
        ("model.py", "from gcnn import kernels"),
        ("conformance/runner.py", "import pytest"),
        ("conformance/runner.py", "def f():\n    from pytest import fixture"),
        ("conformance/runner.py", "from gcnn.cli import main"),
        ("conformance/test_cases.py", "from tests.conftest import x"),
        ("plot.py", "import tests"),
    ],
)
def test_an_import_against_the_direction_is_caught(name, source):
    package = ".".join(["gcnn", *Path(name).parent.parts])
    assert any(fault(name, found) for found in imports(source, package))


@pytest.mark.parametrize(
    ("name", "source"),
    [
        ("cli/conformance.py", "def f():\n    from gcnn.conformance import main"),
        ("backends/numpy/dense.py", "from gcnn.backends.numpy.layer import NumpyLayer"),
        ("backends/numpy/dense.py", "from gcnn import layers\nimport numpy as np"),
        ("backends/opencl/runtime.py", "from gcnn.backends.accelerated import vectors\nfrom gcnn import kernels"),
        ("conformance/conftest.py", "import pytest"),
        ("conformance/runner.py", "from gcnn.backends.numpy import BACKEND\nfrom gcnn.conformance.case import Case"),
        ("training.py", "from gcnn.model import Model"),
    ],
)
def test_an_import_along_the_direction_passes(name, source):
    package = ".".join(["gcnn", *Path(name).parent.parts])
    assert not any(fault(name, found) for found in imports(source, package))
