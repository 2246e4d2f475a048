"""`gcnn predict`: classes and numbers of new samples from every kind of file, and what is refused."""

from __future__ import annotations

import csv
import gzip
import io
import json
import shutil

import numpy as np
import pytest
from PIL import Image

import gcnn as library
from gcnn import layers
from gcnn.data import load_digits, write_idx
from gcnn.data.preparation import Preparation
from gcnn.runs.trained import Trained

ON_NUMPY = ("--backend", "numpy")
MEASURES = "sepal length,sepal width,petal length,petal width"


def rows(gcnn, *arguments):
    """The lines of CSV that are written, the header first."""
    result = gcnn("predict", *arguments, *ON_NUMPY)
    assert (result.exit_code, result.stderr) == (0, ""), result.output
    return list(csv.reader(io.StringIO(result.stdout)))


def refused(gcnn, *arguments, said, status=2):
    result = gcnn("predict", *arguments, *ON_NUMPY)
    assert (result.exit_code, result.stdout) == (status, "")
    assert len(result.stderr.splitlines()) == 1
    assert [text for text in said if text not in result.stderr] == [], result.stderr


@pytest.fixture
def flowers(trained):
    """The lines of flowers.csv, as fields, without the species."""
    lines = (trained.path / "flowers.csv").read_text().splitlines()
    return [line.split(",")[:-1] for line in lines]


def written(path, lines):
    path.write_text("\n".join(",".join(line) for line in lines) + "\n")
    return str(path)


@pytest.fixture
def expected(trained, flowers):
    """Class and probability of every flower, computed by hand."""
    model = library.load(f"{trained.flowers}/model.safetensors", "numpy", batch=32)
    prepare = Preparation.from_json(model.notes["preparation"])
    y = model.forward(prepare(np.array(flowers[1:], float)))
    names = model.notes["classes"]
    return [[str(i), names[row.argmax()], str(row.max())] for i, row in enumerate(y)]


def test_the_class_and_its_probability_are_the_models_on_prepared_inputs(gcnn, trained, folder, flowers, expected):
    found = rows(gcnn, trained.flowers, written(folder / "new.csv", flowers))
    assert found == [["sample", "class", "probability"], *expected]


def test_columns_are_put_into_the_order_of_the_training_by_their_names(gcnn, trained, folder, flowers, expected):
    found = rows(gcnn, trained.flowers, written(folder / "new.csv", [line[::-1] for line in flowers]))
    assert found[1:] == expected


def test_columns_that_the_training_had_not_are_not_read_and_that_is_said(gcnn, trained, folder, flowers, expected):
    numbered = [[f"x{i}" if i else "id", *line] for i, line in enumerate(flowers)]
    result = gcnn("predict", trained.flowers, written(folder / "new.csv", numbered), *ON_NUMPY)
    assert list(csv.reader(io.StringIO(result.stdout)))[1:] == expected
    assert result.stderr == f"{folder / 'new.csv'}: columns that are not read: id\n"


@pytest.mark.parametrize("packed", [False, True])
def test_without_names_the_columns_are_counted_with_or_without_the_target(
    gcnn, trained, folder, flowers, expected, packed
):
    with_target = [[*line, "unknown"] for line in flowers[1:]]
    for lines in (flowers[1:], with_target):
        path = folder / "new.csv"
        written(path, lines)
        if packed:
            path = folder / "new.csv.gz"
            path.write_bytes(gzip.compress((folder / "new.csv").read_bytes()))
        assert rows(gcnn, trained.flowers, str(path))[1:] == expected


