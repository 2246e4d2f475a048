"""Networks as JSON: from the future, damaged, foreign, or hostile."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import gcnn
from gcnn import layers
from gcnn.errors import FormatError

NETWORK = gcnn.Network(
    [
        layers.Convolution(2, 2, stride=1, padding=(0, 1), table=[[1], [1]], activation="tanh"),
        layers.Convolution(2, [(2, 2), (1, 2), (2, 1)], table=[[1, 1], [0, 1]], output=gcnn.Maps([(2, 2), [(0, 1)]])),
        layers.WeightedSubsampling(1, weights="cross", table=[[1, 1]]),
        layers.FeatureMap("monomials"),
        layers.RadialBasis(3, power=2, beta="plain"),
        layers.Dense(2, activation="softmax", bias=False),
    ],
    gcnn.Maps((1, 5, 5)),
    loss=gcnn.Loss("cross_entropy", (1.0, 2.0), "sum"),
    seed=7,
)
TEXT = NETWORK.to_json()


def test_the_document_that_these_tests_damage_is_a_good_one():
    assert gcnn.Network.from_json(TEXT) == NETWORK


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", ("not a JSON document",)),
        ("{", ("not a JSON document", "line 1")),
        (TEXT[:-40], ("not a JSON document",)),
        ("a photograph", ("not a JSON document",)),
        (b"\xff\xfe\x00", ("not a JSON document",)),
        (None, ("not a JSON document", "NoneType")),
        ({"format": "gcnn-network"}, ("not a JSON document", "dict")),
        ("[" * 100_000, ("not a JSON document",)),
        ("9" * 5000, ("not a JSON document", "digits")),
        ("[]", ("expected a JSON object",)),
        ("null", ("expected a JSON object",)),
        ("3", ("expected a JSON object",)),
        ('{"format": "onnx"}', ("not a gcnn network", "gcnn-network")),
        ('{"format": "gcnn-network", "seed": 1, "seed": 2}', ("the field 'seed' is given twice",)),
    ],
)
def test_what_is_no_document_of_a_network_is_refused(refuses, text, said):
    with refuses(FormatError, *said):
        gcnn.Network.from_json(text)


def changed(**fields: Any) -> str:
    return json.dumps(json.loads(TEXT) | fields)


DENSE = {"type": "Dense", "units": 2, "activation": "softmax"}


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"version": 2}, ("version 2", "reads up to 1", "Upgrade gcnn")),
        ({"version": 10**20}, ("reads up to 1", "Upgrade gcnn")),
        ({"version": 0}, ("version", "at least 1")),
        ({"version": "1"}, ('"version" must be an integer', "'1'")),
        ({"version": True}, ('"version" must be an integer',)),
        ({"version": None}, ('"version" must be an integer',)),
        ({"colour": "red"}, ("unknown fields ['colour']",)),
        ({"layers": {}}, ('"layers" must be a list',)),
        ({"layers": []}, ("at least one layer",)),
        ({"layers": [None]}, ('a layer is an object with a "type"', "None")),
        ({"layers": [{"units": 2}]}, ('a layer is an object with a "type"',)),
        ({"layers": [{**DENSE, "type": "Dnse"}]}, ("unknown layer type 'Dnse'", "Did you mean 'Dense'?")),
        ({"layers": [{**DENSE, "unit": 2}]}, ("Dense: unknown field 'unit'", "Did you mean 'units'?")),
        ({"layers": [{"type": "Dense"}]}, ("Dense: the field 'units' is missing",)),
        ({"layers": [{**DENSE, "units": "2"}]}, ("units must be an integer", "'2'")),
        ({"layers": [{**DENSE, "activation": ["tanh"]}]}, ("unknown activation ['tanh']",)),
        ({"layers": [{**DENSE, "table": "all"}]}, ("connection table",)),
        ({"inputs": 5.5}, ("5.5 does not describe maps",)),
        ({"inputs": [0]}, ("at least one map",)),
        ({"inputs": [[[0, 0], [0, 0]]]}, ("a coordinate is repeated",)),
        ({"loss": "mse"}, ('a loss is an object with a "name"', "'mse'")),
        ({"loss": {"name": "mes"}}, ("unknown loss 'mes'", "Did you mean 'mse'?")),
        ({"loss": {"name": "mse", "wieghts": [1, 1]}}, ('a loss is an object with a "name"',)),
        ({"loss": {"name": "mse", "weights": {"a": 1}}}, ("one number an output",)),
        ({"seed": -1}, ("seed must be an integer of at least 0",)),
        ({"seed": 1.0}, ("seed must be an integer of at least 0",)),
    ],
)
def test_a_field_that_is_wrong_is_refused_by_name(refuses, fields, said):
    with refuses(FormatError, *said):
        gcnn.Network.from_json(changed(**fields))


@pytest.mark.parametrize("field", ["inputs", "layers", "loss", "seed"])
def test_a_field_that_is_missing_is_named(refuses, field):
    document = json.loads(TEXT)
    del document[field]
    with refuses(FormatError, f"missing fields ['{field}']"):
        gcnn.Network.from_json(json.dumps(document))


# Large numbers are so large that they must be refused: numbers in between describe networks that merely need much memory.
NUMBERS = st.sampled_from(
    [-(10**9), -1, 0, 1, 2, 3, 7, 10**9, 10**18, 10**30, 10**400, 0.5, 1e300, float("inf"), float("nan")]
)
NAMES = st.sampled_from(
    ["", "Dense", "Convolution", "tanh", "softmax", "mse", "sum", "gcnn-network", "\x00", "\ud800", "é"]
)
SCALARS = st.none() | st.booleans() | NUMBERS | NAMES
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=2), max_leaves=6
)


def places(document: Any) -> list[tuple[Any, Any]]:
    """Every (container, key) of a document."""
    keys = document.keys() if isinstance(document, dict) else range(len(document)) if isinstance(document, list) else ()
    return [place for key in list(keys) for place in [(document, key), *places(document[key])]]


def reads_or_refuses(text: str) -> None:
    """A network that goes to JSON and back, or `FormatError`: nothing else may come of any text."""
    try:
        network = gcnn.Network.from_json(text)
    except FormatError:
        return
    assert gcnn.Network.from_json(network.to_json()) == network


@given(st.data())
def test_a_document_with_fields_replaced_removed_or_added_is_a_network_or_refused(data):
    document = json.loads(TEXT)
    for _ in range(data.draw(st.integers(1, 3))):
        container, key = data.draw(st.sampled_from(places(document)))
        action = data.draw(st.sampled_from(["replace", "replace", "remove", "add", "nest"]))
        if action == "remove":
            del container[key]
        elif action == "add" and isinstance(container, dict):
            container[data.draw(NAMES)] = data.draw(VALUES)
        elif action == "add":
            container.insert(key, data.draw(VALUES))
        elif action == "nest":
            for _ in range(data.draw(st.sampled_from([1, 2, 40, 200]))):
                container[key] = [container[key]]
        else:
            container[key] = data.draw(VALUES)
    reads_or_refuses(json.dumps(document))


@given(st.integers(0, len(TEXT)), st.integers(0, 12), st.text(alphabet='{}[]",:0123456789.-eE+tfn\\u \n', max_size=6))
def test_a_text_with_characters_lost_or_inserted_is_a_network_or_refused(start, lost, inserted):
    reads_or_refuses(TEXT[:start] + inserted + TEXT[start + lost :])
