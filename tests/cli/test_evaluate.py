"""`gcnn evaluate`: the same samples and figures as at the end of training, other data, and what is refused."""

from __future__ import annotations

import io
import json
import shutil

import numpy as np
import pytest
from rich.console import Console

import gcnn as library
from gcnn import layers
from gcnn.cli.confusion import ClassFigures, show
from gcnn.data import load_digits
from gcnn.data.samples import ArraySamples, joined

ON_NUMPY = ("--backend", "numpy")


def figures(gcnn, *arguments):
    result = gcnn("evaluate", *arguments, "--json", *ON_NUMPY)
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


@pytest.fixture
def bare(folder):
    """A model's file that says nothing of any training."""
    network = library.Network([layers.Dense(10, activation="softmax")], (1, 8, 8))
    network.bind("numpy").save(folder / "bare.safetensors")
    return "bare.safetensors"


def refused(gcnn, *arguments, said, status=2):
    result = gcnn("evaluate", *arguments)
    assert (result.exit_code, result.stdout) == (status, "")
    assert len(result.stderr.splitlines()) == 1
    assert [text for text in said if text not in result.stderr] == [], result.stderr


@pytest.mark.parametrize("name", ["digits", "flowers", "shapes", "numbers"])
def test_loss_accuracy_and_confusion_are_those_that_training_found(gcnn, trained, name):
    found = figures(gcnn, getattr(trained, name))
    history = json.loads((trained.path / "runs" / name / "history.json").read_text())
    for fact in ("samples", "loss", "accuracy", "confusion"):
        assert found[fact] == history[f"test_{fact}"], fact


def test_the_accuracy_shown_is_the_one_that_training_printed(gcnn, trained):
    printed = trained.said["digits"].split()[2]
    assert f"accuracy  {printed}   " in gcnn("evaluate", trained.digits, *ON_NUMPY).stdout


def test_a_models_file_is_measured_like_its_run(gcnn, trained):
    run = figures(gcnn, trained.flowers)
    assert figures(gcnn, f"{trained.flowers}/model.safetensors") == run


def test_the_data_of_the_training_by_another_path_are_known_and_only_what_was_held_back_is_taken(gcnn, trained, folder):
    shutil.copy(trained.path / "flowers.csv", folder / "moved.csv")
    run, moved = figures(gcnn, trained.flowers), figures(gcnn, trained.flowers, "--data", "moved.csv")
    assert moved["samples"] == run["samples"] == 12
    assert moved["confusion"] == run["confusion"]


def test_parts_divide_the_samples_and_their_confusions_add_up_to_all(gcnn, trained):
    parts = {name: figures(gcnn, trained.digits, "--part", name) for name in ("test", "training", "validation", "all")}
    assert [parts[name]["samples"] for name in parts] == [359, 1258, 180, 1797]
    total = sum(np.array(parts[name]["confusion"]) for name in ("test", "training", "validation"))
    np.testing.assert_array_equal(total, parts["all"]["confusion"])


def test_top_k_grows_with_k_from_the_accuracy_to_one(gcnn, trained):
    found = figures(gcnn, trained.digits, "--top", "1", "--top", "3", "--top", "10")
    assert found["accuracy"] == found["top"]["1"] < found["top"]["3"] < found["top"]["10"] == 1


def test_other_data_are_taken_as_a_whole_and_their_columns_by_name(gcnn, trained, folder):
    lines = [line.split(",") for line in (trained.path / "flowers.csv").read_text().splitlines()]
    # Another order, and a column that the training had not.
    rows = [[row[0], row[3], row[1], row[2], str(i) if i else "number", row[4]] for i, row in enumerate(lines)]
    (folder / "new.csv").write_text("\n".join(",".join(row) for row in rows))
    found = figures(gcnn, trained.flowers, "--data", "new.csv")
    assert found["samples"] == 60
    assert found["confusion"] == figures(gcnn, trained.flowers, "--part", "all")["confusion"]


def test_the_test_set_of_other_data_is_taken_where_there_is_one(gcnn, bare, folder):
    x, t = load_digits()
    np.savez(folder / "parts.npz", x_train=x[:100], t_train=t[:100], x_test=x[100:130], t_test=t[100:130])
    assert figures(gcnn, bare, "--data", "parts.npz")["samples"] == 30
    assert figures(gcnn, bare, "--data", "parts.npz", "--part", "training")["samples"] == 100
    assert figures(gcnn, bare, "--data", "parts.npz", "--part", "all")["samples"] == 130


