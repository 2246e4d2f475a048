"""The fuzz targets in the ordinary tests: without a fuzzer, on few inputs, so that they stay alive; .ci/full runs them for long."""

from __future__ import annotations

import json
import pickle
import tomllib
from pathlib import Path

import numpy as np
import pytest

import gcnn
from tests.fuzz.guard import Unnamed, guarded, refused
from tests.fuzz.replay import inputs, replay
from tests.fuzz.targets import TARGETS

INPUTS = 250


@pytest.mark.parametrize("name", TARGETS)
def test_a_reader_gives_a_value_or_a_refusal_that_names_the_file_and_nothing_else(name, tmp_path):
    replay(TARGETS[name], tmp_path, INPUTS)


@pytest.mark.parametrize("name", TARGETS)
def test_the_same_inputs_are_tried_every_time(name):
    assert list(inputs(TARGETS[name], 20)) == list(inputs(TARGETS[name], 20))


FAULTS = [
    ("model", "gcnn.model.json_object", lambda text: text["format"], "TypeError"),
    ("checkpoint", "gcnn.snapshots.field", lambda document, name, *kinds: document[name], "KeyError"),
    ("network.json", "gcnn.network.json_object", json.loads, "RecursionError"),
    ("network.toml", "gcnn.network.toml_object", tomllib.loads, "RecursionError"),
    ("expected.toml", "gcnn.conformance.expected.toml_object", tomllib.loads, "RecursionError"),
    ("idx", "gcnn.data.idx.MOST_DIMENSIONS", 255, "ValueError"),
    ("idx set", "gcnn.data.mnist._size", lambda shape: f"{shape:d}", "TypeError"),
    ("npz", "gcnn.data.zipped.HEADER_DAMAGE", (), "Error"),
    ("csv", "gcnn.data.columns.math.isfinite", lambda value: True, "AssertionError"),
    ("csv.gz", "gcnn.data.lines.Lines._text", lambda self, line, number: line.decode(), "UnicodeDecodeError"),
    ("images", "gcnn.data.images.DAMAGE", (), "Error"),
    ("preparation", "gcnn.data.preparation.is_real", lambda value: True, "Error"),
]


@pytest.mark.parametrize(
    ("name", "check", "fault", "said"), FAULTS, ids=[f"{name}, {check}" for name, check, *_ in FAULTS]
)
def test_a_target_fails_where_a_check_of_its_reader_is_taken_away(name, check, fault, said, tmp_path, monkeypatch):
    monkeypatch.setattr(check, fault)
    with pytest.raises(AssertionError, match=said):
        replay(TARGETS[name], tmp_path, 2000)
    assert (tmp_path / "failure").is_file()


def test_a_reader_that_loads_a_pickle_fails():
    with guarded(), pytest.raises(AssertionError, match="pickle"):
        pickle.loads(b"N.")  # noqa: S301
    assert pickle.loads(b"N.") is None  # noqa: S301


def test_memory_ends_early_and_only_while_guarded():
    pytest.importorskip("resource", reason="only Unix limits memory")
    if not Path("/proc/self/statm").exists():
        pytest.skip("only Linux says how much memory a process has")
    with guarded(), pytest.raises(MemoryError):
        np.empty(2**31, np.uint8)
    np.empty(2**31, np.uint8)


def test_a_message_that_does_not_name_the_file_fails():
    def read():
        raise gcnn.errors.FormatError("something is wrong")

    with pytest.raises(Unnamed, match="something is wrong"):
        refused(read, Path("the-file"))
    assert refused(read) is None
