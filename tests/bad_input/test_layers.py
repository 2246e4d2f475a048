"""Layers: hyper-parameters when they are made, and what they read when they meet in a network."""

from __future__ import annotations

from math import nan

import pytest

import gcnn
from gcnn import layers
from gcnn.errors import LayerError, MapsError, NetworkError
from gcnn.layers import (
    Activation,
    Convolution,
    Dense,
    FeatureMap,
    MaxPooling,
    RadialBasis,
    VanillaSubsampling,
    WeightedSubsampling,
)

COUNTS = [
    (Dense, "units", ()),
    (RadialBasis, "units", ()),
    (Convolution, "maps", (3,)),
]


@pytest.mark.parametrize(("layer", "name", "rest"), COUNTS)
@pytest.mark.parametrize("value", [0, -1, 2.0, nan, "3", None, True, [3]])
def test_a_count_that_is_no_positive_integer_is_refused_by_name(refuses, layer, name, rest, value):
    with refuses(LayerError, f"{layer.__name__}: {name} must be an integer of at least 1", repr(value)):
        layer(value, *rest)


@pytest.mark.parametrize(("layer", "name", "rest"), COUNTS)
@pytest.mark.parametrize("value", [10**8, 10**30])
def test_a_count_too_large_to_describe_is_refused_by_name(refuses, layer, name, rest, value):
    with refuses(LayerError, f"{layer.__name__}: {name} must be at most 16777216, got {value}"):
        layer(value, *rest)


SIZES = [
    ("kernel", lambda value: Convolution(1, value), 1),
    ("stride", lambda value: Convolution(1, 3, stride=value), 1),
    ("padding", lambda value: Convolution(1, 3, padding=value), 0),
    ("window", MaxPooling, 1),
    ("window", WeightedSubsampling, 1),
    ("step", VanillaSubsampling, 1),
]


@pytest.mark.parametrize(("name", "make", "least"), SIZES)
@pytest.mark.parametrize("value", [-1, 2.5, nan, "3", None, True, (3, -1), (3, 1.0), {}])
def test_a_size_that_is_no_integer_or_integers_is_refused_by_name(refuses, name, make, least, value):
    with refuses(LayerError, f"{name} must be an integer of at least {least}"):
        make(value)


@pytest.mark.parametrize(("name", "make", "least"), [entry for entry in SIZES if entry[2] == 1])
def test_a_size_of_0_is_refused_where_cells_must_be_read_or_steps_made(refuses, name, make, least):
    with refuses(LayerError, f"{name} must be an integer of at least 1, got 0"):
        make(0)


@pytest.mark.parametrize(("name", "make", "least"), SIZES)
def test_an_empty_size_is_refused(refuses, name, make, least):
    with refuses(LayerError, f"{name} is empty", "one an axis"):
        make(())


def test_an_empty_size_among_kernels_of_several_sizes_is_refused(refuses):
    with refuses(LayerError, "kernel is empty"):
        Convolution(2, [(3, 3), ()])


TABLES = [
    ([[1, 1], [1]], ("rows of the connection table differ in length",)),
    ([[1, 2], [0, 1]], ("booleans", "shape (2, 2)")),
    ([[1.0, 0.5], [0, 1]], ("booleans", "float64")),
    ([[nan, 0], [0, 1]], ("booleans",)),
    ([["a", "b"], ["c", "d"]], ("booleans",)),
    ([[None, None], [1, 1]], ("booleans",)),
    ([1, 0], ("shape (2,)",)),
    ([[[1]], [[0]]], ("shape (2, 1, 1)",)),
    ([], ("booleans",)),
    ([[], []], ("booleans",)),
    ("ab", ("booleans",)),
    (3, ("booleans", "shape ()")),
    ([[1, 1]], ("1 rows", "2 outputs", "one row an output")),
    ([[1], [1], [0]], ("3 rows", "2 outputs")),
]


@pytest.mark.parametrize(("table", "said"), TABLES)
def test_a_table_that_is_no_outputs_by_inputs_booleans_is_refused(refuses, table, said):
    for make in (lambda: Dense(2, table=table), lambda: Convolution(2, 3, table=table)):
        with refuses(LayerError, "connection table", *said):
            make()


NAMES = [
    (lambda value: Dense(2, activation=value), "activation", "tahn", "tanh"),
    (lambda value: Convolution(1, 3, activation=value), "activation", "rleu", "relu"),
    (lambda value: WeightedSubsampling(2, activation=value), "activation", "softmx", "softmax"),
    (Activation, "activation", "sofplus", "softplus"),
    (lambda value: RadialBasis(2, rho=value), "radial function", "epx", "exp"),
    (FeatureMap, "feature map", "monomial", "monomials"),
]


