"""Losses: names, weights, reductions, and outputs that a loss cannot take."""

from __future__ import annotations

from math import inf, nan

import pytest

import gcnn
from gcnn.errors import LossError
from gcnn.layers import Activation, Dense, MaxPooling, RadialBasis


@pytest.mark.parametrize(("wrong", "near"), [("mes", "mse"), ("crossentropy", "cross_entropy"), ("SSE", None)])
def test_an_unknown_loss_is_refused_and_the_near_one_suggested(refuses, wrong, near):
    hint = (f"Did you mean {near!r}?",) if near else ()
    with refuses(LossError, f"unknown loss {wrong!r}", "Known: binary_cross_entropy, cross_entropy, mse, sse", *hint):
        gcnn.Network([Dense(2)], 2, loss=wrong)


@pytest.mark.parametrize("wrong", [None, 3, [], ["mse"], {}])
def test_a_loss_that_is_no_name_is_refused(refuses, wrong):
    with refuses(LossError, f"unknown loss {wrong!r}"):
        gcnn.Network([Dense(2)], 2, loss=wrong)


@pytest.mark.parametrize(("wrong", "hint"), [("men", "Did you mean 'mean'?"), ("", ""), (3, ""), ([], "")])
def test_an_unknown_reduction_is_refused(refuses, wrong, hint):
    with refuses(LossError, f"unknown reduction {wrong!r}", "Known: mean, mean_outputs, sum", hint):
        gcnn.Network([Dense(2)], 2, loss="mse", reduction=wrong)


WEIGHTS = [
    ([1], ("1 weights", "2 outputs", "one an output")),
    ([1, 2, 3], ("3 weights", "2 outputs")),
    ([1, -1], ("finite and not negative", "-1")),
    ([1, nan], ("finite and not negative", "nan")),
    ([1, inf], ("finite and not negative", "inf")),
    ([], ("one number an output", "[]")),
    (["a", "b"], ("one number an output", "['a', 'b']")),
    ([1, 1j], ("one number an output", "1j")),
    ([1, [2]], ("one number an output", "[1, [2]]")),
    ([[1, 2]], ("one number an output",)),
    ([True, False], ("one number an output",)),
    ("ab", ("one number an output", "'ab'")),
    (3, ("one number an output", "3")),
]


@pytest.mark.parametrize(("weights", "said"), WEIGHTS)
def test_weights_that_are_not_one_number_an_output_are_refused(refuses, weights, said):
    with refuses(LossError, *said):
        gcnn.Network([Dense(2)], 2, loss="mse", weights=weights)


def test_weights_beside_a_loss_that_has_its_own_are_refused(refuses):
    with refuses(LossError, "inside the Loss, or with its name, not both"):
        gcnn.Network([Dense(2)], 2, loss=gcnn.Loss("mse"), weights=[1, 1])


@pytest.mark.parametrize("activation", ["identity", "tanh", "scaled_tanh", "softsign", "relu"])
def test_cross_entropy_of_outputs_that_can_be_0_or_negative_is_refused_with_the_way_out(refuses, activation):
    with refuses(LossError, "cross_entropy takes log y", "Dense(2", "activation='softmax'", "loss='mse'"):
        gcnn.Network([Dense(2, activation=activation)], 2, loss="cross_entropy")


@pytest.mark.parametrize("activation", ["identity", "tanh", "scaled_tanh", "softsign", "relu", "softplus"])
def test_binary_cross_entropy_of_outputs_outside_0_to_1_is_refused_with_the_way_out(refuses, activation):
    with refuses(LossError, "log(1 - y)", "not inside (0, 1)", "activation='logistic'", "loss='mse'"):
        gcnn.Network([Dense(2, activation=activation)], 2, loss="binary_cross_entropy")


def test_the_range_of_a_layer_that_passes_values_on_is_that_of_the_layer_below(refuses):
    gcnn.Network([Activation("logistic"), MaxPooling(2)], (2, 4, 4), loss="binary_cross_entropy")
    with refuses(LossError, "MaxPooling(2) puts out values in (-1, 1)"):
        gcnn.Network([Activation("tanh"), MaxPooling(2)], (2, 4, 4), loss="binary_cross_entropy")
    gcnn.Network([RadialBasis(2)], 3, loss="cross_entropy")


def test_cross_entropy_of_a_single_output_is_refused_with_the_loss_for_two_classes():
    with pytest.raises(LossError, match=r"single output.*binary_cross_entropy"):
        gcnn.Network([Dense(1, activation="softmax")], 2)
