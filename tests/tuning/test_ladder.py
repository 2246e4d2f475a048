from __future__ import annotations

import logging
import shutil
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from gcnn import kernels
from gcnn.backend import Device
from gcnn.backends.accelerated.tuning import ladder
from gcnn.backends.accelerated.tuning.choosers import Ladder
from gcnn.backends.accelerated.tuning.errors import TuningError, WrongResult
from gcnn.backends.accelerated.tuning.key import Key, Problem, device_name
from gcnn.backends.accelerated.tuning.ladder import Shipped, choose
from gcnn.backends.accelerated.tuning.store import Entry, Store, write_entries

PROBLEM = Problem("dense_forward.cl", "forward", {"INPUTS": 784, "UNITS": 128}, {"BIAS": 1})


@pytest.fixture
def runtime(limits):
    details = {"platform": "Pretended", "driver": "1.2", "platform version": "3"}
    device = Device("opencl", 0, "Processor 5", "cpu", ("float32",), details)
    return SimpleNamespace(language="opencl", device=device, limits=limits)


@pytest.fixture
def key(runtime):
    return Key.of(PROBLEM, runtime, "float32")


@pytest.fixture
def store(runtime, tmp_path):
    return Store("opencl", device_name(runtime), tmp_path)


class Rung:
    """Asks the ladder, with a trial that tells whether it was needed."""

    def __init__(self, runtime, key, store, space, trial):
        self._arguments, self._trial, self._store = (runtime, space, key), trial, store
        self.trials = 0

    def __call__(self, setting="cache", known=()):
        def make():
            self.trials += 1
            return self._trial

        return choose(*self._arguments, make, setting, self._store, self._store.entries(), known)


@pytest.fixture
def ask(runtime, key, store, tiles, pretended):
    return Rung(runtime, key, store, tiles(), pretended({4: 0.5e-3}))


def searched(key, tile, **changes):
    return Entry(replace(key, **changes), {"TILE": tile}, {"from": "search"})


def resized(key, **sizes):
    return {"sizes": tuple(sorted((dict(key.sizes) | sizes).items()))}


def test_without_any_result_the_default_is_taken_and_nothing_is_compiled(ask):
    assert ask() == ({"TILE": 8}, "default")
    assert ask.trials == 0


def test_an_exact_result_comes_first_and_is_not_checked_again(ask, key, store):
    store.put(searched(key, 1, driver="1.1"))
    store.put(searched(key, 2))
    assert ask() == ({"TILE": 2}, "tuned here")
    assert ask.trials == 0


@pytest.mark.parametrize(
    "change",
    [
        {"source": "another kernel"},
        {"dtype": "float64"},
        {"api": "cuda"},
        {"device": "another"},
        {"kernel": "dense_gradient.gradient"},
    ],
    ids=lambda change: next(iter(change)),
)
def test_a_result_of_another_kernel_dtype_api_or_device_is_not_taken(ask, key, store, change):
    store.put(searched(key, 2, **change))
    assert ask() == ({"TILE": 8}, "default")


def test_other_options_sizes_or_includes_make_another_key(runtime, key, monkeypatch, tmp_path):
    other_options = Key.of(replace(PROBLEM, options={"BIAS": 0}), runtime, "float32")
    assert other_options.source != key.source
    other_sizes = Key.of(replace(PROBLEM, sizes={"INPUTS": 784, "UNITS": 129}), runtime, "float32")
    assert other_sizes != key
    assert other_sizes.source == key.source
    changed = shutil.copytree(Path(kernels.__file__).parent, tmp_path / "kernels")
    with (changed / "dense.h").open("a") as included:
        included.write("/* changed */\n")
    kernels.source.cache_clear()
    monkeypatch.setattr(kernels, "files", lambda package: changed)
    try:
        assert Key.of(PROBLEM, runtime, "float32").source != key.source
    finally:
        kernels.source.cache_clear()


def test_a_container_with_fewer_units_is_another_device(runtime, key, limits):
    fewer = SimpleNamespace(**{**vars(runtime), "limits": replace(limits, compute_units=2)})
    assert Key.of(PROBLEM, fewer, "float32").device != key.device


