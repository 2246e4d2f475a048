from __future__ import annotations

import gzip
import hashlib
from importlib import resources

import numpy as np

from gcnn.data import load_digits, open_dataset
from gcnn.models import MODELS


def test_the_digits_have_their_published_shape_range_and_class_counts():
    images, labels = load_digits()
    assert images.shape == (1797, 1, 8, 8)
    assert images.dtype == np.float64
    assert (images.min(), images.max()) == (0.0, 1.0)
    # Class distribution of the test set, as the source lists it.
    assert np.bincount(labels).tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]


def test_pixels_lie_in_rows_from_the_top_left():
    images, labels = load_digits()
    expected = [
        [0, 0, 5, 13, 9, 1, 0, 0],
        [0, 0, 13, 15, 10, 15, 5, 0],
        [0, 3, 15, 2, 0, 11, 8, 0],
        [0, 4, 12, 0, 0, 8, 8, 0],
        [0, 5, 8, 0, 0, 9, 8, 0],
        [0, 4, 11, 0, 1, 12, 7, 0],
        [0, 2, 14, 5, 10, 12, 0, 0],
        [0, 0, 6, 13, 10, 0, 0, 0],
    ]
    assert (images[0, 0] * 16).tolist() == expected
    assert labels[0] == 0


def test_the_file_holds_the_numbers_that_its_licence_note_speaks_of():
    packed = resources.files("gcnn.data").joinpath("digits.csv.gz").read_bytes()
    # Of the uncompressed file, computed from the copy that scikit-learn 1.9.1 distributes.
    expected = "6ebb3d2fee246a4e99363262ddf8a00a3c41bee6014c373ed9d9216ba7f651b8"
    assert hashlib.sha256(gzip.decompress(packed)).hexdigest() == expected
    note = resources.files("gcnn.data").joinpath("DIGITS.md").read_text(encoding="utf-8")
    assert "E. Alpaydin and C. Kaynak" in note
    assert "CC BY 4.0" in note


def test_the_digits_open_by_name_and_their_model_takes_them():
    dataset = open_dataset("digits")
    images, labels = load_digits()
    assert np.array_equal(dataset.training.arrays()[0], images)
    assert np.array_equal(dataset.training.arrays()[1], labels)
    assert (dataset.test, dataset.classes) == (None, tuple("0123456789"))
    network = MODELS[dataset.model](dataset.training.shape, len(dataset.classes), 0)
    assert network.inputs.shape == dataset.training.shape
    assert network.outputs.points == len(dataset.classes)