def test_a_target_in_front_is_left_away_where_the_training_had_it_there(gcnn, folder):
    lines = [[str(i % 2), str(i % 2 + i / 100), str(-i / 7)] for i in range(40)]
    written(folder / "front.csv", lines)
    assert gcnn("train", "--data", "front.csv", "--target", "0", "--epochs", "1", "--output", "run").exit_code == 0
    without = rows(gcnn, "run", written(folder / "without.csv", [line[1:] for line in lines]))
    assert rows(gcnn, "run", "front.csv") == without


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (f"{MEASURES}\n1,2,3,4\n1,2,x,4\n", ["line 3, column 2 (petal length)", "'x' is not a number"]),
        (f"{MEASURES}\n1,2,nan,4\n", ["line 2, column 2 (petal length)", "not a finite number"]),
        (f"{MEASURES}\n1,2,,4\n", ["line 2", "empty"]),
        (f"{MEASURES}\n1,2,3\n", ["line 2", "3 columns, where line 1 has 4"]),
        (MEASURES, ["no samples"]),
        ("", ["empty"]),
        ("sepal length,sepal width,petal length\n1,2,3\n", ["reads a column 'petal width'", "unknown column"]),
        (f"{MEASURES.replace('petal width', 'petal wdth')}\n1,2,3,4\n", ["Did you mean 'petal wdth'?"]),
        (f"{MEASURES},petal width\n1,2,3,4,5\n", ["'petal width'", "several of this name"]),
        ("1,2,3\n", ["3 columns", "4 features"]),
        ("1,2,3,4,5,6\n", ["6 columns", "4 features"]),
        ("a,2,3,4\n", ["line 1, column 0"]),
        ("\0\0\0", ["NUL"]),
    ],
)
def test_a_table_that_cannot_be_read_is_told_with_line_and_column(gcnn, trained, folder, content, said):
    (folder / "bad.csv").write_text(content)
    refused(gcnn, trained.flowers, "bad.csv", said=["bad.csv", *said])


def test_images_files_and_folders_of_them_are_read_alike_and_keep_their_order(gcnn, trained, folder):
    shutil.copytree(trained.path / "shapes", folder / "shapes")
    (folder / "flat").mkdir()
    for path in (folder / "shapes/disc").iterdir():
        shutil.copy(path, folder / "flat")
    names = [f"shapes/{name}/{number}.png" for name in ("disc", "square") for number in range(10)]
    by_folder = rows(gcnn, trained.shapes, "shapes")[1:]
    assert [row[0] for row in by_folder] == names
    # Without the probabilities, whose last bit depends on which samples are computed together, and on their places.
    assert [row[:2] for row in rows(gcnn, trained.shapes, *reversed(names))[1:]] == [row[:2] for row in by_folder[::-1]]
    flat = [row[:2] for row in rows(gcnn, trained.shapes, "flat", "shapes/square/3.png")[1:]]
    assert flat == [[name.replace("shapes/disc", "flat"), label] for name, label, _ in [*by_folder[:10], by_folder[13]]]


def test_images_arrays_and_idx_files_of_the_same_pixels_are_predicted_alike(gcnn, trained, folder):
    pixels = np.stack([np.asarray(Image.open(trained.path / f"shapes/disc/{i}.png")) for i in range(10)])
    np.savez(folder / "bytes.npz", images=pixels, labels=np.zeros(3))
    np.savez_compressed(folder / "floats.npz", pixels[:, None] / 255)
    write_idx(folder / "some-idx3-ubyte", pixels)
    write_idx(folder / "packed.gz", pixels)
    found = [
        [row[1:] for row in rows(gcnn, trained.shapes, str(path))]
        for path in (trained.path / "shapes/disc", "bytes.npz", "floats.npz", "some-idx3-ubyte", "packed.gz")
    ]
    assert len(found[0]) == 11
    assert all(other == found[0] for other in found[1:])


def test_numbers_of_several_files_say_whose_they_are(gcnn, trained, folder, flowers):
    first, second = written(folder / "a.csv", flowers[:3]), written(folder / "b.csv", [flowers[0], flowers[3]])
    names = [row[0] for row in rows(gcnn, trained.flowers, first, second)[1:]]
    assert names == [f"{first}:0", f"{first}:1", f"{second}:0"]


