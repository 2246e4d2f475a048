"""Plans whose convolutions take rows of taps by minimal algorithms give what the oracle gives, in all passes or in some."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

import gcnn
from gcnn.backends.accelerated.plan import FUSED, NARROW
from gcnn.backends.accelerated.tuning.choosers import Defaults
from gcnn.layers import Convolution, Dense, MaxPooling
from tests.opencl.beside_oracle import follows_its_parameters, oracle_of

FORWARD = "convolution_forward.forward"
BACK = "convolution_backpropagate.backpropagate"
GRADIENT = "convolution_gradient.gradient"
ALL = frozenset({FORWARD, BACK, GRADIENT})
TABLE = [[1, 1, 0], [0, 1, 1], [1, 0, 1], [1, 1, 1], [0, 0, 1]]


class Wanted(Defaults):
    """Takes minimal algorithms for rows in these passes, wherever there is a choice, and in no others."""

    def __init__(self, passes: frozenset[str] = ALL) -> None:
        self.passes, self.asked = passes, set()

    def choose(self, space, problem, layer, trial):
        if "MINIMAL" not in space.parameters:
            return space.default
        self.asked.add(problem.name)
        every = (dict(zip(space.parameters, values, strict=True)) for values in product(*space.parameters.values()))
        allowed = (tile for tile in every if all(constraint.holds(tile) for constraint in space.constraints))
        return next(tile for tile in allowed if (tile["MINIMAL"] > 0) == (problem.name in self.passes))


CASES = {
    "two layers": ([Convolution(4, 5, activation="tanh"), Convolution(3, 4, activation="softsign")], (2, 9, 13)),
    "stride and padding": ([Convolution(5, 5, stride=2), Convolution(3, (2, 3), padding=(1, 2))], (2, 13, 14)),
    "pooled": ([Convolution(5, 5, activation="tanh"), MaxPooling(2), Dense(3, activation="softmax")], (2, 11, 14)),
    "pooled by threes": ([Convolution(3, 2, activation="relu"), MaxPooling((2, 3))], (1, 7, 13)),
    "table": ([Convolution(3, 3, stride=2), Convolution(5, 5, table=TABLE)], (3, 17, 19)),
    "three dimensions": ([Convolution(3, (2, 3, 4), padding=(1, 0, 1))], (2, 3, 5, 9)),
    "tiles that overlap": ([Convolution(5, (2, 7, 7), stride=(1, 1, 2))], (7, 3, 8, 15)),
    "one dimension": ([Convolution(4, 5, activation="logistic"), Convolution(2, 3)], (3, 19)),
}


@pytest.mark.parametrize("passes", [ALL, {FORWARD}, {BACK}, {GRADIENT}], ids=["all", "forward", "back", "gradient"])
@pytest.mark.parametrize("name", CASES)
def test_they_give_what_the_oracle_gives(made, name, passes):
    layers, inputs = CASES[name]
    chooser = Wanted(frozenset(passes))
    plan, theta = made(layers, inputs, chooser, batch=37)
    assert chooser.asked == ALL
    oracle = oracle_of(plan, theta, 37)
    rng = np.random.default_rng(0)
    for samples in (37, 5):
        x, v = (rng.standard_normal((samples, *maps.shape)) for maps in (plan.program.inputs, plan.program.outputs))
        for found, expected in (
            (plan.forward(x), oracle.forward(x)),
            (plan.vjp(x, v), oracle.vjp(x, v)),
            (plan.vectors.download(plan.gradient), oracle.gradient),
            (plan.sample_gradients(x, v), oracle.sample_gradients(x, v)),
        ):
            np.testing.assert_allclose(found, expected, rtol=0, atol=1e-11 * np.abs(expected).max())
    launches = plan._for(37)
    works = {FORWARD: launches.forward, BACK: launches.slopes + launches.to_input}
    works[GRADIENT] = [work for row in launches.gradients for work in row]
    for kernel, own in works.items():
        label = kernel.replace("convolution_", "convolution_rows_")
        assert any(work.label == label for work in own) == (kernel in passes)


@pytest.mark.parametrize("passes", [ALL, {FORWARD}, {GRADIENT}], ids=["all", "forward", "gradient"])
@pytest.mark.parametrize("name", ["two layers", "tiles that overlap"])
def test_gradients_of_parts_add_up_and_those_of_calls_do_not(made, name, passes):
    layers, inputs = CASES[name]
    found = []
    for part in (None, 1):  # at least a block
        chooser = Wanted(frozenset(passes))
        plan, _ = made(layers, inputs, chooser, part=part, batch=37)
        assert chooser.asked == ALL
        rng = np.random.default_rng(0)
        x, t = (rng.standard_normal((37, *maps.shape)) for maps in (plan.program.inputs, plan.program.outputs))
        plan.loss_gradient(x, t)
        once = plan.vectors.download(plan.gradient)
        plan.loss_gradient(x, t)
        assert plan.vectors.download(plan.gradient).tobytes() == once.tobytes()
        found.append(once)
    assert plan.report()["part"] < 37
    np.testing.assert_allclose(found[1], found[0], rtol=0, atol=1e-12 * np.abs(found[0]).max())


@pytest.mark.parametrize("passes", [ALL, {GRADIENT}], ids=["all", "gradient"])
def test_units_without_samples_add_nothing(made, passes):
    """A plan for many samples, of which a few come."""
    layers, inputs = CASES["two layers"]
    plan, theta = made(layers, inputs, Wanted(frozenset(passes)), batch=64, part=1)
    assert plan._for(plan.report()["part"]).dealt
    oracle = oracle_of(plan, theta, 64)
    rng = np.random.default_rng(0)
    for samples in (64, 3):
        x, t = (rng.standard_normal((samples, *maps.shape)) for maps in (plan.program.inputs, plan.program.outputs))
        plan.loss_gradient(x, t)
        oracle.loss_gradient(x, t)
        found = plan.vectors.download(plan.gradient)
        np.testing.assert_allclose(found, oracle.gradient, rtol=0, atol=1e-12 * np.abs(oracle.gradient).max())


def test_points_of_taps_are_formed_from_the_parameters_of_every_call(made):
    plan, theta = made(*CASES["stride and padding"], Wanted())
    follows_its_parameters(plan, theta, np.random.default_rng(0).standard_normal((13, 2, 13, 14)))


@pytest.mark.parametrize(
    ("layers", "inputs"),
    [
        ([Convolution(4, 3)], (2, 8, 8)),  # Winograd's algorithm in two directions
        ([Convolution(2, 5, shared=True)], (2, 8, 8)),
        ([Convolution(4, (5, 1))], (2, 8, 1)),
        ([Convolution(4, (2, 20))], (2, 4, 24)),
    ],
    ids=["squares", "shared kernels", "one column", "long rows of taps"],
)
def test_they_are_not_offered_where_they_do_not_apply(made, layers, inputs):
    chooser = Wanted()
    made(layers, inputs, chooser)
    assert not chooser.asked


def test_they_are_not_offered_where_blocks_are_narrower_than_vectors(made):
    chooser = Wanted()
    made(*CASES["two layers"], chooser, "float32", batch=3, variant=NARROW)
    assert not chooser.asked


def test_they_pay_with_many_maps_and_not_with_few_taps(made):
    def forward(layer, inputs):
        plan, _ = made([layer], inputs, Defaults(), "float32", batch=64, variant=FUSED)
        return plan._for(64).forward[-1].label

    assert forward(Convolution(16, 5), (6, 12, 12)) == "convolution_rows_forward.forward"
    assert forward(Convolution(16, 2), (6, 12, 12)) == "convolution_forward.forward"


LENET_LIKE = gcnn.Network([Convolution(16, 5, activation="tanh"), Dense(3)], (6, 12, 12), "mse")


@pytest.mark.parametrize("precision", ["default", "strict"])
def test_strict_precision_leaves_them_out(device, precision):
    model = LENET_LIKE.bind("opencl", device=device.index, batch=64, precision=precision)
    kernels = {row["kernel"] for row in model.report()["works"]}
    assert ("convolution_rows_forward.forward" in kernels) == (precision == "default")


def test_updates_join_their_slopes(device):
    """Steps in which kernels move parameters at once end where the oracle's do."""
    rng = np.random.default_rng(0)
    x, t = rng.standard_normal((64, 6, 12, 12)), rng.standard_normal((64, 3))
    found = []
    for backend in ("opencl", "numpy"):
        index = device.index if backend == "opencl" else 0
        model = LENET_LIKE.bind(backend, device=index, dtype="float64", batch=64)
        step = gcnn.training_step(model, gcnn.optimizers.Momentum(0.001))
        losses = [step(x, t) for _ in range(4)]
        found.append((losses, model.theta))
    np.testing.assert_allclose(found[0][0], found[1][0], rtol=1e-9)
    np.testing.assert_allclose(found[0][1], found[1][1], rtol=0, atol=1e-9)
