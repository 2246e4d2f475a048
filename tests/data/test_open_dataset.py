from __future__ import annotations

import shutil
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gcnn import Network
from gcnn.data import DATASETS, mnist, open_dataset, read_idx, write_idx
from gcnn.data.classes import suitable_model
from gcnn.data.mnist import TEST, TRAINING
from gcnn.errors import DataError, FormatError
from gcnn.models import MODELS

DEBIAN = Path("/usr/share/datasets/fashion-mnist")


@contextmanager
def refused(kind, *texts):
    """An error of that type, with all the texts in its message."""
    with pytest.raises(kind) as caught:
        yield
    assert [text for text in texts if text not in str(caught.value)] == [], caught.value


@pytest.fixture
def folder(write_set, tmp_path):
    return write_set(tmp_path / "set")


def test_an_unknown_name_is_answered_with_the_nearest_and_that_there_is_no_such_path():
    with refused(DataError, "'fashon-mnist'", "Did you mean 'fashion-mnist'?", "Nor is there a file or folder"):
        open_dataset("fashon-mnist")


def test_every_data_set_says_what_it_is_in_one_line():
    assert set(DATASETS) == {"digits", "mnist", "fashion-mnist"}
    assert all(opener.about and "\n" not in opener.about for opener in DATASETS.values())


@pytest.mark.parametrize("ending", ["", ".gz"])
@pytest.mark.parametrize("name", ["mnist", "fashion-mnist"])
def test_a_named_set_is_read_from_the_folder_given(write_set, tmp_path, name, ending):
    folder = write_set(tmp_path / "set", ending)
    dataset = open_dataset(name, folder)
    assert (dataset.name, dataset.source) == (name, f"IDX files in {folder}")
    for samples, (images, labels) in ((dataset.training, TRAINING), (dataset.test, TEST)):
        x, t = samples.arrays()
        raw = read_idx(folder / f"{images}{ending}")
        assert (x.dtype, t.dtype, x.shape) == (np.float32, np.intp, (len(raw), 1, 5, 4))
        np.testing.assert_array_equal(x[:, 0], raw.astype(np.float32) / 255)
        np.testing.assert_array_equal(t, read_idx(folder / f"{labels}{ending}"))
    assert len(dataset.classes) == 10


def test_bytes_become_numbers_from_0_to_1(write_set, tmp_path):
    ends = np.tile(np.array([0, 255, 51], np.uint8), (30, 1))[:, None]
    folder = write_set(tmp_path / "set", train_images=ends, t10k_images=ends[:12])
    assert open_dataset("mnist", folder).training[:1][0].tolist() == [[[[0.0, 1.0, np.float32(0.2)]]]]


def test_images_of_plain_files_stay_on_disk_until_they_are_asked_for(folder):
    training = open_dataset("mnist", folder).training
    before = training[[3]][0]
    with (folder / TRAINING[0]).open("r+b") as file:
        file.seek(16 + 3 * 20)
        file.write(bytes(20))
    assert before.any()
    assert not training[[3]][0].any()


def test_plain_files_go_before_compressed_ones_and_both_spellings_of_their_names_are_found(write_set, tmp_path):
    folder = write_set(tmp_path / "set")
    other = np.full((30, 5, 4), 7, np.uint8)
    write_idx(folder / f"{TRAINING[0]}.gz", other)
    (folder / TEST[0]).rename(folder / "t10k-images.idx3-ubyte")
    dataset = open_dataset("mnist", folder)
    assert len(dataset.test) == 12
    assert not (dataset.training[:][0] == np.float32(7 / 255)).all()


def test_the_first_place_that_holds_all_four_files_is_taken(write_set, cache, tmp_path, monkeypatch):
    given, system = tmp_path / "given", tmp_path / "system"
    monkeypatch.setenv("GCNN_DATA", str(given))
    monkeypatch.setattr(mnist, "SYSTEM_FOLDERS", (system,))
    for folder in (cache, system, given):
        write_set(folder / "mnist")
        write_set(folder / "fashion-mnist")
        assert open_dataset("mnist", download=False).source == f"IDX files in {folder / 'mnist'}"
    (given / "mnist" / TEST[1]).unlink()
    assert open_dataset("mnist", download=False).source == f"IDX files in {system / 'mnist'}"
    assert open_dataset("fashion-mnist").source == f"IDX files in {given / 'fashion-mnist'}"


