"""Winograd's algorithm gives what direct convolution gives, on shapes that its tiles do not divide, with and without a border."""

from __future__ import annotations

import numpy as np
import pytest

import gcnn
from gcnn.backends.accelerated.plan import FUSED, NARROW
from gcnn.backends.accelerated.tuning.choosers import Defaults
from gcnn.backends.accelerated.winograd import MADE
from gcnn.layers import Convolution, Dense, MaxPooling
from tests.opencl.beside_oracle import follows_its_parameters, oracle_of


class Wanted(Defaults):
    """Takes Winograd's algorithm wherever there is a choice, for tiles of so many outputs squared, of which so many maps and columns
    are kept in registers."""

    def __init__(self, winograd: int, maps: int = 1, columns: int = 1) -> None:
        self.winograd, self.tile, self.asked = winograd, (maps, columns), []

    def choose(self, space, problem, layer, trial):
        if "WINOGRAD" not in space.parameters:
            return space.default
        self.asked.append(problem.name)
        sizes = zip(("MAPS_TILE", "COLUMNS_TILE"), self.tile, strict=True)
        tile = {name: min(space.parameters[name], key=lambda n, size=size: abs(n - size)) for name, size in sizes}
        # Beside Winograd's gradient stands one tile.
        beside = {"MAPS_TILE": min(2, max(space.parameters["MAPS_TILE"])), "COLUMNS_TILE": 2, "SPLIT": 1}
        own = {**space.default, **beside} if problem.name.endswith(".gradient") else {**space.benchmark, **tile}
        wanted = {**own, "WINOGRAD": self.winograd}
        return wanted if all(constraint.holds(wanted) for constraint in space.constraints) else space.default


NAMES = {"convolution_forward.forward", "convolution_backpropagate.backpropagate", "convolution_gradient.gradient"}
CASES = {
    "odd and even": ([Convolution(5, 3, activation="tanh")], (3, 7, 8)),
    "border of one": ([Convolution(4, 3, padding=1, activation="softsign"), Convolution(3, 3, padding=1)], (2, 5, 6)),
    "border of two": ([Convolution(2, 3, padding=2), Dense(2)], (2, 4, 3)),
    "hardly larger than the taps": ([Convolution(3, 3)], (4, 3, 4)),
    "pooled": ([Convolution(7, 3, activation="tanh"), MaxPooling(2), Dense(2)], (2, 9, 12)),
    "pooled by rows": ([Convolution(3, 3, padding=1, activation="relu"), MaxPooling((2, 1))], (1, 6, 5)),
    "one map of many": ([Convolution(1, 3)], (9, 6, 6)),
    "more maps than lanes": ([Convolution(11, 3, padding=1)], (21, 4, 11)),
}


@pytest.mark.parametrize(
    ("variant", "batch", "tile"),
    [(FUSED, 13, (3, 2)), (NARROW, 3, (1, 3))],
    ids=["two blocks", "vectors side by side"],
)
@pytest.mark.parametrize("outputs", MADE)
@pytest.mark.parametrize("name", CASES)
def test_it_gives_what_the_oracle_gives(made, name, outputs, variant, batch, tile):
    layers, inputs = CASES[name]
    chooser = Wanted(outputs, *tile)
    plan, theta = made(layers, inputs, chooser, batch=batch, variant=variant)
    assert set(chooser.asked) == NAMES
    oracle = oracle_of(plan, theta, batch)
    rng = np.random.default_rng(0)
    x, v = (rng.standard_normal((batch, *maps.shape)) for maps in (plan.program.inputs, plan.program.outputs))
    for found, expected in (
        (plan.forward(x), oracle.forward(x)),
        (plan.vjp(x, v), oracle.vjp(x, v)),
        (plan.vectors.download(plan.gradient), oracle.gradient),
    ):
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12 * np.abs(expected).max())
    launches = plan._for(batch)
    gradients = [work for row in launches.gradients for work in row]
    for works in (launches.forward, launches.slopes + launches.to_input, gradients):
        assert any("winograd" in work.label and work.defines["MADE"] == outputs for work in works)


