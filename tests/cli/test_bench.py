from __future__ import annotations

import json
from importlib.util import find_spec

import pytest

import gcnn as library
from gcnn import timing
from gcnn.backends.numpy import BACKEND, NumpyBackend
from gcnn.bench import compare, works
from gcnn.errors import DataError
from gcnn.layers import Dense
from gcnn.optimizers import GradientDescent

SMALL = library.Network([Dense(3, activation="softmax")], 4)


class Wrong(NumpyBackend):
    """A backend whose losses are half of what they should be."""

    name = "half"

    def plan(self, program, device, dtype, batch):
        plan = super().plan(program, BACKEND.devices()[0], dtype, batch)
        loss = plan.loss
        plan.loss = lambda x, t: loss(x, t) / 2
        return plan


@pytest.mark.parametrize("work", works.WORKS)
def test_every_work_is_timed_and_its_ratio_shown(gcnn, small, work):
    result = gcnn("bench", str(small), "--on", "numpy", "--work", work, "--batch", "5", "--blocks", "2")
    assert result.exit_code == 0
    assert f"{work}" in result.stdout
    assert "1.00" in result.stdout


def test_json_holds_times_in_seconds_quartiles_and_reports(gcnn, small):
    result = gcnn("bench", str(small), "--on", "numpy", "--blocks", "3", "--json")
    document = json.loads(result.stdout)
    found = document["timings"]["numpy"]
    assert 0 < found["low"] <= found["median"] <= found["high"] < 1
    assert found["blocks"] == 3
    assert document["report"]["numpy"]["backend"] == "numpy"


def test_one_layer_is_timed_by_its_type_and_settings(gcnn):
    options = ("--layer", "Convolution", "--with", "maps=2", "--with", "kernel=3", "--input", "1x6x6")
    result = gcnn("bench", *options, "--on", "numpy", "--blocks", "1", "--batch", "4")
    assert result.exit_code == 0
    assert "Convolution(2, 3" in result.stdout


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ((), "give a model, or --layer"),
        (("lenet", "--layer", "Dense"), "give a model, or --layer"),
        (("--layer", "Dense", "--with", "units=3"), "--layer needs --input"),
        (("--layer", "Dence", "--input", "4"), "Did you mean 'Dense'?"),
        (("lenett",), "Did you mean 'lenet'?"),
        (("lenet", "--on", "nunpy"), "Did you mean 'numpy'?"),
        (("lenet", "--work", "steps"), "Did you mean 'step'?"),
        (("lenet", "--on", "numpy", "--on", "numpy"), "each once"),
    ],
)
def test_what_cannot_be_timed_is_one_line(gcnn, options, said):
    result = gcnn("bench", *options)
    assert result.exit_code in (1, 2)
    assert said in result.stderr
    assert result.stdout == ""


def test_places_that_do_not_compute_the_same_are_not_compared(monkeypatch):
    monkeypatch.setitem(library.backend._registered, "half", Wrong())
    with pytest.raises(DataError, match="not the same work"):
        compare(SMALL, ["numpy", "half"], lambda: GradientDescent(0.1), blocks=1)


def test_works_take_turns_and_fast_ones_are_called_often_enough(monkeypatch):
    clock, order = [0.0], []
    monkeypatch.setattr(timing.time, "perf_counter", lambda: clock[0])

    def work(name, seconds):
        def call():
            order.append(name)
            clock[0] += seconds

        return call

    found = timing.interleaved({"slow": work("slow", 0.05), "fast": work("fast", 0.004)}, blocks=3, least=0.02)
    assert (found["slow"].calls, found["fast"].calls >= 5) == (1, True)
    assert found["slow"].median == pytest.approx(0.05)
    assert found["fast"].median == pytest.approx(0.004)
    fast = found["fast"].calls
    settled = -(-fast // timing.SETTLE)
    turns = (["slow"] * 2 + ["fast"] * (settled + fast)) * 3  # each settles before it is timed
    assert order[-len(turns) :] == turns

    def wait():
        clock[0] += 0.004 * fast

    found = timing.interleaved({"fast": work("fast", 0.004)}, blocks=3, least=0.02, finish={"fast": wait})
    assert found["fast"].median == pytest.approx(0.004 * (1 + fast / found["fast"].calls))


@pytest.mark.skipif(find_spec("torch") is None, reason="not run: PyTorch is not installed")
@pytest.mark.parametrize("name", ["lenet", "lenet5", "simard", "delmas", "vgg-small", "mlp"])
def test_pytorch_computes_the_same_networks(name):
    network = library.models.MODELS[name]()
    found = compare(network, ["numpy", "torch"], lambda: GradientDescent(0.01), "gradient", batch=4, blocks=1)
    assert set(found.timings) == {"numpy", "torch"}


def test_a_place_that_does_not_measure_its_plans_is_refused_by_name(gcnn):
    refused = gcnn("bench", "delmas", "--on", "numpy", "--profile")
    assert refused.exit_code == 1
    assert "'numpy' declines" in refused.stderr
    assert "does not measure its plans" in refused.stderr
