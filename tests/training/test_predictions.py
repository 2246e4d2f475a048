"""`Model.predict` and `gcnn.accuracy`: classes by the largest output, or by one half where there is only one output."""

from __future__ import annotations

import numpy as np
import pytest

import gcnn
from gcnn import Network
from gcnn.layers import Convolution, Dense

X = np.array([[-2.0], [-1.0], [0.0], [1.0]])
"""A unit with w = 1 and b = 0 predicts 0, 0, 1, 1."""


def test_a_single_output_predicts_one_from_one_half_on(unit):
    model = unit((1.0, 0.0))
    x = np.array([[-9.0], [0.0], [np.nextafter(0.5, 0)], [0.5], [0.6], [9.0]])
    assert model.predict(x).tolist() == [0, 0, 0, 1, 1, 1]


def test_a_logistic_output_predicts_one_from_an_even_chance_on(unit):
    model = unit((1.0, 0.0), "logistic", "binary_cross_entropy")
    assert model.predict(X).tolist() == [0, 0, 1, 1]


def test_several_outputs_predict_the_largest_and_the_first_of_equals():
    model = Network([Dense(3, bias=False)], 3, "mse").bind("numpy", dtype="float64", batch=2)
    model.theta = np.eye(3).ravel()
    x = np.array([[0.1, 0.3, 0.2], [-3.0, -2.0, -1.0], [7.0, 7.0, 0.0], [0.6, 0.4, 0.55], [0.0, 0.0, 0.0]])
    classes = model.predict(x)
    assert classes.tolist() == [1, 2, 0, 0, 0]
    assert classes.dtype.kind == "i"


def test_outputs_on_maps_are_counted_through_in_order():
    """One map of two cells, each its input times 1: the larger of the cells."""
    model = Network([Convolution(1, 1)], (1, 2), "mse").bind("numpy")
    model.theta = np.array([1.0, 0.0])
    assert model.predict(np.array([[[1.0, 2.0]], [[2.0, 1.0]]])).tolist() == [1, 0]


@pytest.mark.parametrize("t", [[0, 0, 0, 1], [[0], [0], [0], [1]], [0.0, 0.0, 0.0, 1.0], [0.4, 0.3, 0.4, 0.5]], ids=str)
def test_accuracy_of_a_single_output_counts_targets_of_either_side_of_one_half(t, unit):
    model = unit((1.0, 0.0), "logistic", "binary_cross_entropy", batch=3)
    assert gcnn.accuracy(model, X, np.array(t)) == 0.75


def test_accuracy_takes_labels_and_one_hot_rows_alike():
    model = Network([Dense(3, bias=False, activation="softmax")], 3).bind("numpy", batch=2)
    model.theta = np.eye(3).ravel()
    x, labels = np.eye(3)[[0, 1, 2, 0, 1]], np.array([0, 1, 2, 2, 2])
    assert gcnn.accuracy(model, x, labels) == 0.6
    assert gcnn.accuracy(model, x, np.eye(3)[labels]) == 0.6


def test_history_counts_right_answers_of_a_network_with_a_single_output(unit, recorder):
    model = unit((1.0, 0.0), "logistic", "binary_cross_entropy")
    history = gcnn.train(model, (X, [1, 1, 1, 1]), recorder, epochs=1, validation=(X, [0, 0, 0, 1]))
    assert history.accuracy == [0.75]
