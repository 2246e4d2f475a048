"""What minimal algorithms for rows of taps may err by: formulas on absolute values, with the kernels' matrices, wherever tiles begin."""

from __future__ import annotations

import numpy as np
import pytest

from gcnn.backend import Saved, find_device
from gcnn.backends.accelerated.minimal import minimal
from gcnn.backends.numpy import BACKEND
from gcnn.conformance.allowance import minimal_rows
from gcnn.layers import Convolution
from gcnn.network import Network

ROWS = [(taps, stride) for taps in range(2, 10) for stride in range(1, 5) if -(-taps // stride) in range(2, 8)]


def magnitudes(made, taps, stride):
    """|A|, |B| and |G| of an algorithm, or none where there is none of up to eight products for each of the rows side by side."""
    how = minimal(made, taps, stride)
    if how is None:
        return None
    p = np.eye(how.points)
    for k in range(0, 2 * how.pairs, 2):
        p[k : k + 2, k : k + 2] = [[1, 1], [1, -1]]
    a, b, g = (np.array(matrix, dtype=float) for matrix in (how.a, how.b, how.g))
    return np.abs(a @ p), np.abs(p @ b), np.abs(p @ g)


@pytest.mark.parametrize(("taps", "stride"), ROWS)
def test_factors_are_the_largest_of_all_algorithms_that_kernels_take(taps, stride):
    allowed = minimal_rows.factors(taps, stride)
    before = minimal_rows.PRODUCTS - -(-taps // stride)
    reached = np.zeros_like(allowed)
    for made in range(2, 9):
        matrices = magnitudes(made, taps, stride)
        if matrices is None:
            continue
        a, b, g = matrices
        k = np.einsum("np,pu,pc->nuc", a, g, b)
        for n, u, c in zip(*np.nonzero(k), strict=True):
            assert u % stride == c % stride
            own = reached[u % stride, u // stride, c // stride - n + before : c // stride - n + before + 1]
            np.maximum(own, k[n, u, c], out=own)
    np.testing.assert_allclose(allowed, reached, rtol=1e-12)


CASES = [
    (Convolution(2, 5), (3, 11)),
    (Convolution(3, 5, stride=2, padding=1), (2, 14)),
    (Convolution(2, 4, stride=3, padding=2), (2, 13)),
    (Convolution(3, 3, table=[[1, 0], [1, 1], [0, 0]]), (2, 9)),
]


@pytest.mark.parametrize(("layer", "inputs"), CASES)
def test_all_passes_are_bounded_wherever_tiles_begin(layer, inputs):
    stage = Network([layer], inputs, "mse").stages[0]
    assert minimal_rows.applies(stage)
    own = BACKEND.layer(stage, find_device(BACKEND, 0), "float64")
    rng = np.random.default_rng(0)
    theta = np.abs(rng.standard_normal(stage.parameters.stop))
    x, delta = (np.abs(rng.standard_normal((2, *maps.shape))) for maps in (stage.inputs, stage.outputs))
    w, _ = own.unpack(theta)
    (taps,), (stride,), (padding,) = w.shape[2:], own.stride, own.padding
    widened, weights = minimal_rows.Widened(own), theta.copy()
    weights[own.kernel_count :] = 0
    saved = Saved(x, delta, delta)
    bounds = (
        widened.combine(x, weights)[0],
        widened.backpropagate(delta, saved, weights),
        widened.gradient(delta, saved, weights)[: own.kernel_count],
    )
    reached = [np.zeros_like(bound) for bound in bounds]
    width, edge = delta.shape[2], 60
    values = np.pad(x, [(0, 0), (0, 0), (edge, edge)])
    slopes = np.pad(delta, [(0, 0), (0, 0), (edge, edge)])
    for made in range(2, 9):
        matrices = magnitudes(made, taps, stride)
        if matrices is None:
            continue
        a, b, g = matrices
        points = np.einsum("pu,iju->ijp", g, w)
        seen_of_tile = b.shape[1]
        for first in range(made):
            y, back, gradient = np.zeros_like(slopes), np.zeros_like(values), np.zeros_like(w)
            for x0 in range(-first, width, made):
                begin = edge + x0 * stride - padding
                d, dy = values[:, :, begin : begin + seen_of_tile], slopes[:, :, edge + x0 : edge + x0 + made]
                seen, spread = np.einsum("pc,njc->njp", b, d), np.einsum("mp,nim->nip", a, dy)
                y[:, :, edge + x0 : edge + x0 + made] += np.einsum("mp,ijp,njp->nim", a, points, seen)
                back[:, :, begin : begin + seen_of_tile] += np.einsum("pc,ijp,nip->njc", b, points, spread)
                gradient += np.einsum("pu,nip,njp->iju", g, spread, seen)
            found = y[:, :, edge : edge + width], back[:, :, edge : edge + x.shape[2]], gradient[own.mask]
            reached = [np.maximum(worst, now) for worst, now in zip(reached, found, strict=True)]
    for bound, worst in zip(bounds, reached, strict=True):
        assert (worst <= bound * (1 + 1e-12)).all()
        assert bound.sum() < 4 * worst.sum()


@pytest.mark.parametrize(
    "layer",
    [Convolution(5, (3, 1)), Convolution(5, 3, stride=3), Convolution(5, 3, shared=True), Convolution(5, (1, 8))],
    ids=["one tap", "taps apart", "shared", "long"],
)
def test_they_are_not_for_other_convolutions(layer):
    assert not minimal_rows.applies(Network([layer], (6, 9, 9), "mse").stages[0])