def test_the_k_likeliest_come_as_pairs_in_order(gcnn, trained, folder, flowers):
    header, *found = rows(gcnn, trained.flowers, written(folder / "new.csv", flowers), "--top", "3")
    assert header == ["sample", "class_1", "probability_1", "class_2", "probability_2", "class_3", "probability_3"]
    for row in found:
        shares = [float(text) for text in row[2::2]]
        assert shares == sorted(shares, reverse=True)
        assert sum(shares) == pytest.approx(1, abs=1e-6)  # float32, three terms
        assert sorted(row[1::2]) == ["setosa", "versicolor", "virginica"]


def test_numbers_are_put_out_where_numbers_were_learned(gcnn, trained, folder):
    model = library.load(f"{trained.numbers}/model.safetensors", "numpy")
    prepare = Preparation.from_json(model.notes["preparation"])
    (folder / "new.csv").write_text("a,b\n1,2\n3,-4\n")
    y = model.forward(prepare(np.array([[1.0, 2.0], [3.0, -4.0]])))
    assert rows(gcnn, trained.numbers, "new.csv") == [["sample", "value"], *([str(i), str(y[i, 0])] for i in range(2))]
    refused(gcnn, trained.numbers, "new.csv", "--top", "1", said=["--top", "numbers"])


def test_one_output_tells_two_classes_apart(gcnn, folder):
    network = library.Network([layers.Dense(1, activation="logistic")], 1, loss="binary_cross_entropy")
    model = network.bind("numpy", dtype="float64")
    model.theta = np.array([1.0, 0.0])
    model.notes = {"classes": ["no", "yes"]}
    model.save(folder / "m.safetensors")
    (folder / "x.csv").write_text("-2\n0\n3\n")
    found = rows(gcnn, "m.safetensors", "x.csv", "--top", "2")[1:]
    assert [row[1::2] for row in found] == [["no", "yes"], ["yes", "no"], ["yes", "no"]]
    np.testing.assert_allclose([float(row[2]) for row in found], 1 / (1 + np.exp([-2.0, 0.0, -3.0])), rtol=1e-12)


def test_a_bare_model_numbers_its_classes_and_takes_images_into_its_vectors(gcnn, folder):
    library.Network([layers.Dense(10, activation="softmax")], 64).bind("numpy").save(folder / "bare.safetensors")
    images = load_digits()[0][:5]
    np.savez(folder / "x.npz", x=images)
    model = library.load("bare.safetensors", "numpy")
    found = [row[1] for row in rows(gcnn, "bare.safetensors", "x.npz")[1:]]
    assert found == [str(label) for label in model.predict(images.reshape(5, 64))]


def test_json_is_an_object_a_sample_with_the_same_content(gcnn, trained, folder, flowers):
    new = written(folder / "new.csv", flowers)
    lines = gcnn("predict", trained.flowers, new, "--top", "2", "--json", *ON_NUMPY).stdout.splitlines()
    for line, row in zip(lines, rows(gcnn, trained.flowers, new, "--top", "2")[1:], strict=True):
        found = json.loads(line)
        assert [found["sample"], *(pair["class"] for pair in found["classes"])] == [int(row[0]), row[1], row[3]]
        shares = [np.float32(pair["probability"]) for pair in found["classes"]]
        assert shares == [np.float32(row[2]), np.float32(row[4])]
    assert len(lines) == 60


def test_a_file_of_arrays_holds_all_outputs(gcnn, trained, folder, flowers, expected):
    result = gcnn("predict", trained.flowers, written(folder / "new.csv", flowers), "--output", "out.npz", *ON_NUMPY)
    assert (result.exit_code, result.stdout) == (0, "60 predictions are in out.npz\n")
    with np.load("out.npz") as found:
        assert found["output"].shape == (60, 3)
        assert found["output"].dtype == np.float32
        np.testing.assert_array_equal(found["sample"], np.arange(60))
        assert found["classes"][found["label"]].tolist() == [row[1] for row in expected]
        assert [str(value) for value in found["output"].max(axis=1)] == [row[2] for row in expected]