def test_files_that_are_nowhere_are_asked_for_by_every_place_looked_in(cache, tmp_path, monkeypatch, write_set):
    monkeypatch.setenv("GCNN_DATA", str(tmp_path))
    (write_set(tmp_path / "mnist") / TEST[1]).unlink()
    with pytest.raises(FileNotFoundError) as caught:
        open_dataset("mnist", download=False)
    message = str(caught.value)
    for text in (f"{tmp_path / 'mnist'}: lacks {TEST[1]}", f"{cache / 'mnist'}: no such folder", "https://", *TRAINING):
        assert text in message
    assert not cache.exists()


@pytest.mark.usefixtures("cache")
def test_a_folder_given_is_the_only_place_and_nothing_is_downloaded_beside_it(tmp_path):
    with pytest.raises(FileNotFoundError, match="has none of them"):
        open_dataset("mnist", tmp_path)
    with pytest.raises(FileNotFoundError, match="no such folder"):
        open_dataset("mnist", tmp_path / "nothing")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_with_idx_files_opens_by_its_path_with_the_classes_that_its_labels_have(write_set, tmp_path):
    labels = np.arange(30, dtype=np.int32) % 13
    folder = write_set(tmp_path / "letters", ".gz", train_labels=labels)
    for path in (folder, str(folder)):
        dataset = open_dataset(path)
        assert (dataset.name, dataset.classes) == (str(folder), tuple(map(str, range(13))))
    (folder / f"{TEST[1]}.gz").unlink()
    with pytest.raises(FileNotFoundError, match=f"lacks {TEST[1]}"):
        open_dataset(folder)


@pytest.mark.parametrize(
    ("changes", "texts"),
    [
        ({"train_images": np.zeros((30, 5, 4), np.float32)}, ["train-images", "float32; expected", "uint8"]),
        ({"train_images": np.zeros(30, np.uint8)}, ["train-images", "30 values of uint8; expected images x rows"]),
        ({"train_images": np.zeros((30, 0, 4), np.uint8)}, ["train-images", "30 x 0 x 4 values"]),
        ({"train_images": np.zeros((30, *[1] * 63), np.uint8)}, ["train-images", "expected images x rows"]),
        ({"train_images": np.zeros((0, 5, 4), np.uint8)}, ["train-images", "0 x 5 x 4 values"]),
        ({"train_labels": np.zeros(30, np.float64)}, ["train-labels", "expected one integer an image"]),
        (
            {"train_labels": np.zeros((30, 1), np.uint8)},
            ["train-labels", "30 x 1 values", "expected one integer an image"],
        ),
        ({"train_labels": np.zeros(29, np.uint8)}, ["train-labels", "29 labels", "train-images", "30 images"]),
        ({"t10k_labels": np.full(12, -1, np.int8)}, ["t10k-labels", "labels from -1 to -1; expected 0 to"]),
        ({"t10k_labels": np.full(12, 2**31 - 1, np.int32)}, ["t10k-labels", "2147483647; expected 0 to"]),
        ({"t10k_images": np.zeros((12, 4, 5), np.uint8)}, ["t10k-images", "1 x 4 x 5", "train-images", "1 x 5 x 4"]),
        ({"t10k_labels": np.full(12, 10, np.uint8)}, ["there is a label 10, but mnist has the classes 0 to 9"]),
    ],
)
def test_files_that_do_not_make_a_set_are_refused_by_name_finding_and_expectation(write_set, tmp_path, changes, texts):
    folder = write_set(tmp_path / "set", **changes)
    with refused(FormatError, str(folder), *texts):
        open_dataset("mnist", folder)


