"""Networks as TOML: what people write, what they forget, and what is hostile; and documents of any kind that ask for too much."""

from __future__ import annotations

import json
import tracemalloc
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import gcnn
from gcnn import layers
from gcnn.errors import FormatError

WRITTEN = """
inputs = [1, 28, 28]
loss = "mse"

[[layers]]
type = "Convolution"  # a comment
maps = 6
kernel = [5, 3]
table = [[1], [1], [1], [1], [0], [1]]

[[layers]]
type = "Dense"
units = 10
"""
NETWORK = gcnn.Network(
    [
        layers.Convolution(2, 2, stride=1, padding=(0, 1), table=[[1], [1]], activation="tanh"),
        layers.Convolution(2, [(2, 2), (1, 2), (2, 1)], table=[[1, 1], [0, 1]], output=gcnn.Maps([(2, 2), [(0, 1)]])),
        layers.FeatureMap("monomials"),
        layers.RadialBasis(3, power=2, beta="plain"),
        layers.Dense(2, activation="softmax", bias=False),
    ],
    gcnn.Maps([(5, 5)]),
    loss=gcnn.Loss("cross_entropy", (1.0, 1e-5), "sum"),
    seed=2**63 - 1,
)
TEXT = NETWORK.to_toml()


def test_a_document_written_by_hand_needs_inputs_and_layers_only():
    convolution = layers.Convolution(6, (5, 3), table=[[1], [1], [1], [1], [0], [1]])
    assert gcnn.Network.from_toml(WRITTEN) == gcnn.Network([convolution, layers.Dense(10)], (1, 28, 28), "mse")
    short = 'inputs = 64\nlayers = [{ type = "Dense", units = 3, activation = "softmax" }]'
    assert gcnn.Network.from_toml(short) == gcnn.Network([layers.Dense(3, activation="softmax")], 64)


def test_a_network_goes_to_toml_and_back():
    assert gcnn.Network.from_toml(TEXT) == NETWORK


def test_names_that_need_escapes_go_to_toml_and_back(monkeypatch):
    monkeypatch.setattr("gcnn.activations._ACTIVATIONS", dict(gcnn.activations._ACTIVATIONS))
    name = 'quoted "\\ \n é \t'
    gcnn.register_activation(name, lambda z: z, lambda z: 1 + 0 * z)
    network = gcnn.Network([layers.Dense(2, activation=name)], 2, "mse")
    assert gcnn.Network.from_toml(network.to_toml()) == network


def test_read_takes_either_form_by_the_files_name(tmp_path):
    (tmp_path / "a.toml").write_text(TEXT, encoding="utf-8")
    (tmp_path / "a.json").write_text(NETWORK.to_json(), encoding="utf-8")
    assert gcnn.Network.read(tmp_path / "a.toml") == gcnn.Network.read(str(tmp_path / "a.json")) == NETWORK