def test_a_result_of_another_driver_is_checked_once_and_then_exact(ask, key, store):
    store.put(searched(key, 2, driver="1.1"))
    assert ask() == ({"TILE": 2}, "tuned here, adopted from another driver")
    assert ask.trials == 1
    assert ask() == ({"TILE": 2}, "tuned here, adopted from another driver")
    assert ask.trials == 1


def test_a_result_of_a_similar_size_is_checked_and_one_of_another_size_not_taken(ask, key, store):
    store.put(searched(key, 1, **resized(key, UNITS=128 * 3)))
    assert ask() == ({"TILE": 8}, "default")
    store.put(searched(key, 2, **resized(key, UNITS=100)))
    assert ask() == ({"TILE": 2}, "tuned here, adopted from a similar size")
    assert ask.trials == 1


def test_the_nearest_result_is_taken_and_of_equally_near_ones_that_of_this_driver(ask, key, store):
    store.put(searched(key, 1, **resized(key, UNITS=70)))
    store.put(searched(key, 4, driver="1.1", **resized(key, UNITS=120)))
    store.put(searched(key, 2, **resized(key, UNITS=120)))
    assert ask().parameters == {"TILE": 2}


def test_what_computes_wrongly_for_this_problem_is_passed_over_with_a_warning(
    runtime, key, store, tiles, pretended, caplog
):
    store.put(searched(key, 2, driver="1.1"))
    store.put(searched(key, 4, **resized(key, UNITS=120)))
    ask = Rung(runtime, key, store, tiles(), pretended({2: WrongResult("half of it")}))
    assert ask() == ({"TILE": 4}, "tuned here, adopted from a similar size")
    assert any("half of it" in r.getMessage() for r in caplog.records if r.levelno == logging.WARNING)


def test_parameters_that_are_no_candidates_today_are_not_taken(ask, key, store):
    store.put(searched(key, 5))
    store.put(searched(key, 3, driver="1.0"))
    store.put(searched(key, 2, driver="1.1"))
    assert ask().parameters == {"TILE": 2}


def shipped_for(runtime, key, tile, architecture=None, device_class=None, **changes):
    return Shipped(
        architecture or ladder.architecture(runtime),
        device_class or ladder.device_class(runtime),
        (searched(replace(key, device="elsewhere", source="older"), tile, **changes),),
    )


def test_shipped_results_follow_by_architecture_and_then_by_class_of_device(ask, runtime, key):
    by_class = shipped_for(runtime, key, 2, architecture="another processor")
    by_architecture = shipped_for(runtime, key, 16)
    neither = shipped_for(runtime, key, 1, "another card", "opencl gpu")
    assert ask(known=(neither, by_class, by_architecture)).parameters == {"TILE": 16}
    assert ask(known=(neither, by_class)) == ({"TILE": 2}, "shipped for the class of device 'opencl cpu'")
    assert ask(known=(neither,)) == ({"TILE": 8}, "default")
    assert ask.trials == 0


def test_results_of_this_device_come_before_shipped_ones(ask, runtime, key, store):
    store.put(searched(key, 2, driver="1.1"))
    assert ask(known=(shipped_for(runtime, key, 16),)).parameters == {"TILE": 2}


def test_shipped_results_must_be_of_the_kernel_and_not_far_in_size(ask, runtime, key):
    far = shipped_for(runtime, key, 16, **resized(key, UNITS=128 * 9))
    other = shipped_for(runtime, key, 16, kernel="dense_gradient.gradient")
    near = shipped_for(runtime, key, 4, **resized(key, UNITS=128 * 4))
    assert ask(known=(far, other)).origin == "default"
    assert ask(known=(far, other, near)).parameters == {"TILE": 4}


def test_shipped_files_are_read_whole_or_not_at_all(monkeypatch, tmp_path, key, caplog):
    (tmp_path / "tuned").mkdir()
    entry = searched(key, 4)
    whole = write_entries({entry.key: entry}, architecture="A", **{"class": "opencl cpu"})
    (tmp_path / "tuned" / "a.json").write_bytes(whole)
    (tmp_path / "tuned" / "b.json").write_bytes(whole[:-20])
    monkeypatch.setattr(ladder, "files", lambda package: tmp_path)
    ladder.shipped.cache_clear()
    try:
        assert ladder.shipped() == (Shipped("A", "opencl cpu", (entry,)),)
    finally:
        ladder.shipped.cache_clear()
    assert "b.json is not used" in caplog.text


