from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import sys
import textwrap
import time
from dataclasses import replace
from pathlib import Path

import pytest

from gcnn.backends.accelerated.tuning import store as storing
from gcnn.backends.accelerated.tuning.key import Key
from gcnn.backends.accelerated.tuning.store import Entry, Store

KEY = Key("dense.forward", "5f" * 32, "float32", (("INPUTS", 784), ("UNITS", 10)), "opencl", "Card 3, 4 units", "1.2")


@pytest.fixture
def store(tmp_path) -> Store:
    return Store("opencl", KEY.device, tmp_path / "tuned")


@pytest.fixture
def reopened(store) -> Store:
    """As another process opens it."""
    return Store("opencl", KEY.device, store.path.parent)


def entry(tile, **changes):
    return Entry(replace(KEY, **changes), {"TILE": tile}, {"gain": 1.25})


def warnings(caplog):
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]


def test_what_was_put_is_there_for_the_next_process(store, reopened, caplog):
    store.put(entry(4))
    store.put(entry(16, dtype="float64"))
    assert list(reopened.entries().values()) == [entry(4), entry(16, dtype="float64")]
    assert warnings(caplog) == []


def test_a_result_replaces_the_one_with_its_key_and_no_other(store, reopened):
    store.put(entry(4))
    store.put(entry(8, driver="1.3"))
    store.put(entry(16))
    assert {e.key.driver: e.parameters["TILE"] for e in reopened.entries().values()} == {"1.2": 16, "1.3": 8}


def test_a_new_device_has_no_results_and_no_warning(store, caplog):
    assert store.entries() == {}
    assert warnings(caplog) == []


def test_devices_have_files_of_their_own_even_with_names_that_read_alike(tmp_path):
    names = ["Card 3", "Card-3", "Card 3 ", "x" * 100 + "1", "x" * 100 + "2", "../../etc", "карта"]
    stores = [Store("opencl", name, tmp_path) for name in names]
    assert len({s.path for s in stores}) == len(names)
    assert {s.path.parent for s in stores} == {tmp_path}


def test_the_folder_is_the_users_cache_or_where_the_environment_says(monkeypatch, tmp_path):
    monkeypatch.setenv("GCNN_CACHE", str(tmp_path))
    assert Store("opencl", "Card 3").path.parent == tmp_path / "tuned"


def test_a_file_that_was_cut_off_anywhere_counts_as_missing_with_a_warning(store, caplog):
    store.put(entry(4))
    whole = store.path.read_bytes()
    for length in range(len(whole.rstrip())):
        caplog.clear()
        store.path.write_bytes(whole[:length])
        assert store.entries() == {}, length
        [warning] = warnings(caplog)
        assert str(store.path) in warning


def test_a_byte_that_changed_never_changes_a_result(store, caplog):
    store.put(entry(4))
    whole = store.path.read_bytes()
    for place in range(len(whole)):
        damaged = bytearray(whole)
        damaged[place] ^= 1
        store.path.write_bytes(damaged)
        assert store.entries() in ({}, {KEY: entry(4)}), place


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff\xfe",
        b"[]",
        b"3",
        b'{"format": "other"}',
        b"[" * 100_000,
        b'{"format": "gcnn-tuning", "version": 1, "device": "Card 3, 4 units", "entries": 3, "sha256": ""}',
    ],
)
def test_what_gcnn_never_wrote_counts_as_missing_with_a_warning(store, caplog, content):
    store.path.parent.mkdir()
    store.path.write_bytes(content)
    assert store.entries() == {}
    assert len(warnings(caplog)) == 1


@pytest.mark.parametrize("change", [{"version": 2}, {"format": "gcnn-network"}, {"device": "Card 4, 4 units"}])
def test_a_file_of_a_later_version_or_another_device_is_not_used(store, caplog, change):
    store.put(entry(4))
    store.path.write_text(json.dumps(json.loads(store.path.read_text()) | change))
    assert store.entries() == {}
    assert next(iter(change)) in warnings(caplog)[0]