@pytest.mark.parametrize("name", ["a.toml", "a.json"])
@pytest.mark.parametrize("content", [b"", b"\xff\xfe", b"[" * 100_000, b"\x00", b"inputs = 3", b'{"inputs": 3}'])
def test_read_names_the_file_that_is_wrong(refuses, tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with refuses(FormatError, str(tmp_path / name)):
        gcnn.Network.read(tmp_path / name)


def test_a_file_that_is_not_there_is_an_error_of_the_system(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"none\.toml"):
        gcnn.Network.read(tmp_path / "none.toml")


def test_what_toml_cannot_hold_is_not_written(refuses):
    network = gcnn.Network([layers.Dense(2)], 2, "mse")
    object.__setattr__(network.layers[0], "bias", {1, 2})
    with refuses(FormatError, "TOML cannot hold {1, 2}", "to_json"):
        network.to_toml()
    with refuses(FormatError, "TOML cannot hold 9223372036854775808", "to_json"):
        gcnn.Network([layers.Dense(2)], 2, "mse", seed=2**63).to_toml()
    greatest = gcnn.Network([layers.Dense(2)], 2, "mse", seed=2**63 - 1)
    assert gcnn.Network.from_toml(greatest.to_toml()) == greatest


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", ("missing fields ['inputs', 'layers']", "unknown fields []")),
        ("inputs", ("not a TOML document",)),
        (None, ("not a TOML document", "NoneType")),
        (b"inputs = 3", ("not a TOML document", "bytes")),
        ("a = " + "[" * 100_000, ("not a TOML document",)),
        ("a = " + "{a=" * 100_000, ("not a TOML document",)),
        (".".join("a" * 3_000) + " = 1", ("unknown fields ['a']",)),
        ("inputs = " + "9" * 5_000, ("not a TOML document",)),
        ("inputs = 0x" + "f" * 5_000, ("not a TOML document", "64 bits")),
        ("version = 0x" + "f" * 5_000, ("not a TOML document", "64 bits")),
        ("seed = 9223372036854775808\n" + WRITTEN, ("64 bits",)),
        ("loss = 'mse'\n" + WRITTEN, ("not a TOML document", "verwrite")),
        ("inputs.a = 1\n" + WRITTEN, ("not a TOML document",)),
        (WRITTEN.replace("[[layers]]", "[layers]", 1), ("not a TOML document",)),
        ("inputs = 3\n[layers]\ntype = 'Dense'\nunits = 2", ('"layers" must be a list', "[[layers]]")),
        ("inputs = 3\nlayers = 'Dense'", ('"layers" must be a list',)),
        ("inputs = 3\nlayers = ['Dense']", ('a layer is an object with a "type"', "'Dense'")),
        (WRITTEN.replace("inputs", "input"), ("missing fields ['inputs']", "unknown fields ['input']")),
        (WRITTEN.replace("Dense", "Dnse"), ("unknown layer type 'Dnse'", "Did you mean 'Dense'?")),
        (WRITTEN.replace('"mse"', '"mes"'), ("unknown loss 'mes'", "Did you mean 'mse'?")),
        (WRITTEN.replace('"mse"', "3"), ('a loss is an object with a "name"', "3")),
        (WRITTEN.replace('"mse"', '{ reduction = "sum" }'), ('a loss is an object with a "name"',)),
        (WRITTEN.replace("units = 10", "units = 10.0"), ("units must be an integer", "10.0")),
        (WRITTEN.replace("units = 10", "units = inf"), ("units must be an integer", "inf")),
        (WRITTEN.replace("units = 10", "units = 1979-05-27"), ("units must be an integer", "1979")),
        (WRITTEN.replace("[1, 28, 28]", "1979-05-27"), ("does not describe maps",)),
        (WRITTEN.replace("[1, 28, 28]", "[1, 28, 2.8]"), ("map 0",)),
        (WRITTEN.replace("[[1], [1], [1], [1], [0], [1]]", "[[1979-05-27]]"), ("connection table",)),
        ("seed = -1\n" + WRITTEN, ("seed must be an integer of at least 0",)),
        ("seed = true\n" + WRITTEN, ("seed must be an integer of at least 0",)),
        ("format = 'onnx'\n" + WRITTEN, ("not a gcnn network",)),
        ("version = 2\n" + WRITTEN, ("version 2", "reads up to 1", "Upgrade gcnn")),
        ("version = true\n" + WRITTEN, ('"version" must be an integer',)),
    ],
)
def test_what_is_no_network_is_refused_and_says_why(refuses, text, said):
    with refuses(FormatError, *said):
        gcnn.Network.from_toml(text)


def convolution(maps: int, kernel: Any, **fields: Any) -> dict[str, Any]:
    return {"type": "Convolution", "maps": maps, "kernel": kernel, **fields}


