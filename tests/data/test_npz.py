"""Samples from .npz files: what is found, how it is converted, and what is refused."""

from __future__ import annotations

import contextlib
import io
import os
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gcnn.data import memory
from gcnn.data.npz import open_npz
from gcnn.errors import DataError, FormatError

RNG = np.random.default_rng(0)
BYTES = RNG.integers(0, 256, (12, 5, 4), dtype=np.uint8)
LABELS = np.arange(12) % 3


@pytest.fixture
def npz(tmp_path):
    """`npz(x=..., t=...)` writes a file and returns its path; compressed=True for `savez_compressed`."""

    def write(compressed: bool = False, **arrays) -> Path:
        path = tmp_path / "data.npz"
        (np.savez_compressed if compressed else np.savez)(path, **arrays)
        return path

    return write


def header(shape: object, descr: object = "<f8", **more: object) -> bytes:
    """A .npy member's start, version 1.0."""
    text = repr({"descr": descr, "fortran_order": False, "shape": shape} | more).encode() + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text


def zipped(path: Path, method: int = zipfile.ZIP_STORED, **members: bytes) -> Path:
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, content in members.items():
            archive.writestr(f"{name}.npy", content)
    return path


def npy(values: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, values)
    return buffer.getvalue()


@pytest.mark.parametrize("compressed", [False, True])
def test_bytes_become_float32_in_0_to_1_with_an_axis_of_maps_and_labels_are_integers(npz, compressed):
    dataset = open_npz(npz(compressed, x=BYTES, t=LABELS.astype(np.uint8)))
    x, t = dataset.training[[7, 2, 7]]
    np.testing.assert_array_equal(x, BYTES[[7, 2, 7], None].astype(np.float32) / np.float32(255))
    assert (x.dtype, t.dtype, t.tolist()) == (np.float32, np.intp, LABELS[[7, 2, 7]].tolist())
    assert (dataset.training.shape, dataset.classes, dataset.test) == ((1, 5, 4), ("0", "1", "2"), None)
    assert "bytes scaled to [0, 1]" in dataset.source


def test_an_uncompressed_array_is_mapped_and_a_compressed_one_is_not(npz):
    assert isinstance(open_npz(npz(x=BYTES, t=LABELS)).training._inputs._x, np.memmap)
    assert not isinstance(open_npz(npz(True, x=BYTES, t=LABELS)).training._inputs._x, np.memmap)


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("dtype", ["<f4", ">f4", "<f8", ">f8", "<f2", "<i2", ">i4", "<u8", "|b1"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_every_real_dtype_and_order_is_read_exactly_in_float32_or_float64(npz, compressed, dtype, order):
    values = np.asarray(RNG.integers(0, 2 if dtype == "|b1" else 100, (6, 3)), dtype, order)
    x, _ = open_npz(npz(compressed, x=values, t=LABELS[:6])).training[:]
    np.testing.assert_array_equal(x, values.astype(float))
    assert x.dtype == (np.float32 if dtype in ("<f4", ">f4", "<f2", "<i2", "|b1") else np.float64)
    assert x.flags.c_contiguous


@pytest.mark.parametrize(
    ("inputs", "targets", "test_inputs", "test_targets"),
    [
        ("x", "t", "x_test", "t_test"),
        ("X", "y", None, None),
        ("images", "labels", None, None),
        ("x_train", "y_train", "x_test", "y_test"),
        ("train_images", "train_labels", "test_images", "test_labels"),
    ],
)
def test_the_common_names_are_understood(npz, inputs, targets, test_inputs, test_targets):
    arrays = {inputs: BYTES, targets: LABELS, "val_ids": LABELS}
    if test_inputs is not None:
        arrays |= {test_inputs: BYTES[:3], test_targets: LABELS[:3]}
    dataset = open_npz(npz(**arrays))
    assert len(dataset.training) == 12
    assert (dataset.test is None) == (test_inputs is None)
    if dataset.test is not None:
        np.testing.assert_array_equal(dataset.test[:][1], LABELS[:3])


@pytest.mark.parametrize(
    "names",
    [
        ("x",),
        ("t",),
        ("x", "X", "t"),
        ("x", "x_train", "t"),
        ("x", "t", "y"),
        ("x", "t", "x_test"),
        ("x_test", "t_test"),
        ("a", "b"),
        (),
    ],
)
def test_arrays_that_are_missing_or_too_many_are_refused_with_what_was_found(npz, names):
    with pytest.raises(DataError) as caught:
        open_npz(npz(**dict.fromkeys(names, LABELS)))
    assert f"The file holds: {', '.join(sorted(names)) or 'no arrays'}." in str(caught.value)


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ((9, 7, 3), (3, 9, 7)),
        ((9, 7, 1), (1, 9, 7)),
        ((9, 7, 4), (4, 9, 7)),
        ((16, 5, 3), (3, 16, 5)),
        ((3, 9, 7), (3, 9, 7)),
        ((1, 3, 3), (1, 3, 3)),
        ((3, 3, 1), (1, 3, 3)),
        ((8, 5, 5), (8, 5, 5)),
        ((7,), (7,)),
        ((2, 3, 4, 3), (2, 3, 4, 3)),
    ],
)
def test_maps_come_first_and_are_moved_there_where_they_are_plainly_last(npz, shape, expected):
    values = RNG.random((12, *shape))
    dataset = open_npz(npz(x=values, t=LABELS))
    moved = shape[-1:] + shape[:-1] == expected != shape
    assert dataset.training.shape == expected
    assert ("moved to the front" in dataset.source) == moved
    np.testing.assert_array_equal(dataset.training[3:5][0], (np.moveaxis(values, -1, 1) if moved else values)[3:5])


