from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from pathlib import Path, PurePosixPath

import pytest

SHIPPED = {".py", ".typed", ".gz", ".md", ".toml", ".json", ".h", ".cl", ".cu"}
"""Kinds of files that belong to the package wherever they lie in it."""

USE = """
import sys
sys.path[:0] = {paths!r}
import gcnn, gcnn.backends.numpy, gcnn.conformance, gcnn.data
for module in (gcnn, gcnn.backends, gcnn.backends.numpy, gcnn.conformance, gcnn.data):
    assert module.__file__.startswith({target!r}), module.__file__
images, labels = gcnn.data.load_digits()
assert images.shape == (1797, 1, 8, 8) and labels.shape == (1797,)
assert callable(gcnn.conformance.main)
import gcnn.kernels
assert "KERNEL void axpy" in gcnn.kernels.source("vectors.cl")
from gcnn.models import MODELS
model = MODELS["digits-conv"]().bind("numpy")
assert model.predict(images[:3]).shape == (3,)
print("used", gcnn.__version__)
"""


@pytest.fixture(scope="module")
def installed(built, tmp_path_factory) -> Path:
    # Environments made by other tools than venv may hold no pip, and gcnn does not need it.
    pytest.importorskip("pip", reason="installing the wheel needs pip")
    target = tmp_path_factory.mktemp("installed")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "--quiet", "--no-index", "--no-deps"]
    done = subprocess.run(
        [*pip, "--target", str(target), str(built.wheel)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return target


def _package_files(root: Path) -> set[str]:
    """Paths of what should be shipped, as the wheel names them; links are followed."""
    return {
        (Path(folder) / name).relative_to(root).as_posix()
        for folder, _, names in os.walk(root / "gcnn", followlinks=True)
        for name in names
        if Path(name).suffix in SHIPPED and "__pycache__" not in folder
    }


def test_the_wheel_holds_the_package_and_its_metadata_and_nothing_else(built):
    with zipfile.ZipFile(built.wheel) as wheel:
        top = {PurePosixPath(name).parts[0] for name in wheel.namelist()}
    (metadata,) = top - {"gcnn"}
    assert "gcnn" in top
    assert metadata.startswith("gcnn-")
    assert metadata.endswith(".dist-info")


def test_the_wheel_holds_every_file_of_the_package(built, root):
    with zipfile.ZipFile(built.wheel) as wheel:
        names = set(wheel.namelist())
    assert _package_files(root) - names == set()
    own = {"gcnn/py.typed", "gcnn/data/digits.csv.gz", "gcnn/backends/numpy/backend.py", "gcnn/kernels/prelude.h"}
    assert own <= names


def test_the_wheel_carries_the_licences_of_the_code_and_of_the_digits(built):
    with zipfile.ZipFile(built.wheel) as wheel:
        licences = {name.partition("/licenses/")[2] for name in wheel.namelist() if "/licenses/" in name}
    assert licences == {"LICENSE", "gcnn/data/DIGITS.md"}


def test_the_sdist_holds_real_files_where_the_repository_has_links(built, root):
    with tarfile.open(built.sdist) as sdist:
        members = sdist.getmembers()
    assert [member.name for member in members if not (member.isfile() or member.isdir())] == []
    names = {member.name.partition("/")[2] for member in members if member.isfile()}
    assert _package_files(root) - names == set()


def test_the_installed_wheel_works_away_from_the_repository(installed, tmp_path):
    # -I -S: neither the current folder nor an editable installation can stand in for the wheel.
    paths = [str(installed), sysconfig.get_path("purelib"), sysconfig.get_path("platlib")]
    script = USE.format(paths=paths, target=str(installed))
    command = [sys.executable, "-I", "-S", "-c", script]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("used ")


def test_the_installed_wheel_brings_the_command_and_the_oracles_entry_point(installed):
    (metadata,) = installed.glob("gcnn-*.dist-info")
    entries = (metadata / "entry_points.txt").read_text()
    assert "gcnn = gcnn.cli:main" in entries
    assert "numpy = gcnn.backends.numpy:BACKEND" in entries


def test_an_editable_install_is_a_path_that_wins_over_a_folder_of_the_packages_name(copied, tmp_path):
    copy = copied(tmp_path / "gcnn")
    target = tmp_path / "site"
    target.mkdir()
    build = f"from setuptools import build_meta; print(build_meta.build_editable(r'{target}'))"
    done = subprocess.run([sys.executable, "-c", build], cwd=copy, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (wheel,) = target.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = [name for name in archive.namelist() if ".dist-info/" not in name]
        assert names == ["__editable__.gcnn-0.1.0.pth"]
        assert archive.read(names[0]).decode().strip() == str(copy)
