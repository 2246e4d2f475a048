from __future__ import annotations

import json
from importlib.metadata import EntryPoint

import pytest

from gcnn import BackendUnavailable, Network, Unsupported, layers


@pytest.mark.parametrize(
    ("arguments", "near"),
    [
        (("train", "--data", "digit"), "digits"),
        (("train", "--model", "digit-conv"), "digits-conv"),
        (("train", "--optimizer", "adma"), "adam"),
        (("train", "--optimizer", "gradient_descent"), "gradient-descent"),
        (("train", "--backend", "nunpy"), "numpy"),
        (("train", "--dtype", "float23"), "float32"),
        (("summary", "digits-cnv"), "digits-conv"),
    ],
)
def test_an_unknown_name_is_answered_with_the_nearest_and_status_2(gcnn, arguments, near):
    result = gcnn(*arguments)
    assert result.exit_code == 2
    assert f"Did you mean '{near}'?" in result.stderr
    assert result.stdout == ""


@pytest.mark.parametrize(
    "arguments",
    [
        ("trian",),
        ("train", "--epoch"),
        ("train", "--epochs", "0"),
        ("train", "--batch", "no"),
        ("train", "--seed", "-1"),
    ],
)
def test_wrong_usage_is_status_2(gcnn, arguments):
    assert gcnn(*arguments).exit_code == 2


@pytest.mark.parametrize("option", [("--lr", "0"), ("--lr", "nan"), ("--lr", "-1"), ("--l2", "-1"), ("--l2", "inf")])
def test_a_hyper_parameter_out_of_range_is_one_line_and_status_2(gcnn, option):
    result = gcnn("train", *option)
    assert result.exit_code == 2
    assert len(result.stderr.splitlines()) == 1
    assert option[0].lstrip("-") in result.stderr


def _later(document: dict) -> None:
    document["version"] = 99


def _unknown_layer(document: dict) -> None:
    document["layers"][0]["type"] = "Dence"


def _missing(document: dict) -> None:
    del document["loss"]


@pytest.mark.parametrize("command", ["train --model", "summary"])
@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (_later, "Upgrade gcnn"),
        (_unknown_layer, "Did you mean 'Dense'?"),
        (_missing, "missing fields ['loss']"),
    ],
)
def test_a_network_file_that_is_not_understood_says_why_and_which_file(gcnn, small, command, damage, message):
    document = json.loads(small.read_text())
    damage(document)
    small.write_text(json.dumps(document))
    result = gcnn(*command.split(), str(small))
    assert result.exit_code == 2
    assert len(result.stderr.splitlines()) == 1
    assert message in result.stderr
    assert "small.json" in result.stderr


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff\xfe\x00", b'"text"', b"[" * 100_000])
def test_a_network_file_that_is_no_json_object_is_status_2(gcnn, small, content):
    small.write_bytes(content)
    result = gcnn("summary", str(small))
    assert result.exit_code == 2
    assert result.stderr.startswith("Error: ")


@pytest.mark.parametrize("content", [None, b"", b"no safetensors"])
def test_a_saved_model_that_is_missing_or_damaged_is_status_2(gcnn, folder, content):
    if content is not None:
        (folder / "model.safetensors").write_bytes(content)
    result = gcnn("summary", "model.safetensors")
    assert result.exit_code == 2
    assert "model.safetensors" in result.stderr


@pytest.mark.parametrize(
    ("network", "message"),
    [
        (Network([layers.Dense(7, activation="softmax")], 64), "7 outputs, but the data have 10 classes"),
        (
            Network([layers.Dense(10, activation="softmax")], (1, 9, 9)),
            "1 x 8 x 8 after preparation, but the network reads 1 x 9 x 9",
        ),
    ],
)
def test_a_network_that_does_not_fit_the_data_is_told_apart(gcnn, folder, network, message):
    (folder / "other.json").write_text(network.to_json())
    result = gcnn("train", "--model", "other.json")
    assert result.exit_code == 2
    assert len(result.stderr.splitlines()) == 1
    assert message in result.stderr


@pytest.mark.parametrize("error", [BackendUnavailable("no driver; install one."), Unsupported("x", ["tables"])])
def test_a_backend_that_cannot_is_a_failure_with_its_own_words(gcnn, monkeypatch, error):
    def refuse(*arguments, **options):
        raise error

    monkeypatch.setattr(Network, "bind", refuse)
    result = gcnn("train")
    assert result.exit_code == 1
    assert result.stderr == f"Error: {error}\n"


def test_a_device_that_is_not_there_is_a_failure(gcnn):
    result = gcnn("train", "--backend", "numpy", "--device", "no-such-device")
    assert result.exit_code == 1
    assert "no device matching 'no-such-device'" in result.stderr


def test_a_backend_that_fails_in_any_way_while_it_loads_is_a_failure_with_the_reason(gcnn, folder, monkeypatch):
    (folder / "gcnn_damaged_driver.py").write_text("raise OSError('libdriver.so: wrong architecture')")
    monkeypatch.syspath_prepend(str(folder))
    point = EntryPoint("damaged", "gcnn_damaged_driver:BACKEND", "gcnn.backends")
    monkeypatch.setattr("gcnn.backend.entry_points", lambda group: [point])
    result = gcnn("train", "--backend", "damaged")
    assert result.exit_code == 1
    assert "does not load: libdriver.so: wrong architecture" in result.stderr


def test_a_folder_that_cannot_be_made_is_a_failure_before_any_training(gcnn, small):
    result = gcnn("train", "--output", str(small))
    assert result.exit_code == 1
    assert "small.json" in result.stderr
    assert "epoch" not in result.stdout


def test_an_error_nobody_foresaw_is_one_line_and_with_debug_a_traceback(gcnn, monkeypatch):
    def broken(*arguments, **options):
        raise ZeroDivisionError("by nothing")

    monkeypatch.setattr(Network, "bind", broken)
    result = gcnn("train")
    assert (result.exit_code, len(result.stderr.splitlines())) == (1, 1)
    assert "unexpected ZeroDivisionError: by nothing" in result.stderr
    debugged = gcnn("train", "--debug")
    assert debugged.exit_code == 1
    assert "Traceback" in debugged.stderr
    assert "in broken" in debugged.stderr
