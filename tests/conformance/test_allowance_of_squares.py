"""What Winograd's algorithm for 3x3 taps may err by: its formulas on absolute values, wherever tiles begin."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from gcnn.backend import Program
from gcnn.backends.numpy import BACKEND
from gcnn.conformance.allowance import evaluate, minimal_squares
from gcnn.conformance.subject import Subject
from gcnn.layers import Convolution
from gcnn.network import Network

BORDERS = [(0, 0), (1, 2), (2, 1)]


def drawn(border, samples=2, sources=3, maps=4, size=(7, 6)):
    """Values, kernels and deltas of a layer."""
    rng = np.random.default_rng(0)
    made = tuple(n + 2 * b - 2 for n, b in zip(size, border, strict=True))
    shapes = (samples, sources, *size), (maps, sources, 3, 3), (samples, maps, *made)
    return tuple(np.abs(rng.standard_normal(shape)) for shape in shapes)


def padded(x, before):
    return np.pad(x, [(0, 0), (0, 0), *((n + 3, n + 8) for n in before)])


def starts(made):
    return [(y, x) for y in range(-3, made[0]) for x in range(-3, made[1])]


@pytest.mark.parametrize("border", BORDERS)
def test_outputs_are_bounded_by_the_worst_tile_that_they_are_in(border):
    x, kernels, delta = drawn(border)
    made, values = delta.shape[2:], padded(x, border)
    filters = np.einsum("pu,ijuv,qv->ijpq", minimal_squares.G, kernels, minimal_squares.G)
    expected = np.zeros(delta.shape)
    for y, x0 in starts(made):
        seen = np.einsum(
            "ps,njst,qt->njpq", minimal_squares.B, values[:, :, y + 3 : y + 9, x0 + 3 : x0 + 9], minimal_squares.B
        )
        tile = np.einsum(
            "pa,nipq,qb->niab", minimal_squares.A, np.einsum("ijpq,njpq->nipq", filters, seen), minimal_squares.A
        )
        for a, b in np.ndindex(4, 4):
            if 0 <= y + a < made[0] and 0 <= x0 + b < made[1]:
                at = expected[:, :, y + a, x0 + b]
                np.maximum(at, tile[:, :, a, b], out=at)
    np.testing.assert_allclose(minimal_squares.correlated(x, kernels, border), expected, rtol=1e-12)


@pytest.mark.parametrize("border", BORDERS)
def test_gradients_are_bounded_by_the_worst_way_to_lay_tiles(border):
    x, kernels, delta = drawn(border)
    values, slopes = padded(x, border), padded(delta, (0, 0))
    expected = np.zeros(kernels.shape)
    for first in np.ndindex(4, 4):
        products = np.zeros((*kernels.shape[:2], 6, 6))
        for y, x0 in starts(delta.shape[2:]):
            if (y + 3) % 4 == first[0] and (x0 + 3) % 4 == first[1]:
                seen = np.einsum(
                    "ps,njst,qt->njpq",
                    minimal_squares.B,
                    values[:, :, y + 3 : y + 9, x0 + 3 : x0 + 9],
                    minimal_squares.B,
                )
                spread = np.einsum(
                    "pa,niab,qb->nipq",
                    minimal_squares.A,
                    slopes[:, :, y + 3 : y + 7, x0 + 3 : x0 + 7],
                    minimal_squares.A,
                )
                products += np.einsum("nipq,njpq->ijpq", spread, seen)
        expected = np.maximum(expected, np.einsum("pu,ijpq,qv->ijuv", minimal_squares.G, products, minimal_squares.G))
    np.testing.assert_allclose(minimal_squares.slopes(delta, x, border), expected, rtol=1e-12)


def network(**settings):
    return Network([Convolution(5, 3, padding=1, **settings)], (6, 9, 8), "mse")


@pytest.mark.parametrize("minimal_backend", [False, True])
@pytest.mark.parametrize("precision", ["default", "strict"])
def test_only_backends_that_say_so_are_allowed_more_and_not_where_the_precision_is_strict(precision, minimal_backend):
    program = Program.of(network(), precision=precision)
    claims = replace(BACKEND.capabilities, minimal=minimal_backend)
    subject = Subject(SimpleNamespace(capabilities=claims), BACKEND.devices()[0], "float32")
    rng = np.random.default_rng(0)
    theta, x, v = (rng.standard_normal(n) for n in (program.parameter_count, (2, 6, 9, 8), (2, 5, 9, 8)))
    direct, found = evaluate(program, theta, x, "float32", v), subject.reference(program, theta, x, v)
    for name in ("y_allowed", "dx_allowed", "gradient_allowed"):
        ratio = getattr(found, name) / getattr(direct, name)
        if minimal_backend and precision == "default":
            assert ratio.mean() > 3
        else:
            assert (ratio == 1).all()


@pytest.mark.parametrize(
    "layer",
    [
        Convolution(5, 3, stride=2),
        Convolution(5, 5),
        Convolution(5, 3, padding=3),
        Convolution(5, 3, shared=True),
        Convolution(2, 3, table=[[1, 0, 1, 1, 1, 1], [1, 1, 1, 1, 1, 1]]),
    ],
    ids=["stride", "taps", "padding", "shared", "table"],
)
def test_it_is_not_for_other_convolutions(layer):
    assert not minimal_squares.applies(Network([layer], (6, 9, 8), "mse").stages[0])
    assert minimal_squares.applies(network().stages[0])
