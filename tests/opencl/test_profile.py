"""What a plan reports of its launches, and how long they take."""

from __future__ import annotations

import json

import numpy as np
import pytest
from click.testing import CliRunner

import gcnn
from gcnn.cli import main
from gcnn.costs import costs
from gcnn.layers import Convolution, Dense, MaxPooling

LAYERS = [
    Convolution(4, 3, activation="tanh"),
    MaxPooling(2),
    Convolution(5, 3, padding=1, activation="relu"),
    Dense(6, activation="tanh"),
    Dense(3, activation="softmax"),
]
NETWORK = gcnn.Network(LAYERS, (2, 10, 10), "cross_entropy")


@pytest.fixture
def model(device):
    return NETWORK.bind("opencl", device=device.index, batch=40)


def test_every_task_of_every_layer_is_listed_once_with_the_arithmetic_it_does(model):
    report = model.report()
    found = costs(NETWORK).layers
    pooled, rest = found[0], found[2:]  # the first convolution and the pooling are one layer
    expected = {(0, "forward"): pooled.forward + found[1].forward, (0, "gradient"): pooled.gradient}
    for number, cost in enumerate(rest, start=1):
        expected |= {(number, "forward"): cost.forward, (number, "gradient"): cost.gradient}
        expected[number, "backpropagate"] = cost.backpropagation
    listed = {(row["layer"], row["task"]): 0 for row in report["works"]}
    for row in report["works"]:
        listed[row["layer"], row["task"]] += row["flops"]
    assert {task: flops for task, flops in listed.items() if flops} == {
        task: report["part"] * flops for task, flops in expected.items()
    }
    assert {row["task"] for row in report["works"] if not row["flops"]} <= {
        None,
        "delta",
        "prepare",
        "forward",
        "backpropagate",
    }


def test_works_stand_in_the_launches_that_run_them(model):
    report = model.report()
    works = [row["kernel"] for row in report["works"] if row["task"] != "prepare"]
    assert works == [label for launch in report["launches"] for label in launch.split(" + ")]
    assert all(row["parameters"] for row in report["works"] if row["flops"] and row["kernel"] != "max_pooling.forward")


def test_works_that_are_made_anew_in_every_call_are_not_kept(model):
    x, v = np.ones((5, *NETWORK.inputs.shape), "float32"), np.ones((5, *NETWORK.outputs.shape), "float32")
    kept = []
    for _ in range(3):
        model.plan.sample_gradients(x, v)
        kept.append(len(model.plan._for(5).origins))
    assert kept[0] == kept[-1]


def test_measured_times_are_of_launches_and_works_and_leave_parameters_alone(model):
    theta = model.theta.copy()
    report = model.profile()
    assert len(report["seconds"]) == 1 + max(row["launch"] for row in report["works"])
    assert min(report["seconds"]) > 0
    assert report["ceiling"] > 1e9
    for row in report["works"]:
        assert row["seconds"] > 0
        assert row["of_ceiling"] == pytest.approx(row["flops"] / row["seconds"] / report["ceiling"])
    assert np.array_equal(model.theta, theta)


def test_the_command_line_shows_it_as_a_table_and_as_json(device):
    layer = ["--layer", "Dense", "--with", "units=3", "--input", "4"]
    command = ["bench", *layer, "--on", f"opencl:{device.index}", "--profile"]
    for columns in (80, 200):
        shown = CliRunner().invoke(main, command, env={"COLUMNS": str(columns)})
        assert shown.exit_code == 0, shown.output
        assert max(map(len, shown.output.splitlines())) <= columns
        assert "ceiling" in shown.output
        assert ("units=3" in shown.output) == (columns == 200)
    found = json.loads(CliRunner().invoke(main, [*command, "--json"]).output)[f"opencl:{device.index}"]
    assert {"works", "seconds", "ceiling", "variant"} <= set(found)


def test_a_backend_that_does_not_measure_says_so():
    with pytest.raises(gcnn.Unsupported, match="does not measure its plans"):
        NETWORK.bind("numpy", batch=4).profile()