def test_a_bare_model_is_measured_on_all_samples_of_the_data_given(gcnn, bare):
    model = library.load(bare, "numpy")
    assert figures(gcnn, bare, "--data", "digits")["accuracy"] == library.accuracy(model, *load_digits())


def test_a_bare_model_asks_for_data(gcnn, bare):
    refused(gcnn, bare, said=["bare.safetensors", "Give --data"])


def test_data_that_changed_since_the_training_are_refused_unless_given_as_new(gcnn, trained, folder):
    shutil.copytree(trained.path / "runs/flowers", folder / "run")
    data = folder / "flowers.csv"
    text = (trained.path / "flowers.csv").read_text()
    model = library.load(folder / "run/model.safetensors", "numpy")
    model.notes["settings"]["data"] = str(data)
    model.save(folder / "run/model.safetensors")
    refused(gcnn, "run", said=[str(data), "not there any more", "--data"])
    data.write_text(text)
    assert figures(gcnn, "run")["samples"] == 12
    data.write_text(text + "6,3,5,2,virginica\n")
    refused(gcnn, "run", said=[str(data), "not the data of the training any more", f"--data {data}"])
    assert figures(gcnn, "run", "--data", str(data))["samples"] == 61


def test_other_classes_are_refused_with_both(gcnn, trained):
    said = ["10 classes (0, 1", "3 classes (setosa, versicolor, virginica)"]
    refused(gcnn, trained.flowers, "--data", "digits", said=said)


def test_numbers_to_fit_are_no_classes(gcnn, trained):
    numbers = str(trained.path / "numbers.csv")
    refused(gcnn, trained.flowers, "--data", numbers, "--target", "sum", said=["numbers", "setosa"])
    refused(gcnn, trained.numbers, "--top", "1", said=["top-k accuracy needs classes"])


def test_missing_columns_are_named(gcnn, trained, folder):
    (folder / "less.csv").write_text("sepal length,petal width,species\n5,2,setosa\n6,1,versicolor\n7,2,virginica\n")
    said = ["less.csv", "sepal width, petal length"]
    refused(gcnn, trained.flowers, "--data", "less.csv", said=said)


def test_images_of_another_size_are_refused_with_both_sizes(gcnn, trained, folder):
    x, t = np.zeros((4, 1, 12, 12)), np.array([0, 1, 0, 1])
    np.savez(folder / "small.npz", x=x, t=t)
    model = library.load(f"{trained.shapes}/model.safetensors", "numpy")
    model.notes["classes"] = ["0", "1"]
    model.save(folder / "m.safetensors")
    refused(gcnn, "m.safetensors", "--data", "small.npz", said=["12 x 12 pixels, grey", "16 x 16 pixels, grey"])


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--top", "11"], ["1 <= k <= 10"]),
        (["--data", "digts"], ["Did you mean 'digits'?"]),
        (["--data", "digits", "--target", "x"], ["target='x'"]),
    ],
)
def test_wrong_options_are_told_in_one_line(gcnn, trained, arguments, said):
    refused(gcnn, trained.digits, *arguments, said=said)


def test_what_is_no_model_is_told_with_what_would_be(gcnn, folder):
    refused(gcnn, "runs/none", said=["no file or folder 'runs/none'", "model's file (.safetensors)"])
    refused(gcnn, "lenet5", said=["a network that is not trained"])
    refused(gcnn, ".", said=["run.json", "holds no run"])
    (folder / "x.safetensors").write_bytes(b"no model")
    refused(gcnn, "x.safetensors", said=["x.safetensors", "not a whole safetensors file"])


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("classes", ["a", "b"], "names 2 classes, but its network has 10 outputs"),
        ("classes", 3, "'classes' must be list"),
        ("shape", [1, 9, 9], "do not become what its network reads"),
        ("shape", [0, -1], "must hold sizes"),
        ("preparation", {"pad": -1, "mean": [], "deviation": []}, "pad=-1"),
        ("preparation", {"pad": 0, "mean": [1, 2], "deviation": [1, 2]}, "preparation"),
        ("settings", {"data": "digits"}, "settings"),
        ("features", ["a"], "names 1 features"),
    ],
)
def test_notes_that_do_not_fit_the_model_are_refused_with_the_file(gcnn, trained, folder, name, value, said):
    model = library.load(f"{trained.digits}/model.safetensors", "numpy")
    model.notes[name] = value
    model.save(folder / "damaged.safetensors")
    result = gcnn("evaluate", "damaged.safetensors")
    assert result.exit_code == 2
    assert "damaged.safetensors" in result.stderr
    if name != "settings":
        assert said in result.stderr


