from __future__ import annotations

import importlib
import subprocess
import sys

import pytest

import gcnn as library
from gcnn.models import MODELS


@pytest.mark.parametrize("arguments", [(), ("train",), ("devices",), ("summary",)])
def test_help_teaches_with_examples(gcnn, arguments):
    result = gcnn(*arguments, "--help")
    assert result.exit_code == 0
    assert "gcnn devices" in result.stdout or "Examples:" in result.stdout


def test_help_of_the_group_documents_the_exit_statuses(gcnn):
    assert "\n    gcnn train --data digits     train a network" in gcnn("--help").stdout
    text = " ".join(gcnn("--help").stdout.split())
    for status in ("0 done", "1 a failure", "2 wrong usage or input", "130 interrupted"):
        assert status in text
    assert "..." not in text.partition("Commands:")[2], "a command's first line is too long for the list"


def test_the_version_is_the_librarys(gcnn):
    assert gcnn("--version").stdout.strip().endswith(library.__version__)


def test_python_m_gcnn_is_the_same_command(folder):
    command = [sys.executable, "-m", "gcnn", "summary", "digits-conv"]
    result = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
    assert result.stdout == MODELS["digits-conv"]().summary() + "\n"


def test_importing_main_runs_nothing(capsys):
    importlib.import_module("gcnn.__main__")
    assert capsys.readouterr().out == ""


def test_a_summary_is_the_same_by_name_by_file_and_by_saved_model(gcnn, folder):
    network = MODELS["digits-conv"]()
    (folder / "network.json").write_text(network.to_json())
    network.bind("numpy").save(folder / "model.safetensors")
    outputs = [gcnn("summary", name).stdout for name in ("digits-conv", "network.json", "model.safetensors")]
    assert outputs == [network.summary() + "\n"] * 3


@pytest.mark.parametrize(
    "arguments", [[], ["--help"], ["-h"], ["--backend", "numpy", "--list"], ["--level=core", "a case", "--debug"]]
)
@pytest.mark.parametrize("status", [0, 1, 3])
def test_conformance_gets_all_arguments_and_gives_the_exit_status(gcnn, monkeypatch, arguments, status):
    given = []

    def suite(argv: list[str]) -> int:
        given.append(argv)
        return status

    monkeypatch.setattr("gcnn.conformance.main", suite)
    assert gcnn("conformance", *arguments).exit_code == status
    assert given == [arguments]