@pytest.mark.parametrize("outputs", MADE)
def test_gradients_of_parts_add_up_and_those_of_calls_do_not(made, outputs):
    layers, inputs = CASES["border of one"]
    rng = np.random.default_rng(0)
    x, t = rng.standard_normal((13, *inputs)), rng.standard_normal((13, 3, 5, 6))
    found = []
    for part in (None, 1):  # at least a block
        plan, _ = made(layers, inputs, Wanted(outputs), part=part)
        plan.loss_gradient(x, t)
        once = plan.vectors.download(plan.gradient)
        plan.loss_gradient(x, t)
        assert plan.vectors.download(plan.gradient).tobytes() == once.tobytes()
        found.append(once)
    assert plan.report()["part"] < 13
    np.testing.assert_allclose(found[1], found[0], rtol=0, atol=1e-12 * np.abs(found[0]).max())


def test_filters_are_formed_from_the_parameters_of_every_call(made):
    plan, theta = made(*CASES["odd and even"], Wanted(2))
    follows_its_parameters(plan, theta, np.random.default_rng(0).standard_normal((13, 3, 7, 8)))


@pytest.mark.parametrize(
    ("layers", "inputs"),
    [
        ([Convolution(4, 5)], (2, 8, 8)),
        ([Convolution(4, 3, stride=2)], (2, 9, 9)),
        ([Convolution(4, 3)], (2, 9)),
        ([Convolution(2, 3, table=[[1, 0], [1, 1]])], (2, 8, 8)),
        ([Convolution(2, 3, shared=True)], (2, 8, 8)),
        ([Convolution(2, 3), MaxPooling(3)], (2, 8, 8)),
    ],
    ids=["taps", "stride", "one dimension", "a table", "shared kernels", "windows of three"],
)
def test_it_is_not_offered_where_it_does_not_apply(made, layers, inputs):
    chooser = Wanted(2)
    made(layers, inputs, chooser)
    assert chooser.asked == []


def test_windows_that_only_the_larger_tiles_hold_are_pooled_by_them(made):
    chooser = Wanted(2)
    made([Convolution(5, 3), MaxPooling(4)], (2, 10, 11), chooser)
    assert chooser.asked  # there is a choice, between 0 and 4
    plan, _ = made([Convolution(5, 3), MaxPooling(4)], (2, 10, 11), Wanted(4))
    assert plan._for(13).forward[1].defines["MADE"] == 4


def test_few_maps_are_convolved_directly_and_many_by_winograd(made):
    def forward(maps, sources):
        plan, _ = made([Convolution(maps, 3, padding=1)], (sources, 16, 16), Defaults(), "float32")
        return plan._for(13).forward[1].label

    assert "winograd" not in forward(32, 1)
    assert "winograd" not in forward(4, 4)
    assert "winograd" in forward(32, 32)


def test_filters_are_formed_for_the_passes_of_a_call_and_no_others(made):
    layers = [Convolution(3, 3, padding=1), Convolution(2, 3, padding=1)]
    plan, _ = made(layers, (2, 5, 6), Wanted(2))
    launches = plan._for(13)

    def formed(to):
        return [label for launch in launches.preparation(to) for label in launch.label.split(" + ")]

    assert formed(None) == ["convolution_winograd.filters"] * 2  # forward
    assert formed(1) == ["convolution_winograd.filters"] * 3  # and from the second layer back to the first
    assert formed(0) == ["convolution_winograd.filters"] * 4  # and to the input


WIDE = gcnn.Network(
    [Convolution(32, 3, padding=1, activation="relu"), Convolution(32, 3, padding=1)], (32, 32, 32), "mse"
)


@pytest.mark.parametrize("precision", ["default", "strict"])
def test_strict_precision_leaves_it_out(device, precision):
    model = WIDE.bind("opencl", device=device.index, batch=16, precision=precision)
    kernels = {row["kernel"] for row in model.report()["works"]}
    assert ("convolution_winograd.correlate" in kernels) == (precision == "default")
    assert model.report()["precision"] == precision
    gcnn.training_step(model, gcnn.optimizers.Momentum(0.01))  # plans again
    assert model.report()["precision"] == precision


def test_an_unknown_precision_is_refused_with_what_there_is():
    with pytest.raises(gcnn.GcnnError, match=r"'high'.*default, strict"):
        WIDE.bind("numpy", precision="high")
