from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

LINKS = ["backends", "conformance", "kernels"]


@pytest.fixture
def clone_without_links(root: Path, tmp_path: Path) -> Path:
    """The last commit, as a clone on a system without symbolic links makes it: text files in their place."""
    if shutil.which("git") is None or not (root / ".git").exists():
        # An unpacked sdist holds real folders, so that there is no link to break.
        pytest.skip("not in a git work tree: nothing can be cloned")
    clone = tmp_path / "clone"
    command = ["git", "-c", "core.symlinks=false", "clone", "--quiet", "--depth=1", root.as_uri(), str(clone)]
    subprocess.run(command, capture_output=True, check=True)
    return clone


def test_a_clone_that_lost_its_links_says_so_and_how_to_mend_it(clone_without_links, tmp_path):
    links = [name for name in LINKS if (clone_without_links / "gcnn" / name).is_file()]
    assert links == LINKS
    script = f"import sys; sys.path.insert(0, {str(clone_without_links)!r}); import gcnn"
    command = [sys.executable, "-I", "-c", script]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("ImportError: gcnn/backends should be a symbolic link to ../backends")
    assert "git clone -c core.symlinks=true" in last
    assert "pip" in last