@pytest.mark.parametrize(("make", "kind", "wrong", "near"), NAMES)
def test_an_unknown_name_is_refused_and_the_near_one_suggested(refuses, make, kind, wrong, near):
    with refuses(LayerError, f"unknown {kind} {wrong!r}", f"Did you mean {near!r}?", "Known: "):
        make(wrong)
    for nothing in (3, [], {}, 1.5):
        with refuses(LayerError, f"unknown {kind} {nothing!r}"):
            make(nothing)


CHOICES = [
    (lambda value: Convolution(1, 3, remainder=value), 'remainder must be "floor" or "error"'),
    (lambda value: WeightedSubsampling(2, weights=value), 'weights must be "single" or "cross"'),
    (lambda value: RadialBasis(2, beta=value), 'beta must be "log" or "plain"'),
    (lambda value: RadialBasis(2, power=value), "power must be 1 or 2"),
    (lambda value: Dense(2, bias=value), "bias must be True or False"),
    (lambda value: Convolution(1, 3, shared=value), "shared must be True or False"),
]


@pytest.mark.parametrize(("make", "said"), CHOICES)
@pytest.mark.parametrize("value", ["flor", 3, 1.0, None, [], {}])
def test_a_value_that_is_none_of_the_choices_is_refused(refuses, make, said, value):
    with refuses(LayerError, said, repr(value)):
        make(value)


def test_a_shared_kernel_of_several_sizes_is_refused(refuses):
    with refuses(LayerError, "a shared kernel has one size"):
        Convolution(1, [(3, 3), (5, 5)], shared=True)


@pytest.mark.parametrize("output", [5, "ab", [[(0, 0), (0, 0)]], [[(0, -1)]], []])
def test_output_coordinates_that_are_no_maps_are_refused(refuses, output):
    with refuses(MapsError):
        Convolution(1, 3, output=output)


FITS = [
    (Convolution(1, 5), (1, 4, 9), ("Convolution(1, 5)", "needs 5 cells along axis 0", "input map 0 has 4", "padding")),
    (Convolution(1, 5), [(9, 9), (9, 4)], ("needs 5 cells along axis 1", "input map 1 has 4")),
    (MaxPooling(5), (2, 9, 4), ("MaxPooling(5)", "needs 5 cells along axis 1")),
    (WeightedSubsampling(5), (1, 4), ("needs 5 cells along axis 0",)),
    (Convolution(1, 2), 4, ("single values without axes", "before the dense layers")),
    (Convolution(1, (2, 2, 2)), (1, 4, 4), ("kernel=(2, 2, 2) has 3 entries", "2 axes")),
    (Convolution(1, 2, stride=(1, 1, 1)), (1, 4, 4), ("stride=(1, 1, 1) has 3 entries",)),
    (MaxPooling((2,)), (1, 4, 4), ("window=(2,) has 1 entries", "2 axes")),
    (Convolution(1, 2, stride=2, remainder="error"), (1, 5, 5), ("leaves 1 over", "remainder='floor'")),
    (Convolution(2, 2, table=[[1, 1, 0], [0, 1, 1]]), (2, 4, 4), ("3 columns", "2 inputs", "(2, 2)")),
    (Dense(2, table=[[1, 1, 0], [0, 1, 1]]), (2, 4, 4), ("3 columns", "one an input map (2)", "one an input (32)")),
    (WeightedSubsampling(2, table=[[1, 1, 0]]), (2, 4, 4), ("3 columns", "2 inputs")),
    (Convolution(1, [(2, 2), (3, 3)]), (1, 4, 4), ("lists 2 sizes", "1 connections")),
    (Convolution(1, 2), [[(0, 0), (1, 1), (2, 2)]], ("output map 0 would have no point", "output=Maps([...])")),
    (MaxPooling(2), [[(0, 0), (1, 1), (2, 2)]], ("output map 0 would have no point",)),
    (Convolution(1, 1, padding=1), [[(0, 0), (1, 1)]], ("padding", "lists of coordinates")),
    (Convolution(1, 3, output=[(2, 2)]), (1, 4), ("output has 2 axes", "input maps have 1")),
]


@pytest.mark.parametrize(("layer", "inputs", "said"), FITS)
def test_a_layer_that_cannot_read_its_input_maps_is_refused_by_number(refuses, layer, inputs, said):
    with refuses(NetworkError, "layer 1: ", *said):
        gcnn.Network([Activation("tanh"), layer], inputs, loss="mse")


@pytest.mark.parametrize("wrong", [[], None, Dense(2), "Dense", [Dense], ["Dense"], [Dense(2), 3], {"type": "Dense"}])
def test_layers_that_are_no_list_of_layers_are_refused(refuses, wrong):
    with refuses(NetworkError, "layer"):
        gcnn.Network(wrong, 2, loss="mse")


def test_a_layer_whose_name_is_taken_is_refused(refuses):
    class Dense(layers.Layer):
        pass

    with refuses(LayerError, "Dense"):
        gcnn.register_layer(Dense)
    assert layers.layer_from_json({"type": "Dense", "units": 2}) == layers.Dense(2)
