"""Fixtures: the repository's root, and what `python -m build` makes of a copy of it."""

from __future__ import annotations

import shutil
import subprocess
import sys
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
def built(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Built:
    """An sdist, and the wheel built from that sdist. A copy is built, since building writes into the tree."""
    copy, dist = tmp_path_factory.mktemp("source") / "gcnn", tmp_path_factory.mktemp("dist")
    shutil.copytree(root, copy, symlinks=True, ignore=shutil.ignore_patterns(".*", "__pycache__", "*.egg-info"))
    for made in ("build", "dist", "runs"):  # by work in the tree; the package has folders of these names
        shutil.rmtree(copy / made, ignore_errors=True)
    # pyproject.toml asks for setuptools 77; where that is installed, nothing needs to be downloaded.
    isolation = ["--no-isolation"] if int(version("setuptools").partition(".")[0]) >= 77 else []
    command = [sys.executable, "-m", "build", *isolation, "--outdir", str(dist), str(copy)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    (wheel,), (sdist,) = dist.glob("*.whl"), dist.glob("*.tar.gz")
    return Built(wheel, sdist)
