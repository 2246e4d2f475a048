"""Fixtures: the repository's root, and what `python -m build` makes of a copy of it."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

import pytest


class Built(NamedTuple):
    wheel: Path
    sdist: Path


@pytest.fixture(scope="session")
def root() -> Path:
    return Path(__file__).parents[2]


@pytest.fixture(scope="session")
def copied(root: Path) -> Callable[[Path], Path]:
    """Copies the tree without what work has made in it, where other checks may be writing at that moment."""
    always = shutil.ignore_patterns(".*", "__pycache__", "*.egg-info")

    def ignored(folder: str, names: list[str]) -> set[str]:
        # The package has folders of these names too.
        made = {"build", "dist", "runs"} if Path(folder) == root else set()
        return set(always(folder, names)) | made

    def copy(target: Path) -> Path:
        return Path(shutil.copytree(root, target, symlinks=True, ignore=ignored))

    return copy


@pytest.fixture(scope="session")
def built(copied: Callable[[Path], Path], tmp_path_factory: pytest.TempPathFactory) -> Built:
    """An sdist, and the wheel built from that sdist. A copy is built, since building writes into the tree."""
    copy, dist = copied(tmp_path_factory.mktemp("source") / "gcnn"), tmp_path_factory.mktemp("dist")
    # pyproject.toml asks for setuptools 77; where that is installed, nothing needs to be downloaded.
    isolation = ["--no-isolation"] if int(version("setuptools").partition(".")[0]) >= 77 else []
    command = [sys.executable, "-m", "build", *isolation, "--outdir", str(dist), str(copy)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    (wheel,), (sdist,) = dist.glob("*.whl"), dist.glob("*.tar.gz")
    return Built(wheel, sdist)
