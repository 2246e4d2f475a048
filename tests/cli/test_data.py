"""`gcnn data`: which data sets there are, what is in one, its picture, and when something is downloaded."""

from __future__ import annotations

import json
import sys

import numpy as np
import pytest
from PIL import Image

import gcnn as library
from gcnn.data import load_digits, mnist, open_dataset, write_idx
from gcnn.data.dataset import Dataset
from gcnn.data.description import describe
from gcnn.data.mnist import TEST, TRAINING
from gcnn.data.samples import ArraySamples


@pytest.fixture
def nowhere(folder, monkeypatch):
    """No data of this machine in sight: a cache that is not there yet."""
    monkeypatch.setattr(mnist, "user_cache_path", lambda *names, **options: folder / "cache")
    monkeypatch.setattr(mnist, "SYSTEM_FOLDERS", ())
    monkeypatch.delenv(mnist.FOLDER_VARIABLE, raising=False)


def idx_files(place):
    place.mkdir(parents=True)
    for (images, labels), count in ((TRAINING, 30), (TEST, 10)):
        write_idx(place / images, np.arange(count * 20, dtype=np.uint8).reshape(count, 5, 4))
        write_idx(place / labels, np.arange(count, dtype=np.uint8) % 10)


@pytest.fixture
def offered(nowhere, monkeypatch):
    """Downloads bring small files; what was asked for is remembered."""
    asked = []

    def bring(url, checksum, path):
        asked.append(url)
        if not path.parent.exists():
            idx_files(path.parent)

    monkeypatch.setattr(mnist, "download_file", bring)
    return asked


