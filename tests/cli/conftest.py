"""Fixtures: the command line in this process, in an empty folder, with no backend chosen by the environment."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image

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


class Trained:
    """A folder `path` with data and finished runs on them, made once; tests leave it as it is.

    runs/digits (a dense layer), runs/flowers on flowers.csv (three species by four named columns), runs/shapes on the
    images of shapes/ (discs and squares of 16 x 16), runs/numbers on numbers.csv (a sum of two columns).
    """

    def __init__(self, path: Path) -> None:
        self.path, self.said = path, dict[str, str]()
        self.digits, self.flowers, self.shapes, self.numbers = (
            str(path / "runs" / name) for name in ("digits", "flowers", "shapes", "numbers")
        )

    def train(self, name: str, *options: str) -> None:
        arguments = ["train", *options, "--output", str(self.path / "runs" / name), "--quiet", "--backend", "numpy"]
        result = CliRunner().invoke(main, arguments)
        assert result.exit_code == 0, result.output
        self.said[name] = result.stdout


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    path = tmp_path_factory.mktemp("trained")
    made = Trained(path)
    _write_flowers(path / "flowers.csv")
    _write_shapes(path / "shapes")
    numbers = np.random.default_rng(1).normal(size=(40, 2)).round(3)
    rows = [f"{a},{b},{a + b:.3f}" for a, b in numbers]
    (path / "numbers.csv").write_text("\n".join(["a,b,sum", *rows, ""]))
    (path / "sum.json").write_text(Network([layers.Dense(1)], 2, loss="mse").to_json())
    (path / "dense.json").write_text(Network([layers.Dense(10, activation="softmax")], 64).to_json())
    made.train("digits", "--model", str(path / "dense.json"), "--epochs", "2")
    made.train("flowers", "--data", str(path / "flowers.csv"), "--epochs", "3")
    made.train("shapes", "--data", str(path / "shapes"), "--epochs", "2", "--pad", "2", "--normalise", "maps")
    made.train("numbers", "--data", str(path / "numbers.csv"), "--model", str(path / "sum.json"), "--epochs", "2")
    return made


def _write_flowers(path: Path) -> None:
    rng, means = np.random.default_rng(0), np.array([[5, 3.4, 1.5, 0.2], [5.9, 2.8, 4.3, 1.3], [6.6, 3, 5.5, 2]])
    names = ("setosa", "versicolor", "virginica")
    rows = [[*(means[i % 3] + rng.normal(0, 0.3, 4)).round(2), names[i % 3]] for i in range(60)]
    header = ["sepal length", "sepal width", "petal length", "petal width", "species"]
    path.write_text("\n".join(",".join(map(str, row)) for row in [header, *rows]) + "\n")


def _write_shapes(folder: Path) -> None:
    rng, (y, x) = np.random.default_rng(0), np.mgrid[:16, :16]
    for name in ("disc", "square"):
        (folder / name).mkdir(parents=True)
        for number in range(10):
            cy, cx = rng.integers(5, 11, 2)
            disc = (y - cy) ** 2 + (x - cx) ** 2 < 20
            inside = disc if name == "disc" else (abs(y - cy) < 4) & (abs(x - cx) < 4)
            Image.fromarray(np.where(inside, 255, 0).astype(np.uint8)).save(folder / name / f"{number}.png")
