"""Model files: damaged, foreign, from the future; and folders that cannot be written."""

from __future__ import annotations

import json
import os
from contextlib import suppress

import numpy as np
import pytest
from safetensors.numpy import save

import gcnn
from gcnn.errors import DataError, FormatError


@pytest.fixture
def saved(model, tmp_path):
    model.save(tmp_path / "model.safetensors")
    return tmp_path / "model.safetensors"


def metadata(of: gcnn.Network, **fields: str) -> dict[str, str]:
    return {"format": "gcnn-model", "version": "1", "network": of.to_json()} | fields


def test_a_file_cut_short_anywhere_is_refused(saved, refuses):
    whole = saved.read_bytes()
    for length in [0, 1, 7, 8, 9, 100, len(whole) // 2, len(whole) - 8, len(whole) - 1]:
        saved.write_bytes(whole[:length])
        with refuses(FormatError, str(saved), "not a whole safetensors file"):
            gcnn.load(saved, "numpy")


@pytest.mark.parametrize(
    "content", [b"\x89PNG\r\n\x1a\n" + bytes(64), b"{}", b"\xff" * 64, bytes(64), b"PK\x03\x04" * 9]
)
def test_a_file_of_another_kind_is_refused(tmp_path, refuses, content):
    path = tmp_path / "picture.png"
    path.write_bytes(content)
    with refuses(FormatError, str(path), "safetensors file"):
        gcnn.load(path, "numpy")


def test_no_flipped_byte_of_the_header_gives_anything_but_a_model_or_a_format_error(saved):
    whole = saved.read_bytes()
    header = 8 + int.from_bytes(whole[:8], "little")
    for position in range(0, header, 5):
        damaged = bytearray(whole)
        damaged[position] ^= 0x04
        saved.write_bytes(damaged)
        with suppress(FormatError):
            gcnn.load(saved, "numpy")


def test_a_safetensors_file_that_is_no_model_is_refused(tmp_path, refuses):
    path = tmp_path / "weights.safetensors"
    path.write_bytes(save({"theta": np.zeros(17)}))
    with refuses(FormatError, str(path), "not a gcnn model"):
        gcnn.load(path, "numpy")


FOREIGN = [
    ({"theta": np.zeros(17)}, {"version": "2"}, ("version '2'", "reads 1 to 1", "Upgrade gcnn")),
    ({"theta": np.zeros(17)}, {"version": "²"}, ("version '²'",)),
    ({"theta": np.zeros(17)}, {"version": "-1"}, ("version '-1'",)),
    ({"theta": np.zeros(17)}, {"version": ""}, ("version ''",)),
    ({"theta": np.zeros(17)}, {"network": ""}, ("not a JSON document",)),
    ({"theta": np.zeros(17)}, {"network": "{}"}, ("not a gcnn network",)),
    ({"theta": np.zeros(16)}, {}, ("(16,)", "its network has 17")),
    ({"theta": np.zeros((17, 1))}, {}, ("(17, 1)", "its network has 17")),
    ({"theta": np.zeros(0)}, {}, ("(0,)", "its network has 17")),
    ({"theta": np.full(17, np.nan)}, {}, ("not finite",)),
    ({"theta": np.zeros(17, dtype=np.int64)}, {}, ("theta", "float32, float64")),
    ({"theta": np.zeros(17, dtype=np.float16)}, {}, ("theta", "float32, float64")),
    ({"weights": np.zeros(17)}, {}, ("one tensor, theta",)),
    ({"theta": np.zeros(17), "more": np.zeros(1)}, {}, ("one tensor, theta",)),
    ({}, {}, ("one tensor, theta",)),
]


@pytest.mark.parametrize(("tensors", "fields", "said"), FOREIGN)
def test_a_model_file_with_the_wrong_version_network_or_parameters_is_refused(
    network, tmp_path, refuses, tensors, fields, said
):
    path = tmp_path / "model.safetensors"
    path.write_bytes(save(tensors, metadata(network, **fields)))
    with refuses(FormatError, str(path), *said):
        gcnn.load(path, "numpy")


@pytest.mark.parametrize("shape", [[0, 2**63], [0, 2**62, 2**62], [1] * 70 + [0]])
def test_an_array_without_values_in_a_shape_that_numpy_does_not_have_is_refused(network, tmp_path, refuses, shape):
    entries = {"__metadata__": metadata(network), "theta": {"dtype": "F32", "shape": shape, "data_offsets": [0, 0]}}
    header = json.dumps(entries).encode()
    path = tmp_path / "model.safetensors"
    path.write_bytes(len(header).to_bytes(8, "little") + header)
    with refuses(FormatError, str(path), "not a whole safetensors file"):
        gcnn.load(path, "numpy")


def test_a_network_from_the_future_inside_a_model_is_refused_with_the_path(network, tmp_path, refuses):
    path = tmp_path / "model.safetensors"
    future = json.dumps(json.loads(network.to_json()) | {"version": 9})
    path.write_bytes(save({"theta": np.zeros(17)}, metadata(network, network=future)))
    with refuses(FormatError, str(path), "version 9", "Upgrade gcnn"):
        gcnn.load(path, "numpy")


def test_a_path_without_a_file_is_the_operating_systems_own_error_with_the_path(tmp_path):
    with pytest.raises(FileNotFoundError, match="nothing-here"):
        gcnn.load(tmp_path / "nothing-here", "numpy")
    with pytest.raises(IsADirectoryError, match=tmp_path.name):
        gcnn.load(tmp_path, "numpy")


def test_a_model_saved_into_a_folder_that_is_not_there_says_which_and_makes_nothing(model, tmp_path):
    with pytest.raises(FileNotFoundError, match="must be a folder that you may write to") as caught:
        model.save(tmp_path / "missing" / "model.safetensors")
    assert caught.value.filename == str(tmp_path / "missing" / "model.safetensors")
    assert list(tmp_path.iterdir()) == []


def test_a_model_saved_below_a_file_or_over_a_folder_leaves_both_as_they_were(model, tmp_path):
    (tmp_path / "file").write_text("precious")
    (tmp_path / "folder").mkdir()
    with pytest.raises(NotADirectoryError):
        model.save(tmp_path / "file" / "model.safetensors")
    with pytest.raises(OSError, match="folder"):
        model.save(tmp_path / "folder")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "folder"]
    assert (tmp_path / "file").read_text() == "precious"


def test_a_folder_that_may_not_be_written_gets_nothing(model, tmp_path):
    if os.geteuid() == 0:
        pytest.skip("root may write everywhere")
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(PermissionError, match="must be a folder that you may write to"):
            model.save(tmp_path / "model.safetensors")
        assert list(tmp_path.iterdir()) == []
    finally:
        tmp_path.chmod(0o700)


@pytest.mark.parametrize("failure", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_a_save_that_fails_midway_keeps_the_old_file_and_nothing_else(model, saved, monkeypatch, failure):
    def fail(_):
        raise failure

    before = saved.read_bytes()
    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(type(failure)):
        model.save(saved)
    assert saved.read_bytes() == before
    assert [path.name for path in saved.parent.iterdir()] == [saved.name]


def test_a_complex_model_is_refused_a_file_with_the_way_to_save_it(network, tmp_path, refuses):
    with refuses(DataError, "complex128 cannot be saved", "float32 or float64"):
        network.bind("numpy", dtype="complex128").save(tmp_path / "model.safetensors")
    assert list(tmp_path.iterdir()) == []