def document(gcnn, *arguments):
    result = gcnn("data", *arguments, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def refused(gcnn, *arguments, said, status=2):
    result = gcnn("data", *arguments)
    assert (result.exit_code, result.stdout) == (status, "")
    assert len(result.stderr.splitlines()) == 1
    assert [text for text in said if text not in result.stderr] == [], result.stderr


def test_the_list_says_where_each_set_is_or_how_to_get_it_and_which_files_can_be_given(gcnn, nowhere, folder):
    listed = gcnn("data").stdout
    assert "comes with gcnn" in listed
    assert "not on this machine; to get it: gcnn data mnist --download" in listed
    assert mnist.FASHION_MNIST.url in listed
    for kind in (".npz", ".csv", "folder of images", "folder of IDX files"):
        assert kind in listed
    idx_files(folder / "cache/data/mnist")
    assert f"IDX files in {folder / 'cache/data/mnist'}" in gcnn("data").stdout
    found = {row["name"]: row["found"] for row in document(gcnn)}
    assert found["mnist"] == f"IDX files in {folder / 'cache/data/mnist'}"
    assert found["fashion-mnist"] is None


def test_nothing_is_downloaded_unless_that_is_said(gcnn, offered):
    assert gcnn("data").exit_code == 0
    refused(gcnn, "mnist", said=["not on this machine", "gcnn data mnist --download", mnist.MNIST.url], status=1)
    assert offered == []


def test_a_set_is_downloaded_into_the_cache_and_that_is_said(gcnn, offered, folder):
    place = folder / "cache/data/mnist"
    result = gcnn("data", "mnist", "--download")
    assert result.exit_code == 0
    assert f"IDX files in {place}" in result.stdout
    assert len(offered) == 4
    assert gcnn("data", "mnist", "--download").exit_code == 0
    assert len(offered) == 4, "it was there already"
    assert gcnn("data", "mnist").exit_code == 0


@pytest.mark.parametrize("arguments", [("photos",), ("mnist", "--folder", "x"), ("digits", "--folder", "x")])
def test_only_named_sets_are_downloaded_and_only_into_the_cache(gcnn, offered, arguments):
    refused(gcnn, *arguments, "--download", said=["--download is for data sets by name"])
    assert offered == []


def test_a_description_counts_every_class_and_finds_the_range(gcnn, trained):
    x, t = load_digits()
    found = document(gcnn, "digits")
    assert found["shape"] == [1, 8, 8]
    assert found["training"]["samples"] == 1797
    assert found["training"]["counts"] == np.bincount(t).tolist()
    assert found["training"]["inputs"]["least"] == [x.min()]
    assert found["training"]["inputs"]["most"] == [x.max()]
    np.testing.assert_allclose(found["training"]["inputs"]["mean"], x.mean(), rtol=1e-12)
    assert found["fingerprint"] == ArraySamples(x, t).fingerprint()
    shown = gcnn("data", "digits").stdout
    for text in ("1797, no test set", "8 x 8 pixels, grey", "from 0 to 1", found["fingerprint"], "digits-conv"):
        assert text in shown
    assert any(line.split() == ["7", "179"] for line in shown.splitlines())


def test_a_table_is_described_by_its_features(gcnn, trained):
    path = str(trained.path / "flowers.csv")
    table = np.loadtxt(path, delimiter=",", skiprows=1, usecols=range(4))
    found = document(gcnn, path)
    assert found["features"] == ["sepal length", "sepal width", "petal length", "petal width"]
    assert found["training"]["inputs"]["least"] == table.min(axis=0).tolist()
    assert found["training"]["inputs"]["most"] == table.max(axis=0).tolist()
    np.testing.assert_allclose(found["training"]["inputs"]["mean"], table.mean(axis=0), rtol=1e-12)
    shown = gcnn("data", path).stdout
    assert "setosa" in shown
    assert f"petal width {table[:, 3].min():g}" in " ".join(shown.split())


def test_another_target_makes_numbers_of_classes(gcnn, trained):
    path = str(trained.path / "numbers.csv")
    assert "a number to fit" in gcnn("data", path).stdout
    assert document(gcnn, path, "--target", "a")["features"] == ["b", "sum"]
    refused(gcnn, path, "--target", "none", said=["none"])


def test_a_test_set_is_counted_beside_the_training(gcnn, nowhere, folder):
    idx_files(folder / "set")
    found = document(gcnn, "set")
    assert (found["training"]["samples"], found["test"]["samples"]) == (30, 10)
    assert (found["training"]["counts"], found["test"]["counts"]) == ([3] * 10, [1] * 10)
    shown = gcnn("data", "mnist", "--folder", "set").stdout
    assert "30 for training, 10 for the test" in shown
    assert any(line.split() == ["9", "3", "1"] for line in shown.splitlines())


def test_parts_of_a_set_add_up_to_the_whole(folder):
    rng = np.random.default_rng(0)
    x, t = rng.normal(size=(2500, 3)), rng.integers(0, 4, 2500)  # more than two chunks
    found, test = describe(Dataset("x", ArraySamples(x, t), None, tuple("abcd"), "mlp", "here"))
    assert test is None
    assert found.counts.tolist() == np.bincount(t).tolist()
    assert found.inputs.least.tolist() == x.min(axis=0).tolist()
    assert found.inputs.most.tolist() == x.max(axis=0).tolist()
    np.testing.assert_allclose(found.inputs.mean, x.mean(axis=0), rtol=1e-12)


def test_a_picture_shows_the_first_samples_of_every_class(gcnn, folder, trained):
    result = gcnn("data", str(trained.path / "shapes"), "--picture", "shapes.png")
    assert (result.exit_code, "shapes.png shows the first samples" in result.stdout) == (0, True)
    # A pixel of the data is a square of 6 dots: 96 over 16 of them.
    sheet = np.asarray(Image.open(folder / "shapes.png").convert("L")) / 255
    rows = [f"shapes/{name}" for name in ("disc", "square")]
    for row, name in enumerate(rows):
        for column in (0, 9):
            pixels = np.asarray(Image.open(trained.path / name / f"{column}.png")) / 255
            bottom, left = 56 + row * 106, sheet.shape[1] - 20 - 96 - (9 - column) * 106
            found = sheet[bottom : bottom + 96, left : left + 96][3::6, 3::6]
            np.testing.assert_array_equal(found, pixels)


def test_pictures_are_drawn_of_many_classes_of_colours_and_of_numbers_too(gcnn, folder):
    rng = np.random.default_rng(0)
    x, t = rng.integers(0, 256, (42, 6, 9, 3), dtype=np.uint8), np.arange(42) % 21
    np.savez(folder / "many.npz", x=x, t=t)
    np.savez(folder / "numbers.npz", x=x[:12, ..., :1], t=t[:12] / 7)
    np.savez(folder / "maps.npz", x=rng.normal(size=(4, 5, 6, 6)), t=np.arange(4) % 2)
    for name in ("many", "numbers", "maps"):
        assert gcnn("data", f"{name}.npz", "--picture", f"{name}.png").exit_code == 0
        with Image.open(folder / f"{name}.png") as picture:
            colours = np.asarray(picture.convert("RGB"), int)
        coloured = np.abs(colours[..., 0] - colours[..., 1]).max() > 30
        assert coloured == (name == "many")


def test_a_class_without_training_samples_leaves_its_row_empty(gcnn, folder):
    idx_files(folder / "set")
    write_idx(folder / "set" / TRAINING[1], np.arange(30, dtype=np.uint8) % 9)
    assert gcnn("data", "set", "--picture", "set.png").exit_code == 0
    assert document(gcnn, "set")["training"]["counts"][9] == 0


def test_a_picture_that_is_there_stays_unless_it_may_be_replaced(gcnn, trained, folder):
    shapes = str(trained.path / "shapes")
    (folder / "kept.png").write_bytes(b"precious")
    refused(gcnn, shapes, "--picture", "kept.png", said=["kept.png is there already", "--overwrite"])
    assert (folder / "kept.png").read_bytes() == b"precious"
    assert gcnn("data", shapes, "--picture", "kept.png", "--overwrite").exit_code == 0
    assert (folder / "kept.png").read_bytes().startswith(b"\x89PNG")


def test_what_cannot_be_drawn_is_told(gcnn, trained, folder):
    flowers = str(trained.path / "flowers.csv")
    refused(gcnn, flowers, "--picture", "x.png", said=["vectors of 4 features", "only images can be drawn"])
    refused(gcnn, "digits", "--picture", "x.jpg", said=["x.jpg", ".png"])
    shapes = str(trained.path / "shapes")
    refused(gcnn, shapes, "--picture", "none/x.png", said=["none must be a folder"], status=1)
    assert not (folder / "x.png").exists()


def test_without_matplotlib_a_picture_says_how_to_get_it(gcnn, monkeypatch):
    monkeypatch.delitem(sys.modules, "gcnn.sheet", raising=False)
    monkeypatch.delattr(library, "sheet", raising=False)
    for name in [name for name in sys.modules if name.partition(".")[0] == "matplotlib"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    refused(gcnn, "digits", "--picture", "x.png", said=["--picture needs matplotlib", 'pip install "gcnn[plot]"'])


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("digts",), "Did you mean 'digits'?"),
        (("--picture", "x.png"), "which data set?"),
        (("digits", "--target", "x"), "target='x'"),
        (("empty",), "empty: no subfolders"),
        (("notes.txt",), "not a kind of file that is read"),
    ],
)
def test_what_is_no_data_set_is_status_2(gcnn, folder, arguments, said):
    (folder / "empty").mkdir()
    (folder / "notes.txt").write_text("nothing")
    result = gcnn("data", *arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert said in result.stderr


def test_equal_data_have_equal_fingerprints_wherever_they_lie(gcnn, folder):
    for name in ("one", "two"):
        idx_files(folder / name)
    first, second = (document(gcnn, name)["fingerprint"] for name in ("one", "two"))
    assert first == second == open_dataset("one").training.fingerprint()
