from __future__ import annotations

import json
import signal
from dataclasses import replace

import pytest

from gcnn.backend import API_VERSION, Device
from gcnn.errors import DataError, Unsupported
from gcnn.tuning import Progress, Tuned


class Pretended:
    """A backend that finds what a test says, and is asked to stop where a signal came."""

    name, api_version = "pretended", API_VERSION

    def __init__(self, found, error=None, interrupted_before=None, fails_after=None):
        self._found, self._error, self._interrupted_before = found, error, interrupted_before
        self._fails_after = fails_after
        self.asked = None

    def devices(self):
        return [
            Device("pretended", 0, "Card 3", "gpu", ("float32",)),
            Device("pretended", 1, "Card 4", "gpu", ("float32",)),
        ]

    def plan(self, program, device, dtype, batch):
        raise NotImplementedError

    def tune(self, program, device, dtype, batch, seconds, watch, stop):
        if self._error is not None:
            raise self._error
        self.asked = (program.inputs.shape, device.name, dtype, batch, seconds)
        for number, tuned in enumerate(self._found):
            if number == self._interrupted_before:
                signal.raise_signal(signal.SIGINT)
            if number == self._fails_after:
                raise DataError("the device is gone")
            if stop():
                return
            watch(Progress(tuned.kernel, number, len(self._found), 0, 10))
            yield tuned


def tuned(layer, kernel, chosen, gain, benchmark_gain, refused=(), complete=True):
    return Tuned(layer, kernel, {"TILE": 8}, {"TILE": 300}, chosen, gain, benchmark_gain, 1e-3, 10, refused, complete)


FOUND = [
    tuned("Dense(300)", "dense.forward", {"TILE": 4}, 1.5, 3.04),
    tuned("Dense(300)", "dense.gradient", {"TILE": 8}, 1.0, 0.9, (({"TILE": 3}, "wrong: output 3"),), complete=False),
    tuned("Dense(10)", "dense.forward", None, None, None),
]


@pytest.fixture
def add(monkeypatch):
    registered = {}
    monkeypatch.setattr("gcnn.backend._registered", registered)

    def register(backend):
        registered[backend.name] = backend
        return backend

    return register


def test_each_kernel_is_shown_with_default_benchmark_choice_and_gains(gcnn, add):
    add(Pretended(FOUND))
    result = gcnn("tune", "mlp", "--backend", "pretended")
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert "mlp on Card 3, float32, batch 64" in lines[0]
    assert lines.count("Dense(300)") == 1
    forward = lines[lines.index("Dense(300)") + 1]
    assert forward.split()[:3] == ["dense.forward", "1.50", "3.04"]
    assert "default TILE=8, benchmark TILE=300, chosen TILE=4 (10 tried)" in forward
    assert "out of time" in lines[lines.index("Dense(300)") + 2]
    assert "    TILE=3 is wrong: output 3" in lines
    assert "chosen none works" in lines[-2]
    assert lines[-1] == "Median of 2: 1.25 times as fast as the default (1.00 to 1.50)."


def test_where_results_are_kept_is_told_once(gcnn, add):
    kept = [replace(tuned, kept="/results/card.json") for tuned in FOUND[:2]]
    add(Pretended([*kept, FOUND[2]]))
    lines = gcnn("tune", "mlp", "--backend", "pretended").stdout.splitlines()
    assert [line for line in lines if "Kept in" in line] == [lines[-1]]
    assert lines[-1].startswith("Kept in /results/card.json, ")


def test_a_kernel_is_shown_before_the_next_is_tuned(gcnn, add):
    add(Pretended(FOUND, fails_after=1))
    result = gcnn("tune", "mlp", "--backend", "pretended")
    assert result.exit_code != 0
    assert "chosen TILE=4 (10 tried)" in result.stdout


def test_options_reach_the_backend(gcnn, add, small):
    backend = add(Pretended(FOUND))
    options = ["--device", "1", "--dtype", "float64", "--batch", "7", "--budget", "3.5", "--backend", "pretended"]
    assert gcnn("tune", str(small), *options).exit_code == 0
    assert backend.asked == ((64,), "Card 4", "float64", 7, 3.5)


def test_a_model_by_name_takes_another_input(gcnn, add):
    backend = add(Pretended(FOUND))
    assert gcnn("tune", "lenet5", "--input", "1x28x28", "--backend", "pretended").exit_code == 0
    assert backend.asked[0] == (1, 28, 28)


def test_json_is_one_object_a_kernel_and_nothing_else(gcnn, add):
    add(Pretended(FOUND))
    result = gcnn("tune", "mlp", "--backend", "pretended", "--json")
    documents = [json.loads(line) for line in result.stdout.splitlines()]
    assert [(d["kernel"], d["chosen"], d["gain"]) for d in documents] == [
        ("dense.forward", {"TILE": 4}, 1.5),
        ("dense.gradient", {"TILE": 8}, 1.0),
        ("dense.forward", None, None),
    ]
    assert documents[1]["refused"] == [[{"TILE": 3}, "wrong: output 3"]]


def test_ctrl_c_shows_what_was_found_says_that_it_is_kept_and_ends_as_interrupted(gcnn, add):
    add(Pretended(FOUND, interrupted_before=1))
    result = gcnn("tune", "mlp", "--backend", "pretended")
    assert result.exit_code == 130
    assert "dense.forward" in result.stdout
    assert "dense.gradient" not in result.stdout
    assert "What was found is kept." in result.stdout


def test_a_backend_without_kernels_says_so(gcnn):
    result = gcnn("tune", "mlp", "--backend", "numpy")
    assert result.exit_code == 1
    assert "backend 'numpy' has no kernels to tune" in result.stderr


def test_what_the_backend_declines_is_told(gcnn, add):
    add(Pretended([], Unsupported("pretended", ["layer 0, Dense(3): not implemented"])))
    result = gcnn("tune", "mlp", "--backend", "pretended")
    assert result.exit_code == 1
    assert "layer 0, Dense(3): not implemented" in result.stderr


def test_a_search_that_found_nothing_says_why(gcnn, add):
    add(Pretended([]))
    assert "Nothing was tuned" in gcnn("tune", "mlp", "--backend", "pretended").stdout


def test_an_unknown_model_is_answered_with_the_nearest(gcnn):
    result = gcnn("tune", "lenet6")
    assert result.exit_code == 2
    assert "lenet5" in result.stderr
