"""Updates that go along with what forms the gradient: the same bits as an update after it, and only where that can be."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import gcnn
from gcnn.backends.accelerated import plan as module
from gcnn.backends.accelerated.convolution_space import Spaces
from gcnn.layers import Convolution, Dense, MaxPooling, RadialBasis, WeightedSubsampling
from gcnn.optimizers import AdaGrad, Adam, DampedParticle, GradientDescent, Momentum, RMSProp

TABLE = [[1, 0], [1, 1], [0, 1], [1, 1]]
LAYERS = [
    Convolution(5, 3, activation="tanh"),
    WeightedSubsampling(2),
    Convolution(3, 2, activation="tanh"),
    Dense(40),
    Dense(7),
]
TABLES = [Convolution(4, 3, table=TABLE), Dense(3, table=np.arange(192).reshape(3, 64) % 3 > 0)]
WINOGRAD = [Convolution(32, 3, padding=1, activation="relu"), Convolution(32, 3), MaxPooling(2), Dense(3)]
NETWORKS = {"plain": (LAYERS, (1, 11, 10)), "tables": (TABLES, (2, 6, 6)), "winograd": (WINOGRAD, (8, 12, 12))}
RULES = [
    GradientDescent(0.1),
    Momentum(0.1),
    DampedParticle(0.1),
    AdaGrad(0.1),
    AdaGrad(0.1, form="mean"),
    RMSProp(0.01),
    Adam(0.01),
]
BATCH = 5


@pytest.fixture
def trained(device):
    """Steps of full and ragged batches, whose update goes along with the gradient or not, and what they leave."""
    models = []

    def train(layers, inputs, rule, joins, dtype="float32", batch=BATCH):
        model = gcnn.Network(layers, inputs, "mse").bind("opencl", device=device.index, batch=batch, dtype=dtype)
        step = gcnn.training_step(model, rule)
        models.append(model)
        plan = model.plan
        if joins is not None:
            plan._update.joins = joins
        rng = np.random.default_rng(0)
        x, t = (
            rng.standard_normal((batch, *maps.shape)).astype(dtype)
            for maps in (plan.program.inputs, plan.program.outputs)
        )
        losses = [step(x[:n], t[:n]) for n in (batch, 2, batch, batch)]
        return plan, losses, [plan.vectors.download(each) for each in (plan.theta, *plan.slots.values())]

    yield train
    for model in models:
        model.plan.close()


def same(trained, layers, inputs, rule, **options):
    joined, losses, found = trained(layers, inputs, rule, True, **options)
    apart, expected_losses, expected = trained(layers, inputs, rule, False, **options)
    assert losses == expected_losses
    assert all(np.array_equal(a, b) for a, b in zip(found, expected, strict=True))
    assert joined._for(BATCH).updating is not None
    assert apart._for(BATCH).updating is None
    return joined


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.kind)
def test_every_rule_gives_the_bits_that_it_gives_after_the_gradient(trained, rule):
    same(trained, *NETWORKS["plain"], rule)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_tables_move_each_parameter_once(trained, dtype):
    same(trained, *NETWORKS["tables"], Momentum(0.05), dtype=dtype)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    ("wanted", "kernel"),
    [
        ({"WINOGRAD": 2}, "convolution_winograd_gradient.finish"),
        ({"WINOGRAD": 0, "SPLIT": 4}, "convolution_gradient.add_parts"),
    ],
    ids=["winograd", "parts"],
)
def test_sums_that_are_brought_together_move_each_parameter_once(trained, monkeypatch, wanted, kernel, dtype):
    gradient = Spaces.gradient

    def chosen(self, brought):
        space = gradient(self, brought)
        return replace(space, default={**space.default, **wanted, "MAPS_TILE": 2, "COLUMNS_TILE": 2})

    monkeypatch.setattr(Spaces, "gradient", chosen)
    monkeypatch.setenv("GCNN_TUNE", "off")
    plan = same(trained, *NETWORKS["winograd"], Momentum(0.05), dtype=dtype)
    moving = [work for row in plan._for(BATCH).gradients for work in row if work.gives]
    assert [work.label for work in moving].count(kernel) == 2


def test_the_gradient_stays_as_it_was(trained):
    plan, *_ = trained(*NETWORKS["plain"], Momentum(0.1), True)
    assert not plan.vectors.download(plan.gradient).any()


@pytest.mark.parametrize(
    "options", [{"l2": 0.1}, {"clip_norm": 1.0}, {"clip_value": 0.5}], ids=lambda given: next(iter(given))
)
def test_a_rule_that_sees_more_than_the_slopes_of_the_loss_comes_after(trained, options):
    plan, *_ = trained(*NETWORKS["plain"], Momentum(0.1, **options), None)
    assert not plan._update.joins
    assert plan._for(BATCH).updating is None


def test_it_goes_along_where_nothing_is_said(trained):
    plan, *_ = trained(*NETWORKS["plain"], Momentum(0.1), None)
    assert plan._update.joins
    assert plan._for(BATCH).updating


def test_layers_whose_gradient_reads_parameters_are_updated_after_it(trained):
    plan, *_ = trained([Dense(6), RadialBasis(4), Dense(2)], (9,), Momentum(0.1), True)
    assert plan._for(BATCH).updating is None


def test_a_batch_in_parts_is_updated_after_the_last(trained, monkeypatch):
    monkeypatch.setattr(
        module.Shares, "of", classmethod(lambda *given: None)
    )  # else units would deal the batch among themselves
    whole = trained(*NETWORKS["plain"], Momentum(0.1), True, batch=40)
    monkeypatch.setattr(module, "samples_of_part", lambda *given: 16)
    parts = trained(*NETWORKS["plain"], Momentum(0.1), True, batch=40)
    assert parts[0].report()["part"] < 40
    assert parts[0]._for(16).updating is not None  # which steps of one part take
    for found, expected in zip(parts[2], whole[2], strict=True):
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5 * np.abs(expected).max())
