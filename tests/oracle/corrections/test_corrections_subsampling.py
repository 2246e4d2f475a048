"""Hedberg, section 3.4: pooling and sub-sampling."""

from __future__ import annotations

import numpy as np
import pytest

from gcnn.layers import Convolution, MaxPooling, VanillaSubsampling, WeightedSubsampling
from tests.oracle.corrections.formulas import ROUNDING, WRONG


@pytest.mark.equations("H86", "H91", "H92", "H93", "H98", "H100", "HT6", "HT7")
@pytest.mark.parametrize(
    ("size", "window", "outside"), [((7, 9), (3, 2), 15), ((5, 5), (2, 2), 9), ((6, 8), (3, 2), 0)]
)
def test_cells_beyond_the_last_complete_window_ask_for_a_delta_that_is_not_there(bind, rng, size, window, outside):
    made = (size[0] // window[0], size[1] // window[1])
    owners = [(x // window[0], y // window[1]) for x, y in np.ndindex(size)]
    inside = np.array([a < made[0] and b < made[1] for a, b in owners]).reshape(size)
    assert (~inside).sum() == outside
    y, delta = rng.standard_normal((1, 1, *size)), rng.standard_normal((1, 1, *made))
    expected = np.array([delta[0, 0, a, b] if a < made[0] and b < made[1] else 0.0 for a, b in owners]).reshape(size)
    weighted = bind([WeightedSubsampling(window)], (1, *size), [0.5, 0])
    assert weighted.network.outputs.box == made
    np.testing.assert_array_equal(weighted.vjp(y, delta)[1][0, 0], 0.5 * expected)
    pooled = bind([MaxPooling(window)], (1, *size))
    assert not pooled.vjp(y, delta)[1][0, 0][~inside].any()


@pytest.mark.equations("H93", "H96", "HT6")
def test_single_weights_with_connections_pass_back_the_weight_of_the_receiving_map(
    bind, complex_step, relative_error, rng
):
    table = np.array([[1, 1], [0, 1]], dtype=bool)
    y, alpha, delta = rng.standard_normal((2, 4, 4)), np.array([0.5, -2.0]), rng.standard_normal((2, 2, 2))

    def forward(y):
        sums = y.reshape(2, 2, 2, 2, 2).sum(axis=(2, 4))
        return alpha[:, None, None] * np.einsum("ij,jxy->ixy", table, sums)

    reference = complex_step(lambda moved: (delta * forward(moved)).sum(), y)
    blocks = np.repeat(np.repeat(delta, 2, axis=1), 2, axis=2)
    printed = alpha[:, None, None] * blocks  # Eq. 93: α and δ of map j itself
    assert relative_error(printed, reference) > WRONG
    corrected = np.einsum("ij,ixy->jxy", table * alpha[:, None], blocks)
    assert relative_error(corrected, reference) <= ROUNDING
    model = bind([WeightedSubsampling(2, table=table)], (2, 4, 4), [*alpha, 0, 0])
    assert relative_error(model.vjp(y[None], delta[None])[1][0], reference) <= ROUNDING


@pytest.mark.equations("H100", "HT7")
def test_the_printed_max_pooling_delta_multiplies_at_ties(bind):
    y = np.array([[1.0, 5, 2, 0], [3, 4, 2, 2], [7, 7, -1, -2], [0, 7, -3, -1]])
    delta = np.array([[1.0, 2], [3, 4]])
    blocks = y.reshape(2, 2, 2, 2).max(axis=(1, 3))
    printed = (y == np.repeat(np.repeat(blocks, 2, 0), 2, 1)) * np.repeat(np.repeat(delta, 2, 0), 2, 1)
    assert printed.sum() == 24  # 1 + 3·2 + 3·3 + 2·4, where δ sums to 10
    first = np.array([[0.0, 1, 2, 0], [0, 0, 0, 0], [3, 0, 4, 0], [0, 0, 0, 0]])
    assert first.sum() == delta.sum()
    model = bind([MaxPooling(2)], (1, 4, 4))
    np.testing.assert_array_equal(model.vjp(y[None, None], delta[None, None])[1][0, 0], first)
    # Moving the whole block of ties moves the maximum once: the directional derivative is δ, not 3 δ.
    moved = y + 1e-6 * (y == 7)
    change = (model.forward(moved[None, None]) - model.forward(y[None, None]))[0, 0, 1, 0] / 1e-6
    assert change == pytest.approx(1, rel=1e-6)


@pytest.mark.equations("H101", "H103", "HT8")
@pytest.mark.parametrize(("size", "k", "outside"), [((7, 9), (3, 2), 7), ((5, 5), (2, 2), 5), ((10, 10), (3, 3), 7)])
def test_vanilla_subsampling_with_floor_sizes_loses_kept_cells(bind, rng, size, k, outside):
    kept = [x for x in np.ndindex(size) if x[0] % k[0] == 0 and x[1] % k[1] == 0]
    floor = [size[0] // k[0], size[1] // k[1]]
    assert sum(x // k[0] >= floor[0] or y // k[1] >= floor[1] for x, y in kept) == outside
    ceil = (-(-size[0] // k[0]), -(-size[1] // k[1]))
    assert len(kept) == ceil[0] * ceil[1]
    model = bind([VanillaSubsampling(k)], (1, *size))
    assert model.network.outputs.box == ceil
    y, w = rng.standard_normal(size), rng.standard_normal((2, 2))
    np.testing.assert_array_equal(model.forward(y[None, None])[0, 0], y[:: k[0], :: k[1]])
    # Only so does a strided convolution equal a convolution followed by sub-sampling (Remark 4).
    theta = [*w.ravel(), 0]
    strided = bind([Convolution(1, 2, stride=k)], (1, *size), theta).forward(y[None, None])
    sampled = bind([Convolution(1, 2), VanillaSubsampling(k)], (1, *size), theta).forward(y[None, None])
    np.testing.assert_allclose(strided, sampled, rtol=ROUNDING, atol=ROUNDING)
