"""Documents as programs: their Python blocks, and the example backend installed as its users would install it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from shutil import copytree, ignore_patterns

import pytest

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "docs" / "examples" / "gcnn-plain-backend"
RunPython = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="session")
def python_blocks() -> Callable[..., str]:
    """The Python blocks of a document, or of one section of it, joined into one program."""

    def read(document: str, section: str | None = None) -> str:
        text = (ROOT / document).read_text(encoding="utf-8")
        if section is not None:
            text = re.split(rf"^## {re.escape(section)}$", text, flags=re.MULTILINE)[1]
            text = re.split(r"^## ", text, flags=re.MULTILINE)[0]
        blocks = re.findall(r"^```python\n(.*?)^```$", text, flags=re.MULTILINE | re.DOTALL)
        assert blocks, f"{document} has no Python block in {section or 'it'}"
        return "\n".join(blocks)

    return read


@pytest.fixture(scope="session")
def run_python(tmp_path_factory: pytest.TempPathFactory) -> RunPython:
    """Run `python *arguments` in an empty folder, warnings as errors, with more folders to import from."""

    def run(*arguments: str, path: Path | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
        folders = [str(folder) for folder in (path, ROOT) if folder is not None]
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("GCNN_")}
        return subprocess.run(
            [sys.executable, "-W", "error", *arguments],
            cwd=tmp_path_factory.mktemp("elsewhere"),
            env=inherited | {"PYTHONPATH": os.pathsep.join(folders)} | environment,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )

    return run


@pytest.fixture(scope="session")
def installed_example(tmp_path_factory: pytest.TempPathFactory, run_python: RunPython) -> Path:
    """A folder into which pip has installed the example backend, built from a copy so that the sources stay clean."""
    try:
        setuptools = version("setuptools")
    except PackageNotFoundError:
        setuptools = "0"
    # bdist_wheel came to setuptools in 70.1; without it, or without pip, nothing can be installed offline.
    if tuple(map(int, setuptools.split(".")[:2])) < (70, 1) or find_spec("pip") is None:
        pytest.skip("installing a package offline needs pip and setuptools >= 70.1 in this environment")
    folder = tmp_path_factory.mktemp("example")
    source = copytree(EXAMPLE, folder / "source", ignore=ignore_patterns("build", "*.egg-info", "__pycache__"))
    offline = ("--no-index", "--no-deps", "--no-build-isolation", "--disable-pip-version-check", "--quiet")
    done = run_python("-W", "ignore", "-m", "pip", "install", *offline, "--target", f"{folder / 'site'}", f"{source}")
    assert done.returncode == 0, done.stderr
    return folder / "site"
