"""Convolution whose rows of taps may be computed by minimal algorithms (Winograd 1980): what F(m, r) of up to eight products may err by.

Along the last axis taps that move by s are s rows of r taps or one less, side by side. Each gives y = A ((G w) * (B d)), summed over input
maps and rows between the transforms. On absolute values the same formula gives what roundings are relative to, and is linear in |w| and in
|d|: output number n of a tile, that at x, is

    Σ_u Σ_c K[n, u, c] |w_u| |d_{x - n + c}|,   K[n, u, c] = Σ_p |A_np| |G_pu| |B_pc|

Of every distance c - n the largest K stands, of all n and of all numbers of outputs m, wherever tiles begin, so that the bound is a
convolution with wider rows. It is added to what direct sums may err by.
"""

from __future__ import annotations

from typing import cast

import numpy as np

from gcnn.backend import Saved
from gcnn.backends.numpy.convolution import NumpyConvolution
from gcnn.backends.numpy.windows import span
from gcnn.conformance.allowance.linear import Linear
from gcnn.conformance.allowance.minimal_squares import matrices
from gcnn.conformance.allowance.rounding import SAFETY
from gcnn.layers import Convolution
from gcnn.maps import Array
from gcnn.network import Stage

POINTS: tuple[tuple[float, ...], ...] = (
    (),
    (0.0,),
    (1.0, -1.0),
    (0.0, 1.0, -1.0),
    (0.25, -0.25, 1.5, -1.5),
    (0.0, 0.5, -0.5, 2.0, -2.0),
    (0.25, -0.25, 0.875, -0.875, 1.75, -1.75),
    (0.0, 0.5, -0.5, 1.0, -1.0, 2.0, -2.0),
)
"""By how many there are besides infinity."""
PRODUCTS = len(POINTS)
TRANSFORMS = 3 * (PRODUCTS + 1)
"""Roundings besides those of the sums between: of what taps, values and products are taken through."""


def applies(stage: Stage) -> bool:
    """Whether a layer may be computed so: rows of at least two taps, a kernel for each connection."""
    layer, inputs = stage.layer, stage.inputs
    if not isinstance(layer, Convolution) or layer.shared:
        return False
    return 1 < _longest(layer.kernel_box(inputs)[-1], layer.strides(inputs)[-1]) < PRODUCTS


def _longest(taps: int, stride: int) -> int:
    """The taps of the longest of the rows side by side."""
    return -(-taps // stride)


def factors(taps: int, stride: int) -> Array:
    """(rows side by side, taps of one, distances): the largest K, for distances from -(m - 1) of the largest m on."""
    longest = _longest(taps, stride)
    before = PRODUCTS - longest
    found = np.zeros((stride, longest, before + PRODUCTS))
    for first in range(min(stride, taps)):
        count = len(range(first, taps, stride))
        if count == 1:
            found[first, 0, before] = 1.0  # a product for each output
            continue
        for made in range(2, before + 2):
            a, b, g = matrices(POINTS[made + count - 2], made, count)
            for n, own in enumerate(np.einsum("pn,pu,pc->nuc", a, g, b)):
                near = found[first, :count, before - n : before - n + made + count - 1]
                np.maximum(near, own, out=near)
    return found


class Widened(NumpyConvolution):
    """A convolution of the oracle with rows of taps as wide as what an output's tile may see, wherever it begins.

    Args:
        layer: with the rows that it has.
    """

    def __init__(self, layer: NumpyConvolution) -> None:
        super().__init__(cast(Convolution, layer.layer), layer.inputs, layer.outputs)
        self._own, self._step = self.taps[-1], self.stride[-1]
        self._factors = factors(self._own, self._step)
        _, longest, distances = self._factors.shape
        self.taps = (*self.taps[:-1], distances * self._step)
        self.padding = (*self.padding[:-1], self.padding[-1] + (PRODUCTS - longest) * self._step)
        reach = span(self.taps, self.stride, self.outputs.box)
        self.framed = tuple(max(r, n + p) for r, n, p in zip(reach, self.inputs.box, self.padding, strict=True))

    def unpack(self, theta: Array) -> tuple[Array, Array]:
        """Kernels with wide rows."""
        w, b = super().unpack(theta)
        steps, longest, _ = self._factors.shape
        taps = np.zeros((*w.shape[:-1], longest * steps))
        taps[..., : self._own] = w
        wide = np.einsum("...us,suc->...cs", taps.reshape(*w.shape[:-1], longest, steps), self._factors)
        return wide.reshape(*w.shape[:-1], -1), b

    def gradient(self, delta: Array, saved: Saved, theta: Array) -> Array:
        """Of the rows that there are; nothing of biases."""
        axes = (0, *self.axes)
        wide = np.tensordot(self.outputs.embed(delta), self.seen(saved.y_in), axes=(axes, axes))
        taps = np.einsum("...cs,suc->...us", wide.reshape(*wide.shape[:-1], -1, self._step), self._factors)
        dw = taps.reshape(*wide.shape[:-1], -1)[..., : self._own]
        return np.concatenate([dw[self.mask], np.zeros(len(dw))])


class MinimalRows(Linear):
    """Error bounds of a convolution whose rows a minimal algorithm may compute."""

    def __init__(self, layer: NumpyConvolution, theta: Array, u: float) -> None:
        super().__init__(layer, theta, u)
        self._wide, self._weights = Widened(layer), self.magnitude * self.is_weight
        self._planes = int(np.prod(layer.taps[:-1]))

    def _more(self, terms: int, total: Array) -> Array:
        return SAFETY * (terms + TRANSFORMS) * self.u * total

    def forward(self, saved: Saved, error: Array) -> Array:
        total = self._wide.combine(np.abs(saved.y_in), self._weights)[0]
        return super().forward(saved, error) + self._more(self.layer.inputs.count * self._planes, total)

    def backpropagate(self, delta: Array, delta_error: Array, saved: Saved, error: Array) -> Array:
        total = self._wide.backpropagate(np.abs(delta), saved, self._weights)
        own = super().backpropagate(delta, delta_error, saved, error)
        return own + self._more(self.layer.outputs.count * self._planes, total)

    def gradient(self, delta: Array, delta_error: Array, saved: Saved, error: Array) -> Array:
        size, y = np.abs(delta), Saved(np.abs(saved.y_in), saved.z, saved.y)
        total = self._wide.gradient(size, y, self._weights)
        terms = len(delta) * int(np.prod(self.layer.outputs.box))
        return super().gradient(delta, delta_error, saved, error) + self._more(terms, total)