@pytest.mark.parametrize(
    "listed",
    [
        [3],
        [{}],
        [{"key": 3, "parameters": {}, "facts": {}}],
        [{"key": KEY.to_json(), "parameters": {"TILE": "4"}, "facts": {}}],
        [{"key": KEY.to_json(), "parameters": {"TILE": True}, "facts": {}}],
        [{"key": KEY.to_json() | {"dtype": 3}, "parameters": {"TILE": 4}, "facts": {}}],
        [{"key": KEY.to_json() | {"sizes": {"UNITS": 1.5}}, "parameters": {"TILE": 4}, "facts": {}}],
        [{"key": KEY.to_json() | {"sizes": []}, "parameters": {"TILE": 4}, "facts": {}}],
    ],
)
def test_entries_that_are_no_results_are_not_used_even_with_the_right_sum(store, caplog, listed):
    store.put(entry(4))
    document = json.loads(store.path.read_text()) | {"entries": listed, "sha256": storing._digest(listed)}
    store.path.write_text(json.dumps(document))
    assert store.entries() == {}
    assert len(warnings(caplog)) == 1


def test_a_damaged_file_is_replaced_by_the_next_result(store, reopened, caplog):
    store.put(entry(4))
    store.path.write_bytes(b"{")
    store.put(entry(8))
    caplog.clear()
    assert list(reopened.entries().values()) == [entry(8)]
    assert warnings(caplog) == []


def test_a_folder_that_cannot_be_written_is_a_warning_and_no_more(tmp_path, caplog):
    (tmp_path / "file").write_text("not a folder")
    unwritable = Store("opencl", KEY.device, tmp_path / "file" / "tuned")
    unwritable.put(entry(4))
    [warning] = warnings(caplog)
    assert "are not kept" in warning
    assert unwritable.entries() == {}


def test_a_full_disk_is_a_warning_and_leaves_the_old_results(store, reopened, caplog, monkeypatch):
    store.put(entry(4))

    def full(path, content):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(storing, "write_atomically", full)
    store.put(entry(8))
    assert "No space left" in warnings(caplog)[0]
    assert list(reopened.entries().values()) == [entry(4)]


SCRIPT = """
import sys
from pathlib import Path
from gcnn.backends.accelerated.tuning import store as storing
from gcnn.backends.accelerated.tuning.key import Key
from gcnn.backends.accelerated.tuning.store import Entry, Store

folder, number = Path(sys.argv[1]), int(sys.argv[2])
store = Store("opencl", "Card 3, 4 units", folder)

def result(i):
    key = Key("dense.forward", "5f" * 32, "float32", (("UNITS", i),), "opencl", "Card 3, 4 units", str(number))
    return Entry(key, {"TILE": i})
"""


@pytest.fixture
def start(tmp_path):
    """Starts a process that writes into the folder; it ends with the test whatever it does."""
    started = []

    def run(script: str, number: int) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-c", SCRIPT + textwrap.dedent(script), str(tmp_path / "tuned"), str(number)]
        environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
        started.append(subprocess.Popen(command, env=environment))
        return started[-1]

    yield run
    for process in started:
        process.kill()
        process.wait()


def test_eight_processes_at_once_lose_nothing(start, store, caplog):
    processes = [start("for i in range(10): store.put(result(i + 1))", number) for number in range(8)]
    assert [process.wait(timeout=60) for process in processes] == [0] * 8
    found = {(e.key.driver, e.parameters["TILE"]) for e in store.entries().values()}
    assert found == {(str(number), i + 1) for number in range(8) for i in range(10)}
    assert warnings(caplog) == []


def wait_for(path):
    until = time.monotonic() + 30
    while not path.exists():
        assert time.monotonic() < until
        time.sleep(0.01)


HANGS = """
def hangs(path, content):
    from gcnn.files import replacing
    import time
    with replacing(path) as file:
        file.write(content[:100])
        file.flush()
        (folder / "writing").touch()
        time.sleep(60)

storing.write_atomically = hangs
store.put(result(1))
"""


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGKILL")
def test_a_process_killed_while_writing_leaves_the_old_results_and_blocks_nobody(start, store, caplog):
    store.put(entry(4))
    process = start(HANGS, 1)
    wait_for(store.path.parent / "writing")
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert list(store.entries().values()) == [entry(4)]
    store.put(entry(8))
    assert list(store.entries().values()) == [entry(8)]
    assert warnings(caplog) == []


@pytest.mark.skipif(os.name == "nt", reason="there are no such locks on Windows")
def test_a_process_that_hangs_while_writing_is_not_waited_for_forever(start, store, caplog, monkeypatch):
    store.put(entry(4))
    start(HANGS, 1)
    wait_for(store.path.parent / "writing")
    monkeypatch.setattr(storing, "PATIENCE", 0.1)
    store.put(entry(8))
    assert "another process has held" in warnings(caplog)[0]
    assert list(store.entries().values()) == [entry(4)]