FAR = [[[0, 0], [46_000, 46_000]]]
EXTREMES = {
    "maps": ([1, 8, 8], convolution(10**9, 3)),
    "inputs": ([1, 10**6, 10**6], convolution(1, 3)),
    "the most maps": ([1, 1, 1], convolution(2**24, 1)),
    "the most inputs": ([2**24], {"type": "Activation", "name": "tanh"}),
    "the most weights of a convolution": ([46_340, 1, 1], convolution(46_340, 1)),
    "the largest kernel": ([1, 46_000, 46_000], convolution(1, 46_000)),
    "a kernel that is no list of all": ([46_340, 1, 1], convolution(46_340, [[1, 1]])),
    "many maps of two sizes": ([[2, 2], [3, 3]], convolution(2**24, 1)),
    "the most weights of a dense layer": ([46_340], {"type": "Dense", "units": 46_340}),
    "a table for large maps": ([1, 46_000, 46_000], {"type": "Dense", "units": 1, "table": [[1]]}),
    "the most units": ([1], {"type": "Dense", "units": 2**24}),
    "centres": ([2**24], {"type": "RadialBasis", "units": 2**24}),
    "sub-sampling": ([46_340, 2, 2], {"type": "WeightedSubsampling", "window": 2}),
    "crossed sub-sampling": ([46_340, 2, 2], {"type": "WeightedSubsampling", "window": 2, "weights": "cross"}),
    "pooling": ([2**22, 2, 2], {"type": "MaxPooling", "window": 2}),
    "sampling": ([2**22, 2, 2], {"type": "VanillaSubsampling", "step": 10**18}),
    "degree": ([10**6], {"type": "FeatureMap", "features": "monomials", "degree": 10**6}),
    "a higher degree": ([10**6], {"type": "FeatureMap", "features": "monomials", "degree": 10**18}),
    "points far apart": (FAR, convolution(1, 1)),
    "outputs far apart": ([1, 8, 8], convolution(1, 1, output=FAR)),
    "padding": ([1, 8, 8], convolution(1, 1, padding=10**9)),
    "stride": ([1, 8, 8], convolution(1, 1, stride=10**18)),
    "axes": ([1] * 100, convolution(1, 1)),
}


@pytest.mark.parametrize("name", EXTREMES)
def test_a_small_document_never_takes_much_memory_whatever_it_asks_for(name):
    inputs, layer = EXTREMES[name]
    fields = {"format": "gcnn-network", "version": 1, "loss": {"name": "mse"}, "seed": 0}
    text = json.dumps({**fields, "inputs": inputs, "layers": [layer]})
    tracemalloc.start()
    try:
        gcnn.Network.from_json(text).summary()
    except FormatError:
        pass
    finally:
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert peak < 2**25


@pytest.mark.parametrize(
    "name", ["maps", "inputs", "centres", "degree", "a higher degree", "points far apart", "padding"]
)
def test_what_no_layer_could_be_is_refused(refuses, name):
    inputs, layer = EXTREMES[name]
    fields = {"format": "gcnn-network", "version": 1, "loss": {"name": "mse"}, "seed": 0}
    with refuses(FormatError, "the document does not describe a network", "most"):
        gcnn.Network.from_json(json.dumps({**fields, "inputs": inputs, "layers": [layer]}))


def test_layers_that_are_large_together_are_refused_by_number(refuses):
    dense = layers.Dense(40_000)
    with refuses(gcnn.errors.NetworkError, "layer 1: ", "more than the most parameters, 2147483647"):
        gcnn.Network([dense, dense], 40_000, "mse")


@given(
    st.integers(0, len(TEXT)),
    st.integers(0, 12),
    st.text(alphabet="{}[]\",'#:0123456789.-=_xeE+infa\\u \n", max_size=6),
)
def test_a_text_with_characters_lost_or_inserted_is_a_network_or_refused(start, lost, inserted):
    try:
        network = gcnn.Network.from_toml(TEXT[:start] + inserted + TEXT[start + lost :])
    except FormatError:
        return
    assert gcnn.Network.from_toml(network.to_toml()) == network
