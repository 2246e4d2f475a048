"""Plans on a device in their corners: odd batches and arrays, values that are not finite, limits, lifetimes, threads."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable

import numpy as np
import pytest

import gcnn
from gcnn.backend import Program
from gcnn.backends.accelerated.limits import Limits
from gcnn.backends.accelerated.plan import MOST_SIZES
from gcnn.backends.opencl.backend import BACKEND
from gcnn.errors import DataError, GcnnError
from gcnn.layers import Activation, Convolution, Dense, FeatureMap, Flatten, MaxPooling
from gcnn.optimizers import Adam, GradientDescent

RTOL = 1e-12
"""A few thousand roundings of float64, of the largest value; what is wrong is off by more than 1e-3 here."""
SMALL = [Dense(5, activation="tanh"), Dense(3, activation="softmax")]


def _close(found, expected, rtol=RTOL):
    np.testing.assert_allclose(found, expected, rtol=0, atol=rtol * np.abs(expected).max(initial=1.0))


def _gradient(plan):
    return plan.vectors.download(plan.gradient)


def _data(plan, samples, seed=0):
    rng = np.random.default_rng(seed)
    program = plan.program
    return rng.standard_normal((samples, *program.inputs.shape)), rng.random((samples, *program.outputs.shape))


def test_any_number_of_samples_up_to_the_batch_gives_what_the_oracle_gives(plans):
    plan, oracle = plans(SMALL, 4, batch=41, loss="cross_entropy")
    for samples in (41, 1, 17, 40):
        x, t = _data(plan, samples, samples)
        _close(plan.forward(x), oracle.forward(x))
        assert plan.loss_gradient(x, t) == pytest.approx(oracle.loss_gradient(x, t), rel=RTOL)
        _close(_gradient(plan), oracle.gradient)


def test_a_plan_for_one_sample_takes_one(plans):
    plan, oracle = plans(SMALL, 4, batch=1, loss="cross_entropy")
    x, _ = _data(plan, 2)
    _close(plan.forward(x[:1]), oracle.forward(x[:1]))
    with pytest.raises(DataError, match="1 to 1 samples at a time, got 2"):
        plan.forward(x)


@pytest.mark.parametrize(
    ("call", "match"),
    [
        (lambda plan, x, t: plan.loss(x, t[:3]), "4 samples of 3 values, got an array of shape (3, 3)"),
        (lambda plan, x, t: plan.loss_gradient(x[:3], t), "3 samples of 3 values, got an array of shape (4, 3)"),
        (lambda plan, x, t: plan.vjp(x, t[:1]), "4 samples of 3 values, got an array of shape (1, 3)"),
        (lambda plan, x, t: plan.sample_gradients(x, t[:, :2]), "4 samples of 3 values, got an array of shape (4, 2)"),
        (lambda plan, x, t: plan.forward(x[:, :3]), "4 samples of 4 values, got an array of shape (4, 3)"),
        (lambda plan, x, t: plan.forward(x, np.empty((3, 3))), "shape (4, 3), got (3, 3)"),
        (lambda plan, x, t: plan.forward(x, np.empty((5, 3))), "shape (4, 3), got (5, 3)"),
    ],
    ids=["few targets", "many targets", "one cotangent", "narrow cotangents", "narrow inputs", "short out", "long out"],
)
def test_arrays_that_do_not_fit_each_other_are_refused_and_nothing_is_made_of_them(plans, call, match):
    plan, _ = plans(SMALL, 4, loss="cross_entropy")
    with pytest.raises(DataError, match=re.escape(match)):
        call(plan, *_data(plan, 4))


def test_out_may_be_of_another_dtype_and_layout(plans):
    plan, _ = plans(SMALL, 4, "float32")
    x, _ = _data(plan, 7)
    expected = plan.forward(x)
    outs = [
        np.empty((7, 3)),
        np.empty((7, 3), ">f4"),
        np.empty((3, 7), "float32").T,
        np.empty((14, 6), "float32")[::2, ::2],
    ]
    for out in outs:
        assert plan.forward(x, out) is out
        np.testing.assert_array_equal(out, expected)


@pytest.mark.parametrize(
    ("activation", "loss"),
    [("relu", "mse"), ("softplus", "sse"), ("tanh", "mse"), ("softsign", "mse"), ("softmax", "cross_entropy")]
    + [("softmax", "mse"), ("logistic", "binary_cross_entropy"), ("soft_logistic", "binary_cross_entropy")]
    + [("softplus", "cross_entropy")],
)
def test_values_that_are_not_finite_come_through_as_in_the_oracle(plans, activation, loss):
    plan, oracle = plans([Activation(activation)], 3, loss=loss)
    x = np.array([[0.5, value, -0.25] for value in (np.nan, np.inf, -np.inf, 2.0)])
    t = np.array([[0.0, 1.0, 0.0]] * 4)
    with np.errstate(all="ignore"):
        pairs = [(plan.forward(x), oracle.forward(x)), (plan.vjp(x, t), oracle.vjp(x, t))]
        pairs += [(plan.loss(x[n : n + 1], t[:1]), oracle.loss(x[n : n + 1], t[:1])) for n in range(4)]
    for found, expected in pairs:
        np.testing.assert_allclose(found, expected, rtol=RTOL, atol=RTOL)


@pytest.mark.parametrize("loss", ["cross_entropy", "binary_cross_entropy"])
def test_a_loss_that_keeps_outputs_from_the_ends_of_its_logarithms_keeps_a_nan(plans, loss):
    plan, oracle = plans([Activation("logistic"), Flatten()], 2, loss=loss)
    x, t = np.array([[np.nan, 0.5], [800.0, -800.0]]), np.array([[0.0, 1.0], [0.0, 1.0]])
    assert np.isnan(plan.loss(x, t))
    assert np.isnan(oracle.loss(x, t))
    assert plan.loss(x[1:], t[1:]) == pytest.approx(oracle.loss(x[1:], t[1:]), rel=RTOL)


@pytest.mark.parametrize(
    "rule",
    [
        GradientDescent(0.1, l2=0.3, l2_centre=np.linspace(-1, 1, 31), l2_mask=np.arange(31) % 3),
        GradientDescent(0.1, clip_value=0.01),
        GradientDescent(0.1, clip_norm=0.05, l2=0.1),
        GradientDescent(0.1, clip_norm=1e9, clip_value=1e9),
        Adam(0.01, l2=0.2, l2_mask=np.arange(31) % 2 == 0, clip_value=0.3, clip_norm=0.5),
    ],
    ids=["centre and mask", "value", "norm", "limits not reached", "all of it"],
)
def test_penalties_and_limits_change_the_steps_as_in_the_oracle(plans, rule):
    plan, oracle = plans([Dense(5, activation="tanh"), Dense(1)], 4, update=rule.rule(), batch=20)
    x, t = _data(plan, 20)
    for _ in range(4):
        assert plan.step(x, t) == pytest.approx(oracle.step(x, t), rel=RTOL)
        _close(plan.vectors.download(plan.theta), oracle.theta)
    assert plan.report()["on_host"] == []


def test_a_rule_without_a_kernel_is_applied_on_the_host(plans):
    rule = gcnn.optimizers.AdaGrad(0.1, form="full", l2=0.1).rule()
    plan, oracle = plans([Dense(5, activation="tanh"), Dense(1)], 4, update=rule, batch=20)
    x, t = _data(plan, 20)
    for _ in range(4):
        assert plan.step(x, t) == pytest.approx(oracle.step(x, t), rel=1e-6)
    # The root of a matrix of rank 4: its directions without gradient enlarge roundings by their square root.
    _close(plan.vectors.download(plan.theta), oracle.theta, 1e-6)
    assert plan.report()["on_host"] == ["update"]


@pytest.mark.parametrize("gradient", [np.nan, np.inf, -np.inf])
def test_limits_pass_a_gradient_that_is_not_finite_on_as_the_oracle_does(plans, gradient):
    rule = GradientDescent(0.5, clip_value=2.0, clip_norm=1.0).rule()
    plan, oracle = plans([Dense(1, bias=False)], 2, update=rule, batch=1, theta=[1.0, 2.0])
    x, t = np.array([[gradient, 1.0]]), np.array([[0.0]])
    with np.errstate(all="ignore"):
        plan.step(x, t)
        oracle.step(x, t)
    np.testing.assert_array_equal(plan.vectors.download(plan.theta), oracle.theta)


def test_limits_beyond_what_the_dtype_holds_are_no_limits(plans):
    rule = GradientDescent(0.5, clip_value=1e300, clip_norm=1e300).rule()
    plan, _ = plans([Dense(1, bias=False)], 2, "float32", update=rule, batch=1, theta=[1.0, 2.0])
    plan.step(np.array([[3.0, 1.0]]), np.array([[4.0]]))
    np.testing.assert_array_equal(plan.vectors.download(plan.theta), np.float32([1 - 0.5 * 3, 2 - 0.5 * 1]))


def test_a_penalty_whose_vectors_are_too_short_is_refused_when_planning(plans):
    for name in ("l2_centre", "l2_mask"):
        rule = GradientDescent(0.1, l2=0.1, **{name: np.ones(3)}).rule()
        with pytest.raises(GcnnError, match=f"{name} has 3 entries for 31 parameters"):
            plans([Dense(5), Dense(1)], 4, update=rule)


def test_groups_that_sum_by_halves_are_powers_of_two_on_any_device():
    for allowed, most, group in ((24, 32, 16), (1, 64, 1), (4096, 64, 64), (64, 64, 64)):
        assert Limits(1, 1, 1, allowed, (allowed,), (1,), 1, 0, True).group(most) == group


def test_numbers_of_the_rule_that_change_between_steps_are_read_every_time(plans):
    plan, oracle = plans(SMALL, 4, loss="cross_entropy", update=Adam(0.1).rule())
    x, t = _data(plan, 9)
    for changes in ({}, {"lr": 0.01}, {"beta1": 0.5, "eps": 1e-3}, {}):
        for one in (plan, oracle):
            one.hyperparameters.update(changes)
            one.step(x, t)
    _close(plan.vectors.download(plan.theta), oracle.theta)


PARAMETERLESS = [FeatureMap("monomials"), Activation("tanh"), Flatten()]


def test_a_network_without_parameters_does_all_that_others_do(plans):
    plan, oracle = plans(PARAMETERLESS, 3, batch=20, update=Adam(0.1, l2=0.1, clip_norm=1.0).rule())
    x, t = _data(plan, 20)
    _close(plan.forward(x), oracle.forward(x))
    _close(plan.vjp(x, t), oracle.vjp(x, t))
    assert plan.loss_gradient(x, t) == pytest.approx(oracle.loss_gradient(x, t), rel=RTOL)
    assert plan.step(x, t) == pytest.approx(oracle.step(x, t), rel=RTOL)
    assert _gradient(plan).shape == (0,)
    assert plan.sample_gradients(x, t).shape == (20, 0)


@pytest.mark.parametrize(
    "layers",
    [
        [Flatten(), Dense(3), Activation("tanh")],
        [Activation("tanh"), FeatureMap("monomials"), Dense(4, activation="relu"), Activation("logistic"), Dense(2)],
        [Flatten()],
    ],
    ids=["below and above", "between", "nothing"],
)
def test_layers_without_parameters_pass_slopes_on_wherever_they_stand(plans, layers):
    plan, oracle = plans(layers, (1, 2, 2), batch=20)
    x, t = _data(plan, 20)
    for _ in range(2):
        assert plan.loss_gradient(x, t) == pytest.approx(oracle.loss_gradient(x, t), rel=RTOL)
        _close(_gradient(plan), oracle.gradient)
        _close(plan.vjp(x, t), oracle.vjp(x, t))
        _close(plan.sample_gradients(x, t), oracle.sample_gradients(x, t))


@pytest.mark.parametrize("layer", [Convolution(1, 1), MaxPooling(2)])
def test_layers_that_move_along_four_dimensions_are_declined_by_name(plans, layer):
    plans([layer], (1, 2, 2, 2))
    with pytest.raises(gcnn.Unsupported, match=r"layer 0.*maps of 4 dimensions, more than 3"):
        plans([layer], (1, 2, 2, 2, 2))


def test_maps_of_four_dimensions_are_read_as_single_values(plans):
    plan, oracle = plans([Flatten(), Dense(3)], (1, 2, 2, 2, 2), batch=20)
    x, _ = _data(plan, 20)
    _close(plan.forward(x), oracle.forward(x))


def test_a_variant_that_there_is_not_is_refused_with_those_that_are(device):
    program = Program.of(gcnn.Network([Dense(1)], 1, "mse"))
    with pytest.raises(GcnnError, match=r"'vector'.*Did you mean 'vectors'"):
        BACKEND.plan(program, device, "float32", 1, "vector")


CALLS: list[Callable] = [
    lambda plan, x, t: plan.forward(x),
    lambda plan, x, t: plan.loss(x, t),
    lambda plan, x, t: plan.loss_gradient(x, t),
    lambda plan, x, t: plan.vjp(x, t),
    lambda plan, x, t: plan.sample_gradients(x, t),
    lambda plan, x, t: plan.step(x, t),
    lambda plan, x, t: plan.synchronize(),
    lambda plan, x, t: plan.report(),
]


def test_a_closed_plan_refuses_every_call_and_has_given_its_memory_back(device, plans):
    x, t = np.ones((20, 4)), np.ones((20, 3))
    memory = BACKEND.runtime(device).memory()
    plan, _ = plans(SMALL, 4, batch=20, loss="cross_entropy", update=Adam(0.1, l2=0.1).rule())
    for call in CALLS:
        call(plan, x, t)
    assert BACKEND.runtime(device).memory().allocated > memory.allocated
    plan.step(x, t)
    plan.close()
    plan.close()
    for call in CALLS:
        with pytest.raises(GcnnError, match="closed"):
            call(plan, x, t)
    assert BACKEND.runtime(device).memory()[::2] == memory[::2]


def test_a_plan_that_nobody_holds_gives_its_memory_back_without_being_closed(device, variant):
    memory = BACKEND.runtime(device).memory()
    program = Program.of(gcnn.Network(SMALL, 4, "cross_entropy"), Adam(0.1).rule())
    plan = BACKEND.plan(program, device, "float32", 20, variant)
    plan.step(np.ones((20, 4)), np.ones((20, 3)))
    del plan
    assert BACKEND.runtime(device).memory()[::2] == memory[::2]


def test_calls_with_many_numbers_of_samples_keep_launches_of_a_few(plans):
    plan, oracle = plans([Dense(2)], 3, batch=3 * MOST_SIZES)
    x, _ = _data(plan, 3 * MOST_SIZES)
    for samples in [*range(1, len(x) + 1), 1]:
        _close(plan.forward(x[:samples]), oracle.forward(x[:samples]))
    assert len(plan._launches) == MOST_SIZES


def _in_threads(works):
    """Runs functions at once; what they return, or the first error."""
    results, errors = [None] * len(works), []

    def run(number, work):
        try:
            results[number] = work()
        except Exception as error:  # noqa: BLE001  # any; the test fails with it
            errors.append(error)

    threads = [threading.Thread(target=run, args=pair) for pair in enumerate(works)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors, errors
    return results


def _trained(plan, seed):
    """θ after some steps on data of this seed."""
    x, t = _data(plan, 20, seed)
    for _ in range(30):
        plan.step(x, t)
    return plan.vectors.download(plan.theta)


def test_two_plans_in_two_threads_do_not_disturb_each_other(plans):
    two = [plans(SMALL, 4, batch=20, loss="cross_entropy", update=Adam(0.05).rule())[0] for _ in range(4)]
    alone = [_trained(two[0], 1), _trained(two[1], 2)]
    together = _in_threads([lambda: _trained(two[2], 1), lambda: _trained(two[3], 2)])
    np.testing.assert_array_equal(together, alone)


def test_one_plan_serves_several_threads_with_the_answers_to_their_own_data(plans):
    plan, _ = plans(SMALL, 4, batch=20, loss="cross_entropy")
    data = [_data(plan, 20, seed) for seed in range(4)]
    alone = [(plan.forward(x), plan.loss(x, t), plan.vjp(x, t)) for x, t in data]

    def ask(number):
        x, t = data[number]
        return [(plan.forward(x), plan.loss(x, t), plan.vjp(x, t)) for _ in range(20)]

    for expected, answers in zip(alone, _in_threads([lambda n=n: ask(n) for n in range(4)]), strict=True):
        for answer in answers:
            for found, wanted in zip(answer, expected, strict=True):
                np.testing.assert_array_equal(found, wanted)


def test_the_logits_of_a_softmax_are_written_once(plans):
    """Two writes of one value to one place are still two, which a detector of races reports."""
    plan, _ = plans(SMALL, 4)
    assert [layer.saves_z for layer in plan._bound.layers] == [False, False]
    plan, _ = plans([Dense(3, activation="softplus"), Dense(3, activation="relu")], 4)
    assert [layer.saves_z for layer in plan._bound.layers] == [True, False]
