from __future__ import annotations

import json
import sys

import numpy as np
import pytest

import gcnn as library
from gcnn.data import load_digits, split

SIGNATURE_OF_PNG = b"\x89PNG\r\n\x1a\n"


def test_training_leaves_a_model_that_loads_and_repeats_its_test_accuracy(gcnn, folder):
    result = gcnn("train", "--data", "digits", "--epochs", "1", "--backend", "numpy")
    assert (result.exit_code, result.stderr) == (0, "")
    results = folder / "runs" / "digits"
    history = json.loads((results / "history.json").read_text())
    model = library.load(results / "model.safetensors", "numpy")
    _, test = split(*load_digits(), 1 / 5, 0)
    assert len(test[0]) == 359
    assert library.accuracy(model, *test) == history["test_accuracy"]
    assert f"test accuracy {history['test_accuracy']:.2%} on 359 samples" in result.stdout
    assert library.Network.from_json((results / "network.json").read_text()) == model.network
    assert (results / "loss.png").read_bytes().startswith(SIGNATURE_OF_PNG)
    assert [len(history[name]) for name in ("loss", "validation_loss", "validation_accuracy")] == [1, 1, 1]


def test_results_may_be_read_by_whom_the_umask_lets_read(gcnn, small, folder):
    assert gcnn("train", "--model", str(small), "--epochs", "1").exit_code == 0
    modes = {path.stat().st_mode for path in (folder / "runs/digits").iterdir()}
    assert modes == {small.stat().st_mode}


def test_what_was_taken_the_layers_and_every_epoch_are_shown(gcnn, small):
    result = gcnn("train", "--model", str(small), "--epochs", "2", "--backend", "numpy")
    assert "backend numpy, device 0" in result.stdout
    assert "1258 samples for training, 180 for validation, 359 held back" in result.stdout
    assert "Dense(10, activation='softmax')" in result.stdout
    lines = [line for line in result.stdout.splitlines() if line.startswith("epoch ")]
    assert len(lines) == 2
    assert all("loss" in line and "validation accuracy" in line for line in lines)


def test_no_sample_held_back_for_the_test_is_trained_or_validated_on(gcnn, small, monkeypatch):
    seen = []
    fit = library.train

    def watched(model, data, method, epochs, validation, *rest):
        seen.extend([data[0], validation[0]])
        return fit(model, data, method, epochs, validation, *rest)

    monkeypatch.setattr("gcnn.cli.train.fit", watched)
    for seed in ("0", "1"):
        assert gcnn("train", "--model", str(small), "--epochs", "1", "--seed", seed).exit_code == 0
    images, labels = load_digits()
    _, (test, _) = split(images, labels, 1 / 5, 0)
    rows = {image.tobytes() for part in seen for image in part}
    assert len(seen) == 4
    # Two of the 1797 images may be equal; a held-back one counts only if no other sample looks like it.
    others = {image.tobytes() for image in split(images, labels, 1 / 5, 0)[0][0]}
    assert not {image.tobytes() for image in test} & rows - others
    assert not np.array_equal(seen[1], seen[3]), "the validation samples follow the seed"


def test_equal_seeds_give_equal_parameters_and_another_seed_others(gcnn, small):
    thetas = []
    for name, seed in (("a", "3"), ("b", "3"), ("c", "4")):
        options = ("--epochs", "1", "--seed", seed, "--output", name, "--backend", "numpy")
        assert gcnn("train", "--model", str(small), *options).exit_code == 0
        thetas.append(library.load(f"{name}/model.safetensors").theta)
    assert np.array_equal(thetas[0], thetas[1])
    assert not np.array_equal(thetas[0], thetas[2])


def test_without_a_seed_the_network_files_own_counts(gcnn, small, folder):
    assert gcnn("train", "--model", str(small), "--epochs", "1").exit_code == 0
    assert json.loads((folder / "runs/digits/history.json").read_text())["seed"] == 7


@pytest.mark.parametrize("optimizer", ["gradient-descent", "momentum", "adam"])
def test_every_optimizer_learns_with_its_own_step_size(gcnn, small, folder, optimizer):
    assert gcnn("train", "--model", str(small), "--epochs", "3", "--optimizer", optimizer).exit_code == 0
    loss = json.loads((folder / "runs/digits/history.json").read_text())["loss"]
    assert loss[2] < 0.9 * loss[0]


def test_a_network_that_learns_classes_by_squares_is_shown_its_accuracy_too(gcnn, folder):
    network = library.Network([library.layers.Dense(10, activation="tanh")], 64, loss="mse")
    (folder / "squares.json").write_text(network.to_json())
    result = gcnn("train", "--model", "squares.json", "--epochs", "2")
    assert result.exit_code == 0
    assert len(json.loads((folder / "runs/digits/history.json").read_text())["validation_accuracy"]) == 2


def test_in_a_terminal_a_bar_shows_the_last_epoch_instead_of_lines(gcnn, small, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")  # what makes rich take the output for a terminal
    result = gcnn("train", "--model", str(small), "--epochs", "2")
    assert result.exit_code == 0
    assert "epoch 2/2" in result.stdout
    assert "validation accuracy" in result.stdout
    assert "━" in result.stdout


def test_quiet_prints_the_test_accuracy_and_nothing_else(gcnn, small):
    result = gcnn("train", "--model", str(small), "--epochs", "1", "--quiet")
    assert len(result.stdout.splitlines()) == 1
    assert result.stdout.startswith("test accuracy ")
    assert result.stderr == ""


def test_without_matplotlib_everything_but_the_picture_is_saved_and_the_remedy_is_said(
    gcnn, small, folder, monkeypatch
):
    monkeypatch.delitem(sys.modules, "gcnn.plot", raising=False)
    monkeypatch.delattr(library, "plot", raising=False)
    for name in [name for name in sys.modules if name.partition(".")[0] == "matplotlib"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    (folder / "runs/digits").mkdir(parents=True)
    (folder / "runs/digits/loss.png").write_bytes(b"of an earlier run")
    result = gcnn("train", "--model", str(small), "--epochs", "1")
    assert result.exit_code == 0
    assert "loss.png was not drawn" in result.stderr
    assert "picture" not in result.stdout
    assert 'pip install "gcnn[plot]"' in result.stderr
    names = sorted(path.name for path in (folder / "runs/digits").iterdir())
    assert names == ["history.json", "model.safetensors", "network.json"]


def test_ctrl_c_ends_in_one_line_and_status_130(gcnn, small, monkeypatch):
    def interrupted(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr("gcnn.cli.train.fit", interrupted)
    result = gcnn("train", "--model", str(small))
    assert result.exit_code == 130
    assert result.stderr.splitlines() == ["Interrupted: nothing more was done."]


def test_a_loss_that_overflows_is_a_failure_with_advice(gcnn, small):
    result = gcnn("train", "--model", str(small), "--optimizer", "gradient-descent", "--lr", "1e30", "--l2", "1")
    assert result.exit_code == 1
    assert len(result.stderr.splitlines()) == 1
    assert "Use a smaller learning rate" in result.stderr
