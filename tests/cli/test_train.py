from __future__ import annotations

import errno
import json
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest

import gcnn as library
from gcnn.data import load_digits, split
from gcnn.data.dataset import open_dataset
from gcnn.data.preparation import Preparation
from gcnn.runs import METHODS, RunFolder, Settings, experiment
from gcnn.runs.experiment import Parts

SIGNATURE_OF_PNG = b"\x89PNG\r\n\x1a\n"
EVERY_FILE = {
    "README.md",
    "checkpoint.safetensors",
    "history.json",
    "loss.png",
    "model.safetensors",
    "network.json",
    "run.json",
}


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
    seen, training = [], experiment.Training

    def watched(model, data, optimizer, epochs, validation, *rest):
        seen.extend([data.arrays()[0], validation.arrays()[0]])
        return training(model, data, optimizer, epochs, validation, *rest)

    monkeypatch.setattr(experiment, "Training", watched)
    for seed in ("0", "1"):
        assert gcnn("train", "--model", str(small), "--epochs", "1", "--seed", seed).exit_code == 0
    images, labels = (array.reshape(len(array), -1) for array in load_digits())
    _, (test, _) = split(images, labels, 1 / 5, 0)
    rows = {image.tobytes() for part in seen for image in part}
    assert len(seen) == 4
    # Two of the 1797 images may be equal; a held-back one counts only if no other sample looks like it.
    others = {image.tobytes() for image in split(images, labels, 1 / 5, 0)[0][0]}
    assert not {image.tobytes() for image in test} & rows - others
    assert len(rows) > 1400
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


@pytest.mark.parametrize("optimizer", METHODS)
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
    result = gcnn("train", "--model", str(small), "--epochs", "1")
    assert result.exit_code == 0
    assert "loss.png was not drawn" in result.stderr
    assert "picture" not in result.stdout
    assert 'pip install "gcnn[plot]"' in result.stderr
    assert EVERY_FILE - {path.name for path in (folder / "runs/digits").iterdir()} == {"loss.png"}
    # A picture of fewer epochs would pass for one of this run.
    (folder / "runs/digits/loss.png").write_bytes(b"of an earlier time")
    assert gcnn("resume", "runs/digits", "--epochs", "2").exit_code == 0
    assert not (folder / "runs/digits/loss.png").exists()


def test_a_folder_that_holds_something_is_never_written_into(gcnn, small, folder):
    (folder / "kept").mkdir()
    (folder / "kept" / "thesis.txt").write_text("all of it")
    result = gcnn("train", "--model", str(small), "--epochs", "1", "--output", "kept")
    assert result.exit_code == 2
    assert "kept is not empty, and nothing is overwritten" in result.stderr
    assert [path.name for path in (folder / "kept").iterdir()] == ["thesis.txt"]


def test_runs_without_an_output_get_folders_of_their_own(gcnn, small, folder):
    for _ in range(3):
        assert gcnn("train", "--model", str(small), "--epochs", "1").exit_code == 0
    assert sorted(path.name for path in (folder / "runs").iterdir()) == ["digits", "digits-2", "digits-3"]


def test_the_folder_explains_itself(gcnn, small, folder):
    assert gcnn("train", "--model", str(small), "--epochs", "1", "--l2", "0.5", "--quiet").exit_code == 0
    run = folder / "runs/digits"
    assert {path.name for path in run.iterdir()} == EVERY_FILE
    readme = (run / "README.md").read_text()
    for said in (
        *EVERY_FILE - {"README.md"},
        "gcnn resume runs/digits",
        "| l2 | 0.5 |",
        "Dense(10, activation='softmax')",
    ):
        assert said in readme


def test_json_prints_one_object_a_line_and_nothing_else(gcnn, small):
    result = gcnn("train", "--model", str(small), "--epochs", "2", "--json")
    events = [json.loads(line) for line in result.stdout.splitlines()]
    assert [event["event"] for event in events] == ["begin", "epoch", "epoch", "end"]
    assert [event["epoch"] for event in events[1:3]] == [1, 2]
    assert {"loss", "validation_loss", "validation_accuracy", "seconds"} <= events[1].keys()
    assert np.sum(events[3]["test_confusion"]) == events[3]["test_samples"] == 359
    assert np.trace(events[3]["test_confusion"]) / 359 == events[3]["test_accuracy"]