def test_a_csv_file_holds_what_standard_output_would(gcnn, trained, folder, flowers):
    new = written(folder / "new.csv", flowers)
    assert gcnn("predict", trained.flowers, new, "--output", "out.csv", *ON_NUMPY).exit_code == 0
    assert (folder / "out.csv").read_text() == gcnn("predict", trained.flowers, new, *ON_NUMPY).stdout


def test_a_file_that_is_there_stays_unless_it_may_be_replaced(gcnn, trained, folder, flowers):
    new = written(folder / "new.csv", flowers)
    (folder / "out.csv").write_text("precious")
    refused(gcnn, trained.flowers, new, "--output", "out.csv", said=["out.csv is there already", "--overwrite"])
    assert (folder / "out.csv").read_text() == "precious"
    refused(gcnn, trained.flowers, new, "--output", new, "--overwrite", said=["one of the inputs"])
    assert gcnn("predict", trained.flowers, new, "--output", "out.csv", "--overwrite").exit_code == 0
    assert (folder / "out.csv").read_text().startswith("sample,class,probability\n0,")


def test_where_a_sample_late_in_a_file_is_bad_no_part_of_the_output_is_left(gcnn, trained, folder):
    x = np.zeros((200, 16, 16))
    x[150, 3, 3] = np.nan
    np.savez(folder / "x.npz", x=x)
    for name in ("out.csv", "out.npz"):
        said = ["x.npz: sample 150 of x holds a value that is not finite"]
        refused(gcnn, trained.shapes, "x.npz", "--output", name, said=said)
    assert sorted(path.name for path in folder.iterdir()) == ["x.npz"]


def test_a_value_that_is_too_large_after_preparation_is_told_with_its_sample(gcnn, trained, folder):
    (folder / "large.csv").write_text("1e300,1,1,1\n")
    # Features of 1e300 are finite in float64, in which tables are read, and not in float32.
    refused(gcnn, trained.flowers, "large.csv", said=["large.csv", "sample 0"])


@pytest.mark.parametrize(
    ("option", "said"),
    [
        (("--output", "none/out.csv"), ["none must be a folder that you may write to"]),
        (("--output", "out.csv"), ["out.csv"]),
    ],
)
def test_an_output_that_cannot_be_written_is_a_failure_before_any_work(
    gcnn, trained, folder, flowers, monkeypatch, option, said
):
    if option[1] == "out.csv":

        def refuse(*_):
            raise PermissionError(13, "Permission denied", "temporary")

        monkeypatch.setattr("gcnn.files._create", refuse)
    monkeypatch.setattr(Trained, "outputs", lambda *_: pytest.fail("worked"))
    refused(gcnn, trained.flowers, written(folder / "new.csv", flowers), *option, said=said, status=1)


def test_wrong_usage_is_status_2(gcnn, trained, folder, flowers):
    new = written(folder / "new.csv", flowers)
    for arguments in ([], [new, "--output", "x.txt"], [new, "--top", "0"], [new, "--json", "--output", "x.csv"]):
        result = gcnn("predict", trained.flowers, *arguments)
        assert (result.exit_code, result.stdout) == (2, "")


def test_more_classes_than_there_are_cannot_be_asked_for(gcnn, trained, folder, flowers):
    said = ["--top 4: the model knows 3 classes"]
    refused(gcnn, trained.flowers, written(folder / "new.csv", flowers), "--top", "4", said=said)


@pytest.mark.parametrize(
    ("size", "mode", "found"),
    [
        ((12, 20), "L", "12 x 20 pixels, grey"),
        ((16, 16), "RGB", "16 x 16 pixels, RGB"),
        ((16, 16), "RGBA", "mode RGBA"),
    ],
)
def test_an_image_of_another_size_or_mode_is_named_with_what_was_expected(gcnn, trained, folder, size, mode, found):
    Image.new(mode, size).save(folder / "other.png")
    good = str(trained.path / "shapes/disc/1.png")
    expected = "grey (L)" if mode == "RGBA" else "the model reads 16 x 16 pixels, grey"
    refused(gcnn, trained.shapes, good, "other.png", said=["other.png", found, expected])