def test_options_that_do_not_go_with_what_is_opened_are_refused(folder):
    with refused(DataError, "folder='elsewhere'", "the digits come with gcnn"):
        open_dataset("digits", "elsewhere")
    with refused(DataError, "folder='elsewhere' goes with a name"):
        open_dataset(str(folder), "elsewhere")
    for name in ("digits", str(folder)):
        with refused(DataError, "target='price'", "only CSV files"):
            open_dataset(name, target="price")


def test_a_kind_of_file_that_is_not_read_is_refused_with_those_that_are(tmp_path):
    (tmp_path / "x.mat").write_bytes(b"")
    with refused(DataError, "x.mat", "*.npz, *.csv, *.csv.gz, a folder of images"):
        open_dataset(tmp_path / "x.mat")


def test_a_name_goes_before_a_path(folder, monkeypatch):
    shutil.copytree(folder, folder / "digits")
    monkeypatch.chdir(folder)
    assert open_dataset("digits").source == "comes with gcnn"
    assert open_dataset("./digits").source == "IDX files in digits"


@pytest.mark.parametrize(
    ("path", "reader"),
    [
        ("a.npz", "npz.open_npz"),
        ("a.csv", "csv.open_csv"),
        ("a.b.csv.gz", "csv.open_csv"),
        ("folder", "images.open_images"),
    ],
)
def test_a_path_goes_to_the_reader_of_its_kind(tmp_path, monkeypatch, path, reader):
    read = []
    monkeypatch.setattr(f"gcnn.data.{reader}", lambda *arguments: read.append(arguments))
    path = tmp_path / path
    path.mkdir() if path.name == "folder" else path.write_bytes(b"")
    open_dataset(path)
    assert read == [(path, None)] if "csv" in reader else [(path,)]


@pytest.mark.parametrize(
    "shape", [(1, 28, 28), (3, 32, 32), (1, 16, 20), (1, 8, 8), (1, 3, 3), (7,), (2, 40), (1, 30, 30, 30)]
)
def test_a_suitable_model_takes_samples_of_that_shape(shape):
    network = MODELS[suitable_model(shape)](shape, 7, 0)
    assert isinstance(network, Network)
    assert network.outputs.points == 7


@pytest.mark.parametrize(("side", "model"), [(28, "lenet5"), (16, "lenet"), (4, "digits-conv"), (3, "mlp")])
def test_the_same_images_suit_the_same_model_whatever_kind_of_file_holds_them(write_set, tmp_path, side, model):
    images, labels = np.zeros((4, side, side), np.uint8), np.arange(4) % 2
    folder = write_set(tmp_path / "idx")
    for x, t in (TRAINING, TEST):
        write_idx(folder / x, images)
        write_idx(folder / t, labels.astype(np.uint8))
    np.savez(tmp_path / "set.npz", x=images, t=labels)
    for number, (image, label) in enumerate(zip(images, labels, strict=True)):
        (tmp_path / "png" / str(label)).mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(tmp_path / "png" / str(label) / f"{number}.png")
    assert [open_dataset(tmp_path / name).model for name in ("idx", "set.npz", "png")] == [model] * 3


@pytest.mark.skipif(not DEBIAN.is_dir(), reason="Debian's package dataset-fashion-mnist is not installed")
def test_fashion_mnist_has_its_published_counts_and_first_labels(cache, monkeypatch):
    monkeypatch.setattr(mnist, "SYSTEM_FOLDERS", (DEBIAN.parent,))
    dataset = open_dataset("fashion-mnist", download=False)
    assert (len(dataset.training), len(dataset.test), dataset.training.shape) == (60000, 10000, (1, 28, 28))
    assert dataset.model == "lenet5"
    # The authors give every class the same number of pictures.
    assert np.bincount(dataset.test[:][1]).tolist() == [1000] * 10
    assert [dataset.classes[label] for label in dataset.test[:3][1]] == ["Ankle boot", "Pullover", "Trouser"]
    assert not cache.exists()