@pytest.mark.parametrize("shape", [(3, 3, 3), (3, 64, 3), (1, 28, 3), (3, 32, 1)])
def test_a_shape_that_reads_both_ways_is_refused_with_both(npz, shape):
    a, b, c = shape
    with pytest.raises(DataError) as caught:
        open_npz(npz(x=np.zeros((12, *shape)), t=LABELS))
    assert f"{a} maps of {b} x {c}, or images of {a} x {b} with {c} maps in the last axis" in str(caught.value)


def test_floating_point_targets_are_numbers_to_fit(npz):
    dataset = open_npz(npz(x=np.zeros((12, 2)), t=LABELS / 2))
    assert dataset.classes is None
    np.testing.assert_array_equal(dataset.training[1:3][1], LABELS[1:3, None] / 2)
    assert open_npz(npz(x=np.zeros((12, 2)), t=RNG.random((12, 4), np.float32))).training[:2][1].shape == (2, 4)


def test_labels_in_a_column_are_labels(npz):
    assert open_npz(npz(x=np.zeros((12, 2)), t=LABELS[:, None])).training[:4][1].tolist() == [0, 1, 2, 0]


@pytest.mark.parametrize(
    ("t", "said"),
    [
        (LABELS - 1, "-1 is no label"),
        (np.where(LABELS == 2, 2**40, LABELS), "1099511627776 is no label"),
        (np.where(LABELS == 2, 2**64 - 1, LABELS).astype(np.uint64), "18446744073709551615 is no label"),
        (LABELS * 1000, "labels go up to 2000, but only 3 of them are in use"),
        (LABELS * 0, "every sample has the same class"),
        (np.eye(3, dtype=int)[LABELS], "t.argmax(axis=1)"),
        (LABELS[:5], "x has 12 samples, t has 5"),
    ],
)
def test_targets_that_are_no_labels_are_refused(npz, t, said):
    with pytest.raises(DataError) as caught:
        open_npz(npz(x=BYTES, t=t))
    assert said in str(caught.value)


def test_labels_of_the_test_set_count_among_the_classes(npz):
    arrays = {"x_train": BYTES, "t_train": LABELS, "x_test": BYTES}
    assert open_npz(npz(**arrays, t_test=LABELS + 1)).classes == ("0", "1", "2", "3")
    assert open_npz(npz(**arrays, t_test=np.full(12, 5))).classes == tuple("012345")
    with pytest.raises(DataError, match="-1 is no label"):
        open_npz(npz(**arrays, t_test=LABELS - 1))