def test_settings_of_the_optimizer_and_a_schedule_reach_it(gcnn, small, folder):
    options = (
        "--optimizer",
        "momentum",
        "--set",
        "momentum=0.5",
        "--schedule",
        "step:factor=0.25,every=40",
        "--lr",
        "0.1",
    )
    result = gcnn("train", "--model", str(small), "--epochs", "2", *options, "--clip-norm", "3")
    assert result.exit_code == 0
    line = " ".join(line for line in result.stdout.splitlines() if "Momentum(" in line)
    for said in ("lr=Step(lr=0.1, factor=0.25, every=40)", "momentum=0.5", "clip_norm=3", "l2=0.001"):
        assert said in line


@pytest.mark.parametrize("schedule", ["constant", "step", "inverse-time", "exponential", "cosine"])
def test_every_schedule_trains_without_arguments_and_ends_where_the_training_ends(gcnn, small, folder, schedule):
    assert gcnn("train", "--model", str(small), "--epochs", "2", "--schedule", schedule).exit_code == 0
    settings, _, _ = RunFolder(folder / "runs/digits").read()
    rate = settings.make_optimizer().values(2 * 40)["lr"]  # 1258 samples are 40 batches
    ends = {"constant": 1.0, "step": 0.125, "inverse-time": 0.1, "exponential": 0.01, "cosine": 0.01}
    assert rate == pytest.approx(settings.rate * ends[schedule], rel=0.01 if schedule != "step" else 0.5)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--schedule", "cosin"), "Did you mean 'cosine'?"),
        (("--schedule", "step:evry=3"), "Did you mean 'every'?"),
        (("--schedule", "step:every"), "NAME=VALUE"),
        (("--set", "momentum"), "NAME=VALUE"),
        (("--set", "momentum=0.9"), "momentum"),
        (("--set", "beta1=2"), "beta1 must be a number in [0, 1)"),
        (("--set", "beta1=0.8", "--set", "beta1=0.9"), "beta1 is given twice"),
        (("--validation", "1"), "leaves one part empty"),
        (("--validation", "0.0001"), "leaves one part empty"),
        (("--clip-norm", "0"), "clip_norm must be a number in (0, inf)"),
        (("--data", "nowhere.csv"), "Nor is there a file or folder 'nowhere.csv'"),
        (("--data", "digits", "--target", "y"), "only CSV files have"),
        (("--normalise", "features"), "'maps'"),
    ],
)
def test_what_cannot_be_trained_is_said_before_anything_is_written(gcnn, folder, options, said):
    result = gcnn("train", *options)
    assert result.exit_code == 2
    assert said in result.stderr
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize(
    ("data", "name"),
    [
        ("digits", "digits"),
        ("/a/flowers.csv", "flowers"),
        ("/a/flowers.2026.csv.gz", "flowers.2026"),
        ("/a/set.npz", "set"),
        ("/a/photos.v2", "photos.v2"),
        ("/a/.csv", ".csv"),
    ],
)
def test_data_are_called_by_their_file_without_the_ending_that_says_its_kind(data, name):
    settings = Settings(data=data, model="mlp", epochs=1, batch=1, seed=0, optimizer="adam", rate=0.1, normalise="none")
    assert settings.data_name == name


def test_a_run_is_named_after_its_data_and_finds_them_from_another_folder(gcnn, trained, folder, monkeypatch):
    (folder / "sub").mkdir()
    (folder / "5f3a").write_bytes((trained.path / "numbers.csv").read_bytes())
    (folder / "sums.csv").symlink_to("5f3a")
    options = ("--model", str(trained.path / "sum.json"), "--epochs", "1", "--quiet")
    assert gcnn("train", "--data", "sub/../sums.csv", *options).exit_code == 0
    settings = json.loads((folder / "runs/sums/run.json").read_text())["settings"]
    assert settings["data"] == str(folder.resolve() / "sums.csv")
    assert json.loads((folder / "runs/sums/history.json").read_text())["title"].startswith("sums, ")
    monkeypatch.chdir(folder / "sub")
    assert gcnn("evaluate", "../runs/sums").exit_code == 0


def test_the_folder_that_one_is_in_can_be_learned_from(gcnn, trained, folder, monkeypatch):
    shutil.copytree(trained.path / "shapes", folder / "shapes")
    monkeypatch.chdir(folder / "shapes" / "disc")
    options = ("--epochs", "1", "--model", "mlp", "--quiet", "--output", str(folder / "a"))
    assert gcnn("train", "--data", "..", *options).exit_code == 0
    settings = json.loads((folder / "a/run.json").read_text())["settings"]
    assert settings["data"] == str(folder.resolve() / "shapes")


def test_the_sheet_of_a_run_says_what_memory_its_own_batches_take(gcnn, small, folder):
    options = ("--model", str(small), "--epochs", "1", "--batch", "5", "--dtype", "float64")
    assert gcnn("train", *options).exit_code == 0
    assert "batches of 5 in float64" in (folder / "runs/digits/README.md").read_text()