@pytest.mark.parametrize(("gain", "tile"), [(1.0, 8), (1.2, 16), (None, 16)])
def test_where_nothing_beat_the_default_todays_default_is_taken(ask, runtime, key, gain, tile):
    """With no other result in its place; without a gain it was the default that did not work."""
    own, by_class = shipped_for(runtime, key, 16), shipped_for(runtime, key, 2, architecture="another processor")
    entry = replace(own.entries[0], facts={"from": "search", "gain": gain})
    choice = ask(known=(by_class, own._replace(entries=(entry,))))
    assert choice.parameters == {"TILE": tile}
    assert choice.origin.endswith(f"shipped for the architecture {own.architecture!r}")


def test_what_is_shipped_is_whole(caplog):
    ladder.shipped.cache_clear()
    architectures = {document.architecture for document in ladder.shipped()}
    assert {"Intel(R) OpenCL, vectors of 512 bits", "Portable Computing Language, vectors of 512 bits"} <= architectures
    assert all(document.entries for document in ladder.shipped())
    assert caplog.text == ""


def test_off_takes_the_default_whatever_there_is(ask, runtime, key, store):
    store.put(searched(key, 2))
    assert ask("off", (shipped_for(runtime, key, 16),)) == ({"TILE": 8}, "default, GCNN_TUNE=off")


def test_cache_never_searches_and_on_searches_once(ask, store, key):
    assert ask("cache").origin == "default"
    assert ask.trials == 0
    assert ask("on") == ({"TILE": 4}, "tuned now")
    assert ask.trials == 1
    assert ask("on") == ask("cache") == ({"TILE": 4}, "tuned here")
    assert ask.trials == 1
    assert store.entries()[key].facts["gain"] == pytest.approx(2)


def test_on_does_not_settle_for_what_was_adopted(ask, store, key):
    store.put(searched(key, 2, driver="1.1"))
    assert ask("cache").parameters == {"TILE": 2}
    assert ask("on") == ({"TILE": 4}, "tuned now")


def test_where_no_candidate_works_the_default_is_taken_with_a_warning(runtime, key, store, tiles, pretended, caplog):
    ask = Rung(runtime, key, store, tiles(), pretended(dict.fromkeys((1, 2, 4, 8, 16), WrongResult("no"))))
    assert ask("on") == ({"TILE": 8}, "default: no candidate worked")
    assert "no candidate works" in caplog.text
    assert store.entries() == {}


@pytest.mark.parametrize("setting", ["On", "yes", "1", "cached"])
def test_an_unknown_setting_is_refused_with_the_known_ones(monkeypatch, runtime, setting):
    monkeypatch.setenv("GCNN_TUNE", setting)
    with pytest.raises(TuningError, match=r"GCNN_TUNE.*Known: cache, off, on"):
        Ladder(runtime, "float32")


@pytest.mark.parametrize("setting", ["", None])
def test_the_setting_is_cache_where_there_is_none(monkeypatch, setting):
    monkeypatch.delenv("GCNN_TUNE", raising=False)
    if setting is not None:
        monkeypatch.setenv("GCNN_TUNE", setting)
    assert ladder.mode() == "cache"


def test_a_plan_asks_once_for_equal_kernels_and_logs_every_layer(monkeypatch, tmp_path, runtime, tiles, pretended):
    monkeypatch.setenv("GCNN_CACHE", str(tmp_path))
    monkeypatch.setenv("GCNN_TUNE", "on")
    chooser, trial = Ladder(runtime, "float32"), pretended({4: 0.5e-3})
    for layer in ("first", "second"):
        assert chooser.choose(tiles(), PROBLEM, layer, lambda: trial) == {"TILE": 4}
    assert len(trial.prepared) == 5
    assert chooser.log == [
        {"layer": layer, "kernel": "dense_forward.forward", "parameters": {"TILE": 4}, "from": "tuned now"}
        for layer in ("first", "second")
    ]
