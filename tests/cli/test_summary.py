from __future__ import annotations

import json

import pytest

from gcnn import Network
from gcnn.costs import costs
from gcnn.models import MODELS

SMALL_TOML = """
inputs = [1, 8, 8]

[[layers]]
type = "Convolution"
maps = 2
kernel = 3

[[layers]]
type = "Dense"
units = 4
activation = "softmax"
"""


@pytest.mark.parametrize("name", MODELS)
def test_every_model_by_name_is_summarised_and_named_in_the_help(gcnn, name):
    assert gcnn("summary", name).stdout == MODELS[name]().summary() + "\n"
    assert f" {name}," in " ".join(gcnn("summary", "--help").stdout.replace("-\n  ", "-").split()).replace(
        "valid.", "valid,"
    )


def test_input_and_classes_choose_what_a_model_is_made_for(gcnn):
    result = gcnn("summary", "vgg-small", "--input", "1x16x24", "--classes", "3")
    assert result.stdout == MODELS["vgg-small"]((1, 16, 24), 3).summary() + "\n"
    assert gcnn("summary", "mlp", "--input", "7").stdout == MODELS["mlp"](7).summary() + "\n"


def test_batch_and_dtype_choose_what_the_memory_is_counted_for(gcnn):
    result = gcnn("summary", "lenet", "--batch", "8", "--dtype", "float64")
    assert result.stdout == MODELS["lenet"]().summary(8, "float64") + "\n"


def test_json_gives_exact_numbers_of_every_layer_and_of_all(gcnn):
    network = MODELS["lenet5"]((1, 28, 28))
    document = json.loads(gcnn("summary", "lenet5", "--input", "1x28x28", "--batch", "2", "--json").stdout)
    counted = costs(network)
    assert document["inputs"] == [1, 28, 28]
    assert [layer["outputs"] for layer in document["layers"]] == [stage.outputs.to_json() for stage in network.stages]
    for name in (
        "layer",
        "parameters",
        "multiply_adds",
        "connections",
        "forward",
        "gradient",
        "backpropagation",
        "values",
    ):
        assert [layer[name] for layer in document["layers"]] == [getattr(layer, name) for layer in counted.layers]
    assert sum(layer["training"] for layer in document["layers"]) == document["training"] == counted.training
    assert (document["batch"], document["dtype"]) == (2, "float32")
    assert document["memory"] == {**vars(counted.memory(2)), "total": counted.memory(2).total}


def test_a_toml_file_is_a_network_for_summary_and_for_training(gcnn, folder):
    (folder / "mine.toml").write_text(SMALL_TOML)
    assert gcnn("summary", "mine.toml").stdout == Network.from_toml(SMALL_TOML).summary() + "\n"
    (folder / "ten.TOML").write_text(SMALL_TOML.replace("units = 4", "units = 10"))
    result = gcnn("train", "--data", "digits", "--model", "ten.TOML", "--epochs", "1", "--quiet", "--output", "out")
    assert result.exit_code == 0, result.output
    assert "test accuracy" in result.stdout


def test_a_file_can_be_summarised_for_another_input(gcnn, folder):
    (folder / "mine.toml").write_text(SMALL_TOML)
    network = Network.from_toml(SMALL_TOML)
    other = Network(network.layers, (3, 16, 16), network.loss)
    assert gcnn("summary", "mine.toml", "--input", "3x16x16").stdout == other.summary() + "\n"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("lenet5", "--input", "64"), ("lenet5 reads images", "logistic, mlp, rbf")),
        (("lenet5", "--input", "1x27x28"), ("at least 28 cells", "27 x 28")),
        (("delmas", "--input", "1x8x8"), ("sides of 7, 10, 13", "8 x 8")),
        (("lenet5", "--input", "0x28x28"), ("at least one map",)),
        (("mlp", "--input", "1x1000000x1000000"), ("have more",)),
        (("mlp", "--input", "28*28"), ("'28*28' is not a shape such as 3x32x32",)),
        (("mlp", "--input", ""), ("'' is not a shape",)),
        (("mlp", "--input", "9" * 5000), ("is not a shape",)),
        (("mlp", "--classes", "0"), ("--classes",)),
        (("mlp", "--classes", "1"), ("single output", "logistic")),
        (("mlp", "--batch", "0"), ("--batch",)),
        (("mlp", "--dtype", "float16"), ("unknown dtype 'float16'",)),
        (("mine.toml", "--classes", "3"), ("--classes is for models by name",)),
        (("mine.toml", "--input", "1x2x2"), ("layer 0", "needs 3 cells")),
        (("broken.toml",), ("broken.toml", "not a TOML document")),
        (("bytes.toml",), ("bytes.toml", "not a text file")),
        (("none.toml",), ("Nor is there a file 'none.toml'",)),
    ],
)
def test_what_cannot_be_summarised_is_status_2_and_says_why(gcnn, folder, arguments, said):
    (folder / "mine.toml").write_text(SMALL_TOML)
    (folder / "broken.toml").write_text("inputs = ]")
    (folder / "bytes.toml").write_bytes(b"inputs = '\xff'")
    result = gcnn("summary", *arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert [text for text in said if text not in " ".join(result.stderr.split())] == [], result.stderr