@pytest.mark.parametrize(
    "other",
    [
        {"x_test": BYTES[:, :4]},
        {"t_test": LABELS / 2},
        {"t": np.zeros((12, 2)), "t_test": np.zeros((12, 3))},
    ],
)
def test_a_test_set_unlike_the_training_set_is_refused(npz, other):
    with pytest.raises(DataError, match="training and test samples differ"):
        open_npz(npz(**{"x": BYTES, "t": LABELS, "x_test": BYTES, "t_test": LABELS} | other))


@pytest.mark.parametrize("name", ["x", "t"])
def test_a_value_that_is_not_finite_is_told_with_its_sample_when_it_is_read(npz, name):
    arrays = {"x": np.zeros((12, 2)), "t": np.zeros(12)}
    arrays[name][7] = np.nan
    training = open_npz(npz(**arrays)).training
    training[:7]
    with pytest.raises(DataError, match=f"sample 7 of {name} holds a value that is not finite"):
        training[[3, 7]]


@pytest.mark.parametrize("compressed", [False, True])
def test_an_object_array_is_refused_by_name_and_never_unpickled(npz, compressed, tmp_path):
    class Bomb:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "ran"),)

    with pytest.raises(FormatError, match="t has dtype object: such arrays hold pickles"):
        open_npz(npz(compressed, x=BYTES, t=np.array([Bomb()] * 12)))
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
@pytest.mark.parametrize(
    "content",
    [
        header((12, 2**40)) + bytes(96),
        header((12, 1)) + bytes(95),
        header((12, 1)) + bytes(97),
        header((-12, -1)) + bytes(96),
        header((0, 5)),
        header(()) + bytes(8),
        header((1,) * 40) + bytes(8),
        header((12, 1), "<c16") + bytes(192),
        header((12, 1), "<U2") + bytes(96),
        header((12, 1), [("a", "<f8")]) + bytes(96),
        header((12, 1), "nonsense") + bytes(96),
        header([12, 1]) + bytes(96),
        header((12, 1), more=1) + bytes(96),
        header((12, 1)).replace(b"NUMPY", b"NUMPI") + bytes(96),
        header((12, 1)).replace(b"}", b"(") + bytes(96),
        b"\x93NUMPY\x02\x00\xff\xff\xff\xff" + bytes(96),
        b"\x93NUMPY\x09\x00" + bytes(96),
        b"\x93NUM",
        b"",
    ],
)
def test_a_header_that_disagrees_with_its_member_is_refused_before_anything_is_allocated(tmp_path, method, content):
    with pytest.raises(FormatError):
        open_npz(zipped(tmp_path / "data.npz", method, x=content, t=npy(LABELS)))


def patched(path: Path, name: bytes, size: int) -> None:
    """Give a member another uncompressed size in the zip's directory."""
    content = bytearray(path.read_bytes())
    at = content.index(b"PK\1\2")
    while content[at + 46 : at + 46 + len(name)] != name:
        at = content.index(b"PK\1\2", at + 4)
    content[at + 24 : at + 28] = struct.pack("<I", size)
    path.write_bytes(content)


@pytest.mark.parametrize(
    ("method", "said"),
    [(zipfile.ZIP_STORED, "x is not whole"), (zipfile.ZIP_DEFLATED, "x ends after 800 of 96000 bytes")],
)
def test_a_directory_that_claims_more_than_is_there_is_refused(tmp_path, method, said):
    content = header((12, 1000)) + RNG.bytes(800)
    path = zipped(tmp_path / "data.npz", method, x=content, t=npy(LABELS))
    patched(path, b"x.npy", len(header((12, 1000))) + 96_000)
    with pytest.raises(FormatError, match=said):
        open_npz(path)


def test_a_claim_beyond_what_deflate_can_unpack_is_refused(tmp_path):
    path = zipped(tmp_path / "data.npz", zipfile.ZIP_DEFLATED, x=header((2**28,)) + bytes(9), t=npy(LABELS))
    patched(path, b"x.npy", 2**31)
    with pytest.raises(FormatError, match="more than its"):
        open_npz(path)


