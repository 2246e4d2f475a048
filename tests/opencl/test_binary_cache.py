from __future__ import annotations

import numpy as np
import pytest

from gcnn.backends.accelerated.cache import BinaryCache, cache_folder, key
from gcnn.backends.opencl import build as building

SET = "KERNEL void set(GLOBAL REAL* x, REAL a) { x[GLOBAL_ID(0)] = a; }"


@pytest.fixture
def kept(tmp_path, monkeypatch):
    """An empty cache, and drivers that seem to keep nothing themselves."""
    monkeypatch.setenv("GCNN_CACHE", str(tmp_path))
    return tmp_path / "kernels"


@pytest.fixture
def set_with(open_runtime, compile_text, download, kept, monkeypatch):
    """Compiles on a new runtime and runs what came out."""
    characterize = pytest.importorskip("pyopencl.characterize", reason="not run: pyopencl is not installed")
    monkeypatch.setattr(characterize, "has_src_build_cache", lambda device: False)

    def run(**defines):
        runtime = open_runtime()
        x = runtime.zeros(16)
        program = compile_text(runtime, SET, **defines)
        runtime.bind(program.kernel("set"), (4,), (1,), (x, np.float32(7)))()
        return download(runtime, x).tolist()

    return run


@pytest.fixture
def compiled(monkeypatch):
    """The names of entries that were compiled and not found."""
    entries, put = [], BinaryCache.put
    monkeypatch.setattr(
        BinaryCache, "put", lambda self, name, content: (entries.append(name), put(self, name, content))
    )
    return entries


def test_what_was_compiled_once_is_loaded_by_the_next_runtime(set_with, kept, compiled):
    assert set_with() == set_with() == [7.0] * 4
    assert len(compiled) == 1
    assert [file.name for file in kept.iterdir()] == compiled


def test_other_defines_are_another_entry(set_with, compiled):
    set_with()
    set_with(OTHER=1)
    set_with(OTHER=2)
    assert len(set(compiled)) == 3


def test_another_processor_under_the_same_name_is_another_entry(set_with, compiled, monkeypatch):
    set_with()
    monkeypatch.setattr(building, "_processor", lambda: "another")
    set_with()
    assert len(set(compiled)) == 2


@pytest.mark.parametrize("damage", [b"", b"short", "cut", "flipped"])
def test_a_damaged_entry_is_compiled_again_and_mended(set_with, kept, compiled, caplog, damage):
    set_with()
    (file,) = kept.iterdir()
    whole = file.read_bytes()
    broken = {"cut": whole[:-1], "flipped": whole[:-1] + bytes([whole[-1] ^ 1])}
    file.write_bytes(broken.get(damage, damage))
    assert set_with() == [7.0] * 4
    assert "damaged" in caplog.text
    assert len(compiled) == 2
    set_with()
    assert len(compiled) == 2


def test_a_whole_entry_that_the_driver_refuses_is_compiled_again(set_with, kept, compiled):
    set_with()
    (file,) = kept.iterdir()
    BinaryCache(kept).put(file.name, b"nothing that a driver knows")
    del compiled[:]
    assert set_with() == [7.0] * 4
    assert compiled == [file.name]


def test_a_cache_that_cannot_be_written_to_costs_nothing_but_time(set_with, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("GCNN_CACHE", str(tmp_path / "file"))
    assert set_with() == [7.0] * 4


def test_a_driver_that_keeps_what_it_compiles_is_left_to_it(set_with, compiled, monkeypatch):
    monkeypatch.setattr("pyopencl.characterize.has_src_build_cache", lambda device: True)
    assert set_with() == [7.0] * 4
    assert compiled == []


def test_an_entry_is_missing_until_it_is_put(tmp_path):
    cache = BinaryCache(tmp_path / "new")
    assert cache.get("a") is None
    cache.put("a", b"\0content\n")
    assert cache.get("a") == b"\0content\n"


def test_the_cache_lies_where_the_variable_says_and_else_in_the_users(monkeypatch, tmp_path):
    monkeypatch.setenv("GCNN_CACHE", str(tmp_path))
    assert cache_folder() == tmp_path
    monkeypatch.delenv("GCNN_CACHE")
    assert cache_folder().name == "gcnn"


def test_keys_tell_where_one_part_ends_and_the_next_begins():
    assert key(["ab", "c"]) != key(["a", "bc"]) != key(["abc"])