def test_other_kinds_of_inputs_than_the_model_reads_are_refused_with_both(gcnn, trained, folder, flowers):
    table, image = written(folder / "new.csv", flowers), str(trained.path / "shapes/disc/1.png")
    refused(gcnn, trained.shapes, table, said=["new.csv", "vectors", "images of 16 x 16 pixels, grey"])
    refused(gcnn, trained.flowers, image, said=["1.png", "vectors of 4 features", ".csv"])
    refused(gcnn, trained.flowers, str(trained.path / "shapes"), said=["a folder", "vectors of 4 features"])
    np.savez(folder / "flat.npz", x=np.zeros((3, 256)))
    refused(gcnn, trained.shapes, "flat.npz", said=["vectors of 256 features", "x.reshape(-1, 1, 16, 16)"])
    np.savez(folder / "short.npz", x=np.zeros((3, 5)))
    refused(gcnn, trained.flowers, "short.npz", said=["vectors of 5 features", "vectors of 4 features"])


def test_what_holds_no_inputs_is_told_with_what_would(gcnn, trained, folder):
    (folder / "empty").mkdir()
    refused(gcnn, trained.shapes, "empty", said=["empty: no images in it"])
    refused(gcnn, trained.shapes, "none.png", said=["no file or folder 'none.png'"])
    (folder / "notes.txt").write_text("no image")
    refused(gcnn, trained.shapes, "notes.txt", said=["notes.txt", "not a kind of file that is read", ".npz"])
    (folder / "half.png").write_bytes((trained.path / "shapes/disc/1.png").read_bytes()[:50])
    refused(gcnn, trained.shapes, "half.png", said=["half.png"])
    (folder / "bad.npz").write_bytes(b"PK")
    refused(gcnn, trained.shapes, "bad.npz", said=["bad.npz", "not a whole .npz file"])
    np.savez(folder / "two.npz", a=np.zeros(3), b=np.zeros(3))
    refused(gcnn, trained.shapes, "two.npz", said=["two.npz", "a, b", "numpy.savez"])
    np.savez(folder / "parts.npz", x_train=np.zeros((3, 16, 16)), x_test=np.zeros((3, 16, 16)))
    refused(gcnn, trained.shapes, "parts.npz", said=["which array", "x_test, x_train"])
    write_idx(folder / "labels", np.arange(5, dtype=np.uint8))
    refused(gcnn, trained.shapes, "labels", said=["labels", "expected images"])


def test_a_folder_of_idx_files_asks_for_one_of_them(gcnn, trained, folder):
    write_idx(folder / "t10k-images-idx3-ubyte", np.zeros((2, 16, 16), np.uint8))
    refused(gcnn, trained.shapes, ".", said=["holds IDX files"])


def test_inputs_are_read_in_batches_and_never_as_a_whole(gcnn, trained, folder, monkeypatch):
    np.savez(folder / "x.npz", x=np.zeros((100, 16, 16), np.uint8))
    sizes = []
    prepare = Trained.prepare

    def watched(self, x):
        sizes.append(len(x))
        return prepare(self, x)

    monkeypatch.setattr(Trained, "prepare", watched)
    assert gcnn("predict", trained.shapes, "x.npz", "--batch", "30", "--output", "out.npz").exit_code == 0
    assert sizes == [30, 30, 30, 10]


def test_of_a_run_that_is_not_finished_that_is_said_beside_the_output(gcnn, trained, folder, flowers):
    shutil.copytree(trained.path / "runs/flowers", folder / "run")
    (folder / "run/model.safetensors").unlink()
    result = gcnn("predict", "run", written(folder / "new.csv", flowers), *ON_NUMPY)
    assert "not finished" in result.stderr
    assert result.stdout.startswith("sample,class,probability\n")
