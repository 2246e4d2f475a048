"""`gcnn resume`: runs that were interrupted, killed or finished."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

import gcnn as library
from gcnn.checkpoint import read_checkpoint
from gcnn.data import write_idx

OPTIONS = ("--epochs", "3", "--batch", "64", "--shift", "1", "--backend", "numpy", "--optimizer", "momentum")


@pytest.fixture
def convolution(folder):
    """The file of a network that a shift changes and that trains in a moment."""
    layers = [
        library.layers.Convolution(2, 3, stride=2, activation="tanh"),
        library.layers.Dense(10, activation="softmax"),
    ]
    path = folder / "net.json"
    path.write_text(library.Network(layers, (1, 8, 8)).to_json())
    return str(path)


def theta(run):
    return library.load(run / "model.safetensors", "numpy").theta


def test_more_epochs_give_the_bits_of_one_long_run(gcnn, convolution, folder):
    assert gcnn("train", "--model", convolution, *OPTIONS, "--output", "a").exit_code == 0
    assert gcnn("train", "--model", convolution, *OPTIONS[2:], "--epochs", "5", "--output", "b").exit_code == 0
    result = gcnn("resume", "a", "--epochs", "5")
    assert result.exit_code == 0
    assert "going on after epoch 3 and 0 steps of the next" in result.stdout
    np.testing.assert_array_equal(theta(folder / "a"), theta(folder / "b"))
    curves = [json.loads((folder / run / "history.json").read_text()) for run in "ab"]
    for name in ("loss", "validation_loss", "validation_accuracy", "test_accuracy", "test_loss"):
        assert curves[0][name] == curves[1][name]
    # What was asked for is remembered.
    assert json.loads((folder / "a/run.json").read_text())["settings"]["epochs"] == 5


def test_a_finished_run_stays_as_it_is(gcnn, convolution, folder):
    assert gcnn("train", "--model", convolution, *OPTIONS, "--output", "a").exit_code == 0
    before = theta(folder / "a")
    began = json.loads((folder / "a/run.json").read_text())["made"]
    assert gcnn("resume", "a").exit_code == 0
    np.testing.assert_array_equal(theta(folder / "a"), before)
    assert json.loads((folder / "a/run.json").read_text())["made"] == began


def start(*arguments, folder):
    command = [sys.executable, "-m", "gcnn", *arguments]
    return subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_ctrl_c_saves_says_where_and_the_run_goes_on(gcnn, convolution, folder, number, status):
    options = ("--model", convolution, "--epochs", "100000", "--backend", "numpy", "--output", "long run")
    process = start("train", *options, folder=folder)
    deadline = time.monotonic() + 60
    while not (folder / "long run" / "checkpoint.safetensors").exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    time.sleep(0.3)
    process.send_signal(number)
    _, err = process.communicate(timeout=60)
    assert process.returncode == status
    assert "Finishing the step, then saving" in err
    assert "Interrupted: everything is saved. To go on: gcnn resume 'long run'" in err
    assert "Traceback" not in err
    done = len(read_checkpoint(folder / "long run" / "checkpoint.safetensors").document["history"]["loss"])
    assert len(json.loads((folder / "long run" / "history.json").read_text())["loss"]) == done
    assert not (folder / "long run" / "model.safetensors").exists()
    result = gcnn("resume", "long run", "--epochs", str(done + 1))
    assert result.exit_code == 0
    assert (folder / "long run" / "model.safetensors").exists()


def test_another_seed_of_kills_ends_in_the_same_bits(gcnn, convolution, folder):
    """Killed at random moments, eight times or until it is done; .ci/full kills two hundred times."""
    rng = np.random.default_rng(0)
    options = ("--model", convolution, *OPTIONS[2:], "--epochs", "40")
    assert gcnn("train", *options, "--output", "whole").exit_code == 0
    process, kills = start("train", *options, "--output", "killed", "--save-every", "0", folder=folder), 0
    while kills < 8:
        time.sleep(0.4 + rng.random())
        process.kill()
        process.communicate()
        if process.returncode == 0:
            break
        kills += 1
        begun = (folder / "killed" / "checkpoint.safetensors").exists()
        command = ("resume", "killed") if begun else ("train", *options, "--output", "killed", "--save-every", "0")
        if not begun:
            for path in (folder / "killed").glob("*"):
                path.unlink()
        process = start(*command, folder=folder)
    process.communicate(timeout=120)
    assert process.returncode == 0
    np.testing.assert_array_equal(theta(folder / "killed"), theta(folder / "whole"))


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda run: (run / "run.json").unlink(), "holds no run"),
        (lambda run: (run / "run.json").write_text("{"), "not a JSON document"),
        (lambda run: (run / "run.json").write_bytes(b"\xff\xfe"), "not a text file"),
        (lambda run: (run / "run.json").write_text("[]"), "expected a JSON object"),
        (lambda run: (run / "run.json").write_text('{"format": "gcnn-run", "version": 2}'), "Upgrade gcnn"),
        (lambda run: (run / "network.json").write_text("{}"), "not a gcnn network"),
        (lambda run: (run / "checkpoint.safetensors").write_bytes(b"x" * 100), "not a whole safetensors file"),
        (
            lambda run: (run / "checkpoint.safetensors").write_bytes((run / "model.safetensors").read_bytes()),
            "not a gcnn checkpoint",
        ),
    ],
)
def test_a_damaged_run_is_told_with_the_file_and_nothing_is_overwritten(gcnn, convolution, folder, damage, said):
    assert gcnn("train", "--model", convolution, *OPTIONS, "--output", "a").exit_code == 0
    damage(folder / "a")
    before = {path.name: path.read_bytes() for path in (folder / "a").iterdir()}
    result = gcnn("resume", "a", "--epochs", "4")
    assert result.exit_code == 2
    assert len(result.stderr.splitlines()) == 1
    assert said in result.stderr
    assert "a/" in result.stderr
    assert {path.name: path.read_bytes() for path in (folder / "a").iterdir()} == before


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"optimizer": "adma"}, "Did you mean 'adam'?"),
        ({"epochs": "3"}, "'epochs' must be int"),
        ({"epochs": 0}, "epochs must be at least 1"),
        ({"rate": -1}, "lr must be a number in (0, inf)"),
        ({"batch": 65}, "batch: 64 then, 65 now"),
        ({"shift": 0}, "augment: 'Shift(most=1, fill=0.0)' then, None now"),
        ({"more": 1}, "unknown setting 'more'"),
        ({"validation": 2}, "validation must be a share"),
    ],
)
def test_settings_changed_by_hand_are_refused_where_the_run_would_not_be_the_same(
    gcnn, convolution, folder, changes, said
):
    assert gcnn("train", "--model", convolution, *OPTIONS, "--output", "a").exit_code == 0
    path = folder / "a" / "run.json"
    document = json.loads(path.read_text())
    document["settings"] |= changes
    path.write_text(json.dumps(document))
    result = gcnn("resume", "a")
    assert result.exit_code == 2
    assert said in result.stderr


def test_data_that_have_changed_since_are_told(gcnn, folder):
    rng = np.random.default_rng(0)
    np.savez(folder / "set.npz", x=rng.normal(size=(60, 5)), t=rng.integers(0, 3, 60))
    assert gcnn("train", "--data", "set.npz", "--model", "mlp", "--epochs", "1", "--output", "a").exit_code == 0
    np.savez(folder / "set.npz", x=rng.normal(size=(60, 5)), t=rng.integers(0, 3, 60))
    result = gcnn("resume", "a", "--epochs", "2")
    assert result.exit_code == 2
    assert "data:" in result.stderr


def test_of_a_run_that_is_done_it_is_said_that_nothing_is_left(gcnn, convolution):
    assert gcnn("train", "--model", convolution, *OPTIONS, "--output", "a").exit_code == 0
    assert "nothing is left to do: all 3 epochs are done" in gcnn("resume", "a").stdout
    early = ("--model", convolution, *OPTIONS[2:], "--epochs", "50", "--lr", "0.5", "--patience", "1", "--output", "b")
    assert gcnn("train", *early).exit_code == 0
    assert "nothing is left to do: training stopped early, after epoch" in gcnn("resume", "b").stdout


@pytest.fixture
def moved(gcnn, trained, folder):
    """A run whose table was there.csv, and is now gone/table.csv; its other table there.csv has other samples."""
    shutil.copy(trained.path / "numbers.csv", folder / "there.csv")
    options = ("--model", str(trained.path / "sum.json"), "--epochs", "1", "--output", "a")
    assert gcnn("train", "--data", "there.csv", *options).exit_code == 0
    (folder / "gone").mkdir()
    (folder / "there.csv").rename(folder / "gone" / "table.csv")
    return folder


def test_data_that_were_moved_are_asked_for_and_remembered(gcnn, moved):
    result = gcnn("resume", "a", "--epochs", "2")
    assert result.exit_code == 2
    assert "there.csv, which the model was trained on, is not there any more. Give --data." in result.stderr
    assert gcnn("resume", "a", "--epochs", "2", "--data", "gone/table.csv").exit_code == 0
    assert json.loads((moved / "a/run.json").read_text())["settings"]["data"] == str(moved.resolve() / "gone/table.csv")
    assert gcnn("resume", "a", "--epochs", "3").exit_code == 0
    assert gcnn("evaluate", "a").exit_code == 0


def test_other_data_than_those_of_the_run_are_refused_and_nothing_changes(gcnn, moved):
    lines = (moved / "gone/table.csv").read_text().splitlines()
    (moved / "other.csv").write_text("\n".join([lines[0], *lines[:0:-1], ""]))
    before = {path.name: path.read_bytes() for path in (moved / "a").iterdir()}
    result = gcnn("resume", "a", "--epochs", "2", "--data", "other.csv")
    assert result.exit_code == 2
    assert "checkpoint of another training" in result.stderr
    assert {path.name: path.read_bytes() for path in (moved / "a").iterdir()} == before


def test_a_named_set_whose_files_were_moved_is_found_by_its_folder(gcnn, folder):
    images, labels = np.zeros((20, 4, 4), np.uint8), np.arange(20, dtype=np.uint8) % 10
    (folder / "files").mkdir()
    for name in ("train", "t10k"):
        write_idx(folder / "files" / f"{name}-images-idx3-ubyte", images)
        write_idx(folder / "files" / f"{name}-labels-idx1-ubyte", labels)
    options = ("--model", "logistic", "--epochs", "1", "--output", "a")
    assert gcnn("train", "--data", "mnist", "--folder", "files", *options).exit_code == 0
    (folder / "files").rename(folder / "elsewhere")
    assert "train-images" in gcnn("resume", "a", "--epochs", "2").stderr
    assert gcnn("resume", "a", "--epochs", "2", "--folder", "elsewhere").exit_code == 0


@pytest.mark.parametrize("command", ["resume", "evaluate"])
def test_the_folder_of_several_runs_names_them_the_latest_first(gcnn, folder, command):
    for number, name in enumerate(("old", "a new", "newest")):
        (folder / "runs" / name).mkdir(parents=True)
        (folder / "runs" / name / "run.json").write_text("{}")
        os.utime(folder / "runs" / name / "run.json", (number, number))
    result = gcnn(command, "runs")
    assert result.exit_code == 2
    assert "Give one of those in it: runs/newest, 'runs/a new', runs/old" in result.stderr
    assert len(result.stderr.splitlines()) == 1
    for number in range(20):
        shutil.copytree(folder / "runs" / "old", folder / "runs" / str(number))
    assert gcnn(command, "runs").stderr.count("runs/") == 11
    assert gcnn(command, "runs").stderr.endswith(", ...\n")


def test_a_folder_that_is_not_there_is_wrong_usage(gcnn):
    result = gcnn("resume", "nowhere")
    assert result.exit_code == 2
    assert "nowhere" in result.stderr
