"""Max pooling and both sub-samplings on a device, where the conformance cases are small or do not look."""

from __future__ import annotations

import numpy as np
import pytest

import gcnn
from gcnn.backend import Program
from gcnn.backends.accelerated import weighted_subsampling, windows
from gcnn.backends.opencl.backend import BACKEND
from gcnn.layers import Dense, MaxPooling, VanillaSubsampling, WeightedSubsampling

RTOL = 1e-12
"""A few thousand roundings of float64, of the largest value; what is wrong is off by more than 1e-3 here."""
SAMPLES = (67, 3, 1, 32)
"""Whole blocks and ragged ones, fewer after more."""
TABLE = [[1, 0, 1, 0], [0, 0, 0, 0], [1, 1, 1, 0]]
"""Map 1 reads nothing, input 3 is not read."""


def _close(found, expected, rtol=RTOL):
    np.testing.assert_allclose(found, expected, rtol=0, atol=rtol * np.abs(expected).max(initial=1.0))


def _gradient(plan):
    return plan.vectors.download(plan.gradient)


def _spoil(plan):
    """Fill the slopes of the input with NaN, so that cells that are not written show."""
    slopes = plan._bound.slopes[0]
    plan._runtime.fill(slopes, np.dtype(plan.dtype).type(np.nan), slopes.nbytes // np.dtype(plan.dtype).itemsize)


@pytest.mark.parametrize(
    ("layer", "inputs"),
    [(MaxPooling((3, 2)), (2, 10, 7)), (MaxPooling((2, 2, 3)), (2, 5, 4, 8)), (VanillaSubsampling((2, 4)), (2, 7, 9))]
    + [(VanillaSubsampling((1, 9, 2)), (2, 2, 3, 5))],
)
def test_cells_are_chosen_as_by_the_oracle_and_all_others_get_zero(plans, layer, inputs):
    plan, oracle = plans([layer], inputs, batch=67)
    rng = np.random.default_rng(1)
    for samples in SAMPLES:
        # Few whole numbers: most windows have ties.
        x = rng.integers(0, 3, (samples, *inputs)).astype(float)
        v = rng.standard_normal((samples, *oracle.program.outputs.shape))
        np.testing.assert_array_equal(plan.forward(x), oracle.forward(x))
        _spoil(plan)
        np.testing.assert_array_equal(plan.vjp(x, v), oracle.vjp(x, v))


@pytest.mark.parametrize("cells", [256, 257, 65_537])
def test_the_last_cell_of_a_window_can_win_however_many_there_are(plans, cells):
    plan, _ = plans([MaxPooling(cells)], (1, cells + 1), "float32", batch=2)
    x = np.zeros((2, 1, cells + 1), "float32")
    x[0, 0, cells - 1] = x[1, 0, 0] = 1
    # Beyond the window, and larger.
    x[:, 0, cells] = 2
    assert plan.forward(x).tolist() == [[[1]], [[1]]]
    dx = plan.vjp(x, np.array([[[3.0]], [[5.0]]]))
    assert np.argwhere(dx).tolist() == [[0, 0, cells - 1], [1, 0, 0]]
    assert dx.sum() == 8


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_first_nan_of_a_window_wins_in_its_own_sample_only(plans, dtype):
    plan, oracle = plans([MaxPooling(2)], (1, 2, 2), dtype, batch=5)
    x = np.array([[1, 2, 3, 4], [1, np.nan, 9, np.nan], [np.nan, 5, 4, 3], [7, 7, np.inf, np.nan], [-np.inf] * 4])
    x, v = x.reshape(5, 1, 2, 2), np.arange(1.0, 6).reshape(5, 1, 1, 1)
    np.testing.assert_array_equal(plan.forward(x).ravel(), [4, np.nan, np.nan, np.nan, -np.inf])
    _spoil(plan)
    np.testing.assert_array_equal(plan.vjp(x, v), oracle.vjp(x, v))


@pytest.mark.parametrize(
    ("layer", "inputs"),
    [
        (WeightedSubsampling((2, 3), activation="softplus"), (5, 7, 10)),
        (WeightedSubsampling(2, table=TABLE, activation="tanh"), (4, 5, 11)),
        (WeightedSubsampling((3, 2, 1), table=[*TABLE, [1] * 4], weights="cross"), (4, 7, 4, 2)),
        (WeightedSubsampling(2, activation="softmax"), (3, 5)),
        (WeightedSubsampling(2, table=[[0, 0]], weights="cross", activation="relu"), (2, 4, 4)),
    ],
    ids=["one-to-one", "single", "cross", "softmax", "nothing-connected"],
)
def test_weighted_sums_and_their_slopes_equal_the_oracles(plans, layer, inputs):
    plan, oracle = plans([layer], inputs, batch=67)
    rng = np.random.default_rng(2)
    for samples in SAMPLES:
        x = rng.standard_normal((samples, *inputs))
        v = rng.standard_normal((samples, *oracle.program.outputs.shape))
        _close(plan.forward(x), oracle.forward(x))
        _spoil(plan)
        _close(plan.vjp(x, v), oracle.vjp(x, v))
        _close(_gradient(plan), _gradient(oracle))
        rows = plan.sample_gradients(x, v)
        _close(rows, oracle.sample_gradients(x, v))
        _close(rows.sum(axis=0), _gradient(plan))


def test_slopes_summed_over_a_large_map_keep_the_digits_of_float32(plans):
    """65,536 equal terms added one after the other in float32 are off by 1e-3; 16 of them at a time, by 1e-6."""
    plan, _ = plans([WeightedSubsampling(1)], (1, 4096, 16), "float32", batch=1, theta=[1.0, 0.0])
    ones, tenth = np.ones((1, 1, 4096, 16)), np.float32(0.1)
    plan.vjp(ones, tenth * ones)
    np.testing.assert_allclose(_gradient(plan), 65_536 * float(tenth), rtol=16 * 2**-24)


def test_any_tiles_give_equal_bits(plans, monkeypatch):
    # Sizes that no tile divides.
    table = [[1, 1, 1, 1, 1], [1, 0, 0, 1, 0], [0, 1, 1, 1, 1]]
    layers = [MaxPooling((1, 2)), WeightedSubsampling((4, 2), table=table, weights="cross")]
    rng = np.random.default_rng(3)
    x, v = rng.standard_normal((37, 5, 9, 13)), rng.standard_normal((37, 3, 2, 3))
    results = []
    for rows, points, slopes in ((1, 8, 4), (4, 7, 3)):
        monkeypatch.setattr(windows, "ROWS_TILE", dict.fromkeys(windows.ROWS_TILE, rows))
        monkeypatch.setattr(weighted_subsampling, "POINTS_TILE", points)
        monkeypatch.setattr(weighted_subsampling, "WEIGHTS_TILE", slopes)
        plan, _ = plans(layers, (5, 9, 13), "float32")
        results.append((plan.forward(x), plan.vjp(x, v), _gradient(plan), plan.sample_gradients(x, v)))
    for other in results[1:]:
        for found, expected in zip(other, results[0], strict=True):
            np.testing.assert_array_equal(found, expected)


def test_equal_calls_give_equal_bits_after_other_data(plans):
    plan, _ = plans([MaxPooling(2), WeightedSubsampling(2, activation="tanh")], (3, 9, 8), "float32", batch=37)
    rng = np.random.default_rng(4)
    x, v = rng.standard_normal((37, 3, 9, 8)), rng.standard_normal((37, 3, 2, 2))
    first = plan.vjp(x, v), _gradient(plan), plan.sample_gradients(x, v)
    plan.vjp(3 * x[::-1], -v)
    again = plan.vjp(x, v), _gradient(plan), plan.sample_gradients(x, v)
    for one, other in zip(first, again, strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_network_learns_through_pooling_and_both_subsamplings(plans):
    rule = gcnn.optimizers.GradientDescent(0.1).rule()
    layers = [VanillaSubsampling((1, 2)), WeightedSubsampling(2, table=TABLE, activation="tanh"), MaxPooling(2)]
    plan, oracle = plans([*layers, Dense(2)], (4, 9, 19), batch=20, update=rule)
    rng = np.random.default_rng(5)
    x, t = rng.standard_normal((20, 4, 9, 19)), rng.standard_normal((20, 2))
    for _ in range(5):
        assert plan.step(x, t) == pytest.approx(oracle.step(x, t), rel=RTOL)
    _close(plan.vectors.download(plan.theta), oracle.theta)


@pytest.mark.parametrize("layer", [MaxPooling(1), VanillaSubsampling(1), WeightedSubsampling(1)])
@pytest.mark.parametrize(
    ("inputs", "reason"), [((1, 2, 2, 2, 2), "maps of 4 dimensions"), ([(2, 2), (3, 3)], "irregular maps")]
)
def test_maps_that_the_kernels_do_not_know_are_declined_when_planning(device, layer, inputs, reason):
    with pytest.raises(gcnn.Unsupported, match=reason):
        BACKEND.plan(Program.of(gcnn.Network([layer], inputs, "mse")), device, "float32", 4)
