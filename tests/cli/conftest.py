"""Fixtures: the command line in this process, in an empty folder, with no backend chosen by the environment."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from gcnn import Network, layers
from gcnn.cli import main

Gcnn = Callable[..., Result]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("GCNN_BACKEND", raising=False)
    monkeypatch.delenv("GCNN_DEVICE", raising=False)
    return tmp_path


@pytest.fixture
def gcnn(folder: Path) -> Gcnn:
    """`gcnn("train", "--epochs", "1")`: stdout, stderr and exit_code of a command; tracebacks only with --debug."""

    def run(*arguments: str) -> Result:
        result = CliRunner().invoke(main, arguments, terminal_width=100)
        assert "--debug" in arguments or "Traceback" not in result.output
        assert result.exception is None or isinstance(result.exception, SystemExit)
        return result

    return run


@pytest.fixture
def small(folder: Path) -> Path:
    """The file of a network that trains in a moment: one dense layer over 64 values."""
    path = folder / "small.json"
    path.write_text(Network([layers.Dense(10, activation="softmax")], 64, seed=7).to_json(), encoding="utf-8")
    return path
