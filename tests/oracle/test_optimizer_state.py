"""What an optimizer says of itself, and its state taken out and put back."""

from __future__ import annotations

import json

import numpy as np
import pytest

from gcnn.optimizers import AdaGrad, Adam, DampedParticle, GradientDescent, Momentum, RMSProp
from gcnn.optimizers.schedules import Cosine, Exponential

METHODS = {
    "gradient descent": lambda lr: GradientDescent(lr),
    "momentum": lambda lr: Momentum(lr, 0.8),
    "particle": lambda lr: DampedParticle(lr, 2.0),
    "sum": lambda lr: AdaGrad(lr),
    "mean": lambda lr: AdaGrad(lr, "mean"),
    "full": lambda lr: AdaGrad(lr, "full"),
    "rmsprop": lambda lr: RMSProp(lr),
    "adam": lambda lr: Adam(lr),
}
every_method = pytest.mark.parametrize("make", METHODS.values(), ids=METHODS)


def own_rate(count):
    return 0.1 / (1 + count)


@pytest.mark.row("O12")
@every_method
@pytest.mark.parametrize("done", [0, 3])
def test_an_optimizer_with_the_state_of_another_takes_its_steps_bit_for_bit(make, done):
    gradients = np.random.default_rng(8).standard_normal((7, 4))
    one, other = (make(Exponential(0.1, 0.7)) for _ in range(2))
    q = np.ones(4)
    for gradient in gradients[:done]:
        q = one.step(q, gradient)
    arrays, document = one.state()
    other.restore(arrays, json.loads(json.dumps(document)))
    p = q
    for gradient in gradients[done:]:
        q, p = one.step(q, gradient), other.step(p, gradient)
        np.testing.assert_array_equal(p, q)


@pytest.mark.row("O12")
@every_method
def test_a_state_taken_out_is_not_changed_by_later_steps(make):
    rule = make(0.1)
    rule.step(np.ones(3), np.ones(3))
    arrays, document = rule.state()
    kept = {name: array.copy() for name, array in arrays.items()}
    rule.step(np.ones(3), np.ones(3))
    assert document["count"] == 1
    for name, array in arrays.items():
        np.testing.assert_array_equal(array, kept[name])
    other = make(0.1)
    other.restore(arrays, document)
    other.step(np.ones(3), np.ones(3))
    for name, array in arrays.items():
        np.testing.assert_array_equal(array, kept[name])


@every_method
def test_a_description_is_json_and_equal_for_optimizers_made_alike(make):
    one, other = make(Cosine(0.1, 0.01, 5)), make(Cosine(0.1, 0.01, 5))
    assert json.loads(json.dumps(one.describe())) == other.describe()


CHANGES = [
    Adam(0.1),
    Adam(0.2),
    Adam(0.1, beta1=0.8),
    Adam(0.1, l2=0.1),
    Adam(0.1, l2=0.1, l2_centre=[1.0, 2.0]),
    Adam(0.1, l2=0.1, l2_centre=[1.0, 2.5]),
    Adam(0.1, l2=0.1, l2_mask=[True, False]),
    Adam(0.1, clip_norm=1.0),
    Adam(0.1, clip_value=1.0),
    Adam(Exponential(0.1, 0.9)),
    Adam(Exponential(0.1, 0.8)),
    Adam(own_rate),
    AdaGrad(0.1),
    AdaGrad(0.1, "mean"),
    AdaGrad(0.1, "full"),
    RMSProp(0.1),
]


def test_whatever_changes_the_steps_changes_the_description():
    described = [json.dumps(optimizer.describe(), sort_keys=True) for optimizer in CHANGES]
    assert len(set(described)) == len(CHANGES)


def test_a_function_is_described_by_its_name():
    assert Adam(own_rate).describe()["lr"] == {"schedule": f"{__name__}.own_rate"}
    assert Adam(np.polynomial.Polynomial([0.1])).describe()["lr"]["schedule"].endswith(".Polynomial")


def test_an_optimizer_prints_its_settings_and_what_was_added():
    rule = AdaGrad(Exponential(0.1, 0.5), "mean", l2=0.5, l2_centre=np.ones(3), clip_norm=2)
    assert repr(rule) == (
        "AdaGrad(lr=Exponential(lr=0.1, factor=0.5, every=1), eps=1e-08, form='mean', l2=0.5, l2_centre=array of 3, "
        "clip_norm=2)"
    )
    assert repr(Momentum()) == "Momentum(lr=0.01, momentum=0.9)"


def test_the_vectors_of_a_penalty_are_copies_that_cannot_be_written_to():
    mine = np.array([True, False])
    rule = GradientDescent(l2=1.0, l2_mask=mine)
    mine[1] = True
    assert rule.l2_mask.tolist() == [True, False]
    with pytest.raises(ValueError, match="read-only"):
        rule.l2_mask[0] = False