def test_a_compressed_array_larger_than_free_memory_is_refused_and_an_uncompressed_one_is_not(npz, monkeypatch):
    monkeypatch.setattr(memory, "available_memory", lambda: 100)
    with pytest.raises(DataError, match="unpacked, takes 0 MB of memory") as caught:
        open_npz(npz(True, x=BYTES, t=LABELS))
    assert "np.savez, uncompressed" in str(caught.value)
    assert len(open_npz(npz(x=BYTES, t=LABELS)).training) == 12


def test_a_container_s_own_limit_is_free_memory_too(tmp_path, monkeypatch):
    assert memory.available_memory() is None or memory.available_memory() > 0
    meminfo = tmp_path / "meminfo"
    meminfo.write_text("MemTotal:  100 kB\nMemAvailable:  64 kB\n")
    monkeypatch.setattr(memory, "MEMINFO", meminfo)
    monkeypatch.setattr(memory, "CGROUP", tmp_path)
    assert memory.available_memory() == 65536
    for limit, used, free in (("max", "5", 65536), ("1000", "400", 600), ("1000", "2000", 0)):
        (tmp_path / "memory.max").write_text(limit + "\n")
        (tmp_path / "memory.current").write_text(used + "\n")
        assert memory.available_memory() == free
    meminfo.unlink()
    assert memory.available_memory() is None


def test_other_compressions_and_repeated_names_are_refused(tmp_path):
    path = zipped(tmp_path / "data.npz", zipfile.ZIP_BZIP2, x=npy(BYTES), t=npy(LABELS))
    with pytest.raises(FormatError, match=r"np\.savez again"):
        open_npz(path)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("x.npy", npy(LABELS))
        with pytest.warns(UserWarning, match="Duplicate"):
            archive.writestr("x.npy", npy(LABELS))
    with pytest.raises(FormatError, match="two arrays have the same name"):
        open_npz(path)


def test_what_is_no_npz_is_refused(tmp_path):
    np.save(tmp_path / "data.npy", BYTES)
    for path, kind in ((tmp_path / "data.npy", FormatError), (tmp_path, DataError), (tmp_path / "none", OSError)):
        with pytest.raises(kind, match=str(path)):
            open_npz(path)


def test_a_file_that_changed_or_went_away_is_told_instead_of_read(npz):
    path = npz(x=BYTES, t=LABELS)
    training = open_npz(path).training
    os.truncate(path, 100)
    with pytest.raises(DataError, match="changed since it was opened"):
        training[:2]
    path.unlink()
    with pytest.raises(FileNotFoundError, match="it was there when it was opened"):
        training[:2]


@pytest.fixture(scope="module")
def scratch(tmp_path_factory):
    return tmp_path_factory.mktemp("hostile") / "data.npz"


def read_all(path: Path) -> None:
    with contextlib.suppress(FormatError, DataError, OSError):
        open_npz(path).training.arrays()


@given(st.sampled_from([b"", b"PK\3\4", b"\x93NUMPY\x01\x00"]), st.booleans(), st.binary(max_size=200))
def test_random_bytes_are_refused_plainly(scratch, start, member, content):
    if member:
        zipped(scratch, x=start + content, t=npy(LABELS))
    else:
        scratch.write_bytes(start + content)
    read_all(scratch)


@given(st.booleans(), st.data())
def test_damaged_files_are_refused_plainly(scratch, compressed, data):
    (np.savez_compressed if compressed else np.savez)(scratch, x=BYTES[:4], t=LABELS[:4])
    content = bytearray(scratch.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    scratch.write_bytes(content[: data.draw(st.integers(0, len(content))) or len(content)])
    read_all(scratch)


@given(st.text("{}()[]'\",:<>fiuO0123456789 -LbdescrshapefortranTrueFalse\n", max_size=80))
def test_damaged_headers_are_refused_plainly(scratch, text):
    whole = header((12, 1)).replace(b"'shape': (12, 1)", text.encode())
    start = whole[:8] + struct.pack("<H", len(whole) - 10) + whole[10:]
    zipped(scratch, x=start + bytes(96), t=npy(LABELS))
    read_all(scratch)