def test_a_run_that_has_not_saved_anything_is_told_how_to_begin(gcnn, trained, folder):
    shutil.copytree(trained.path / "runs/digits", folder / "run")
    for name in ("model.safetensors", "checkpoint.safetensors"):
        (folder / "run" / name).unlink()
    refused(gcnn, "run", said=["not saved anything yet", "gcnn resume run"])


def test_of_a_run_that_is_not_finished_the_checkpoint_is_taken_and_that_is_said(gcnn, trained, folder):
    shutil.copytree(trained.path / "runs/digits", folder / "run")
    (folder / "run/model.safetensors").unlink()
    result = gcnn("evaluate", "run", "--json", *ON_NUMPY)
    assert "not finished: taking its checkpoint, after epoch 2 and 0 steps of the next, of 2 epochs" in result.stderr
    assert json.loads(result.stdout)["finished"] is False
    assert json.loads(result.stdout)["loss"] == figures(gcnn, trained.digits)["loss"]


def test_of_a_finished_run_that_trains_on_the_older_model_is_not_taken(gcnn, trained, folder):
    shutil.copytree(trained.path / "runs/digits", folder / "run")
    document = json.loads((folder / "run/run.json").read_text())
    document["settings"]["epochs"] = 5
    (folder / "run/run.json").write_text(json.dumps(document))
    result = gcnn("evaluate", "run")
    assert "of 5 epochs" in result.stderr
    assert "checkpoint.safetensors, on backend" in result.stdout


def test_a_terminals_width_of_100_holds_ten_classes_with_their_names():
    names = ("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot")
    counts = np.diag(np.full(10, 5960)) + 4
    console = Console(width=100, record=True, file=io.StringIO())
    show(console, ClassFigures(names, counts))
    lines = console.export_text().splitlines()
    assert all(any(line.startswith(f"{i} {name}") for line in lines) for i, name in enumerate(names))
    assert lines[2].split() == ["0", "T-shirt/top", "5964", *["4"] * 9, "6000", "99.4%", "99.4%"]


def test_of_a_hundred_classes_the_pairs_confused_most_and_the_worst_classes_are_shown():
    counts = np.diag(np.full(100, 50))
    counts[7, 93], counts[4, 5], counts[7, 7] = 30, 2, 20
    console = Console(width=100, record=True, file=io.StringIO())
    show(console, ClassFigures(tuple(f"class {i}" for i in range(100)), counts))
    lines = console.export_text().splitlines()
    assert lines[2].split() == ["30", "class", "7", "class", "93"]
    assert "2 pairs in all" in " ".join(lines)
    assert lines[lines.index(next(line for line in lines if "recognised worst" in line)) + 2].split()[:4] == [
        "class",
        "7",
        "50",
        "40.0%",
    ]
    assert len(lines) < 50


def test_recall_is_of_rows_and_precision_of_columns_and_classes_without_samples_have_none():
    found = ClassFigures(("a", "b", "c"), np.array([[8, 2, 0], [0, 5, 0], [0, 0, 0]]))
    assert found.recall == [0.8, 1.0, None]
    assert found.precision == [1.0, 5 / 7, None]
    assert found.pairs() == [(2, 0, 1)]


def test_joined_samples_are_read_in_the_order_asked_for():
    first, second = (
        ArraySamples(np.arange(4.0)[:, None], np.arange(4)),
        ArraySamples(-np.ones((2, 1)), np.array([8, 9])),
    )
    both = joined(first, second)
    assert both[[5, 0, 4, 3]][1].tolist() == [9, 0, 8, 3]
    assert both[[5, 0, 4, 3]][0][:, 0].tolist() == [-1, 0, -1, 3]
    assert both[1:3][1].tolist() == [1, 2]
    assert both[4:][1].tolist() == [8, 9]