@pytest.mark.parametrize(
    ("optimizer", "option", "said"),
    [
        (
            "adam",
            "beta=0.5",
            "unknown setting of adam 'beta'. Did you mean 'beta2'? Known: beta1, beta2, clip_value, eps.",
        ),
        ("momentum", "l2=0.5", "unknown setting of momentum 'l2'. Known: clip_value, momentum."),
        ("damped-particle", "alpha=1", "unknown setting of damped-particle 'alpha'. Known: clip_value, gamma."),
    ],
)
def test_a_setting_that_an_optimizer_does_not_have_is_answered_with_those_it_has(gcnn, folder, optimizer, option, said):
    result = gcnn("train", "--optimizer", optimizer, "--set", option)
    assert (result.exit_code, result.stderr) == (2, f"Error: {said}\n")
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("option", ["form=mean", "eps=0.1", "clip_value=1"])
def test_every_setting_that_an_optimizer_has_can_be_set(gcnn, small, option):
    options = ("--model", str(small), "--epochs", "1", "--optimizer", "adagrad", "--set", option)
    assert gcnn("train", *options).exit_code == 0


@pytest.mark.parametrize(("options", "name"), [((), "runs"), (("--output", "sub/a"), "sub")])
def test_a_folder_that_may_not_be_made_is_told_with_the_remedy(gcnn, small, folder, monkeypatch, options, name):
    def refuse(path, *arguments, **more):
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr(Path, "mkdir", refuse)  # root, as whom tests may run, is refused nothing
    result = gcnn("train", "--model", str(small), *options)
    assert result.exit_code == 1
    assert "Permission denied; for --output, give a folder where you may write" in result.stderr
    assert name in result.stderr
    assert "epoch" not in result.stdout


def test_without_validation_all_samples_train(gcnn, small):
    result = gcnn("train", "--model", str(small), "--epochs", "1", "--validation", "0")
    assert "1438 samples for training, none for validation, 359 held back" in result.stdout


def test_patience_stops_early_and_keeps_the_best_epoch(gcnn, small, folder):
    assert gcnn("train", "--model", str(small), "--epochs", "200", "--lr", "0.3", "--patience", "2").exit_code == 0
    history = json.loads((folder / "runs/digits/history.json").read_text())
    assert history["stopped_early"]
    assert len(history["validation_loss"]) < 200
    best = int(np.argmin(history["validation_loss"]))
    assert len(history["validation_loss"]) == best + 1 + 2


def test_images_are_padded_normalised_and_shifted_as_asked(gcnn, folder):
    options = ("--model", "digits-conv", "--epochs", "1", "--pad", "1", "--normalise", "maps", "--shift", "1")
    assert gcnn("train", *options).exit_code == 0
    model = library.load(folder / "runs/digits/model.safetensors")
    assert model.network.inputs.shape == (1, 10, 10)
    preparation = Preparation.from_json(model.notes["preparation"])
    x = Parts.of(open_dataset("digits"), 0.125, 0).training.arrays()[0]
    assert preparation.pad == 1
    assert preparation(x)[:, :, 1:-1, 1:-1].mean() == pytest.approx(0, abs=1e-9)


def test_a_radial_basis_network_starts_with_its_centres_on_samples(gcnn, folder):
    assert gcnn("train", "--model", "rbf", "--epochs", "5", "--quiet").exit_code == 0
    assert json.loads((folder / "runs/digits/history.json").read_text())["test_accuracy"] > 0.8


def test_a_loss_that_overflows_is_a_failure_with_advice(gcnn, small):
    result = gcnn("train", "--model", str(small), "--optimizer", "gradient-descent", "--lr", "1e30", "--l2", "1")
    assert result.exit_code == 1
    assert len(result.stderr.splitlines()) == 1
    assert "Use a smaller learning rate" in result.stderr


def test_numbers_are_learned_by_a_model_by_name_with_a_linear_last_layer(gcnn, folder):
    x = np.random.default_rng(0).uniform(-1, 1, (300, 3))
    np.savetxt(folder / "numbers.csv", np.c_[x, 2 * x[:, 0] - x[:, 1]], delimiter=",", header="a,b,c,y", comments="")
    result = gcnn("train", "--data", "numbers.csv", "--model", "mlp", "--epochs", "20", "--l2", "0")
    assert result.exit_code == 0
    assert "test loss" in result.stdout
    history = json.loads((folder / "runs/numbers/history.json").read_text())
    assert history["test_accuracy"] is None
    assert history["test_loss"] < 0.02, (
        "the variance of the targets is 1.7, so half of it is what nothing learned gives"
    )
