"""Samples from folders of images: layout, pixels, and what is refused by name."""

from __future__ import annotations

import contextlib
import io
import os
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from gcnn.data.images import FORMATS, open_images
from gcnn.errors import DataError, FormatError

RNG = np.random.default_rng(0)
GREY = RNG.integers(0, 256, (6, 9), dtype=np.uint8)
COLOUR = RNG.integers(0, 256, (6, 9, 3), dtype=np.uint8)


def encoded(image: Image.Image, kind: str = "PNG", **options) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


PNG = encoded(Image.fromarray(GREY))


def fill(root: Path, **contents) -> Path:
    """Files by path with __ for /, each an array, an image or bytes, with .png added to the name."""
    for name, content in contents.items():
        path = root / (name.replace("__", "/") + ".png")
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, np.ndarray):
            content = Image.fromarray(content)
        path.write_bytes(content if isinstance(content, bytes) else encoded(content))
    return root


@pytest.fixture
def folder(tmp_path):
    """Two classes with two grey images in one and one in the other."""
    return fill(tmp_path, cat__1=GREY, cat__2=GREY // 2, dog__1=GREY // 4)


def refused(kind: type[Exception], folder: Path, *said: object) -> None:
    with pytest.raises(kind) as caught:
        open_images(folder).training[:]
    assert [str(text) for text in said if str(text) not in str(caught.value)] == [], str(caught.value)


def test_subfolders_are_classes_and_pixels_are_float32_in_0_to_1(folder):
    dataset = open_images(folder)
    x, t = dataset.training[[2, 0]]
    np.testing.assert_array_equal(x, np.stack([GREY // 4, GREY])[:, None].astype(np.float32) / np.float32(255))
    assert (x.dtype, t.dtype, t.tolist()) == (np.float32, np.intp, [1, 0])
    assert (len(dataset.training), dataset.training.shape, dataset.classes) == (3, (1, 6, 9), ("cat", "dog"))
    assert "3 images, 9 x 6 pixels, grey, 2 classes" in dataset.source
    assert dataset.test is None


def test_colours_become_three_maps(tmp_path):
    dataset = open_images(fill(tmp_path, a__1=COLOUR, b__1=COLOUR))
    assert dataset.training.shape == (3, 6, 9)
    np.testing.assert_array_equal(dataset.training[:1][0][0] * 255, COLOUR.transpose(2, 0, 1))


def test_black_and_white_images_are_grey_ones_of_two_levels(tmp_path):
    bits = GREY > 99
    dataset = open_images(fill(tmp_path, a__1=Image.fromarray(bits), b__1=GREY))
    np.testing.assert_array_equal(dataset.training[:1][0][0, 0], bits)


@pytest.mark.parametrize("kind", FORMATS)
def test_every_format_is_read(tmp_path, kind):
    for name in "ab":
        (tmp_path / name).mkdir()
        options = {"lossless": True} if kind == "WEBP" else {}
        (tmp_path / name / "file").write_bytes(encoded(Image.fromarray(COLOUR), kind, **options))
    error = np.abs(open_images(tmp_path).training[:1][0][0] * 255 - COLOUR.transpose(2, 0, 1)).max()
    assert error < (256 if kind == "JPEG" else 1e-4)


def test_classes_that_are_whole_numbers_are_in_the_order_of_numbers(tmp_path):
    assert open_images(fill(tmp_path, **{"10__1": GREY, "9__1": GREY})).classes == ("9", "10")
    assert open_images(fill(tmp_path, x__1=GREY)).classes == ("10", "9", "x")


def test_files_are_in_order_of_class_and_name(tmp_path):
    values = {"b__2": 4, "b__1": 3, "a__10": 1, "a__2": 2}
    fill(tmp_path, **{name: np.full((2, 2), value, np.uint8) for name, value in values.items()})
    x, t = open_images(tmp_path).training[:]
    assert ((x[:, 0, 0, 0] * 255).tolist(), t.tolist()) == ([1, 2, 3, 4], [0, 0, 1, 1])


def test_train_and_test_are_told_apart_and_labelled_alike(tmp_path):
    fill(tmp_path, train__a__1=GREY, train__b__1=GREY, train__c__1=GREY, test__c__1=GREY, test__b__1=GREY)
    dataset = open_images(tmp_path)
    assert dataset.classes == ("a", "b", "c")
    assert dataset.test is not None
    assert dataset.test[:][1].tolist() == [1, 2]
    assert "3 images, test: 2" in dataset.source


def test_train_alone_has_no_test_set(tmp_path):
    assert open_images(fill(tmp_path, train__a__1=GREY, train__b__1=GREY)).test is None


def test_train_and_test_with_images_in_them_are_classes(tmp_path):
    dataset = open_images(fill(tmp_path, train__1=GREY, test__1=GREY))
    assert (dataset.classes, dataset.test) == (("test", "train"), None)


def test_a_test_set_unlike_the_training_set_is_refused(tmp_path):
    fill(tmp_path, train__a__1=GREY, train__b__1=GREY, test__a__1=GREY[:5])
    refused(DataError, tmp_path, "9 x 6 pixels, grey", "9 x 5 pixels, grey")
    fill(tmp_path, test__a__1=GREY, test__d__1=GREY)
    refused(DataError, tmp_path, tmp_path / "test" / "d", "no such class in the training images; they have a, b")
    (tmp_path / "val").mkdir()
    refused(DataError, tmp_path, "beside train and test, there is val")


@pytest.mark.parametrize("other", [GREY[:5], GREY[:, :5], COLOUR])
def test_images_that_differ_are_refused_with_both_kinds(folder, other):
    fill(folder, dog__2=other)
    refused(DataError, folder, folder / "dog/2.png", folder / "cat/1.png", "9 x 6 pixels, grey")


@pytest.mark.parametrize(
    ("image", "said"),
    [
        (Image.new("RGBA", (9, 6)), "transparency, mode RGBA"),
        (Image.new("LA", (9, 6)), "transparency, mode LA"),
        (Image.new("P", (9, 6)), "mode P"),
        (Image.new("I;16", (9, 6)), "mode I;16"),
        (encoded(Image.new("L", (9, 6)), transparency=0), "transparency, mode L"),
        (encoded(Image.new("CMYK", (9, 6)), "JPEG"), "mode CMYK"),
        (encoded(Image.new("L", (9, 6)), "TIFF", save_all=True, append_images=[Image.new("L", (9, 6))]), "several"),
    ],
)
def test_images_of_other_kinds_are_refused_with_the_way_to_convert_them(folder, image, said):
    fill(folder, dog__2=image)
    refused(DataError, folder, folder / "dog/2.png", said, "Save each" if said == "several" else 'image.convert("RGB")')


@pytest.mark.parametrize(
    "content", [b"", b"text", PNG[:20], b"GIF89a" + bytes(20), b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 6\n"]
)
def test_a_file_that_is_no_image_is_refused_by_name(folder, content):
    fill(folder, dog__2=content)
    refused(FormatError, folder, folder / "dog/2.png", "not a whole image in one of PNG, JPEG")


def test_only_headers_are_read_before_pixels_are_asked_for_so_that_an_early_end_is_told_then(folder):
    fill(folder, dog__2=encoded(Image.fromarray(COLOUR).resize((9, 6)).convert("L"))[:60])
    training = open_images(folder).training
    training[:3]
    with pytest.raises(FormatError, match=r"dog/2\.png: not a whole image"):
        training[3:]


def test_a_picture_of_too_many_pixels_is_refused_before_they_are_read(folder, monkeypatch):
    for limit in (53, 20):  # Pillow warns above its limit, and raises above its double
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", limit)
        refused(DataError, folder, folder / "cat/1.png", "so many pixels")


def test_hidden_files_are_skipped_and_others_refused(folder):
    for place in (folder, folder / "cat"):
        (place / ".DS_Store").write_bytes(b"x")
    assert len(open_images(folder).training) == 3
    (folder / "cat" / "Thumbs.db").write_bytes(b"x")
    refused(FormatError, folder, folder / "cat/Thumbs.db")
    (folder / "cat" / "Thumbs.db").unlink()
    (folder / "notes.txt").write_bytes(b"x")
    refused(DataError, folder, folder / "notes.txt", "beside the classes' subfolders")


def test_folders_without_images_are_refused(tmp_path):
    refused(DataError, tmp_path, tmp_path, "no subfolders")
    fill(tmp_path, a__1=GREY)
    refused(DataError, tmp_path, tmp_path, "the same class")
    (tmp_path / "b").mkdir()
    refused(DataError, tmp_path, tmp_path / "b", "no images in it")
    (tmp_path / "b" / "c").mkdir()
    refused(DataError, tmp_path, tmp_path / "b/c", "not a regular file")
    refused(OSError, tmp_path / "none", tmp_path / "none")


@pytest.mark.skipif(sys.platform == "win32", reason="links need rights that tests may lack there")
def test_links_are_followed_once_and_their_loops_refused(folder):
    (folder / "mouse").symlink_to(folder / "dog")
    assert open_images(folder).classes == ("cat", "dog", "mouse")
    (folder / "dog" / "up").symlink_to(folder)
    refused(DataError, folder, folder / "dog/up", "not a regular file")
    (folder / "dog" / "up").unlink()
    (folder / "dog" / "self").symlink_to(folder / "dog" / "self")
    refused(OSError, folder, folder / "dog/self")
    (folder / "dog" / "self").unlink()
    (folder / "dog" / "gone").symlink_to(folder / "gone")
    refused(OSError, folder, folder / "dog/gone")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes there")
def test_a_pipe_is_refused_instead_of_waited_for(folder):
    os.mkfifo(folder / "dog" / "pipe")
    refused(DataError, folder, folder / "dog/pipe", "not a regular file")


def test_an_image_that_changed_or_went_away_is_told_instead_of_read(folder):
    training = open_images(folder).training
    fill(folder, cat__2=GREY[::-1])
    os.utime(folder / "cat/2.png", ns=(1, 1))
    with pytest.raises(DataError, match=r"cat/2\.png: changed since it was opened"):
        training[:]
    (folder / "cat" / "2.png").unlink()
    with pytest.raises(FileNotFoundError, match="it was there when it was opened"):
        training[:]
    training[[0, 2]]


def test_without_pillow_the_error_says_how_to_get_it(folder, monkeypatch):
    monkeypatch.setitem(sys.modules, "PIL", None)
    refused(DataError, folder, 'pip install "gcnn[images]"')


WHOLE = [
    encoded(Image.fromarray(COLOUR), kind, **({"compression": "tiff_lzw"} if kind == "TIFF" else {}))
    for kind in FORMATS
]


@pytest.fixture(scope="module")
def scratch(tmp_path_factory):
    return fill(tmp_path_factory.mktemp("hostile"), a__1=COLOUR, b__1=COLOUR)


@given(
    st.sampled_from(WHOLE),
    st.lists(st.tuples(st.integers(0, 2**12), st.integers(0, 255)), max_size=6),
    st.integers(0, 300),
    st.binary(max_size=40),
)
def test_damaged_images_are_read_or_refused_plainly(scratch, whole, damage, keep, more):
    content = bytearray(whole)
    for position, byte in damage:
        content[position % len(content)] = byte
    (scratch / "b" / "1.png").write_bytes(content[: keep or None] + more)
    with contextlib.suppress(FormatError, DataError, OSError):
        open_images(scratch).training.arrays()
