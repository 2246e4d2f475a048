"""Convolution layer (Hedberg 2015, Eqs. 60-81, Table 5; delmas, Eqs. 35-47; corrections: docs/corrections.md).

    z_i(x) = b_i + Σ_{j∈D_i} Σ_u y_j(k x + u - p) ω_ij(u)

Maps of differing sizes, lists of coordinates and kernels of differing sizes are all laid into boxes with zeros outside; the table
is a kernel that is zero where there is no connection. What remains is one sum, for any number of dimensions.
"""

from __future__ import annotations

import numpy as np

from gcnn.backend import Saved
from gcnn.backends.numpy.layer import NumpyLayer, laid_out, over_axes
from gcnn.backends.numpy.windows import frame, scatter, span, windows
from gcnn.layers import Convolution
from gcnn.maps import Array, Maps, last_axes


class NumpyConvolution(NumpyLayer):
    """ω is (maps, input maps, *taps)."""

    def __init__(self, layer: Convolution, inputs: Maps, outputs: Maps) -> None:
        super().__init__(layer, inputs, outputs)
        self.stride, self.padding, self.taps = layer.strides(inputs), layer.paddings(inputs), layer.kernel_box(inputs)
        self.shared, self.table = layer.shared, layer.connections(inputs)
        self.mask = layer.kernel_mask(inputs)
        self.kernel_count = int(self.mask.sum())
        # The box that all windows touch, and the input's place in it after padding.
        reach = span(self.taps, self.stride, outputs.box)
        self.framed = tuple(max(r, n + p) for r, n, p in zip(reach, inputs.box, self.padding, strict=True))
        self.axes = tuple(range(2, 2 + len(self.taps)))
        self.window_axes = tuple(axis + len(self.taps) for axis in self.axes)

    def unpack(self, theta: Array) -> tuple[Array, Array]:
        """θ as ω, zero where no tap exists, and b; a shared kernel ω_i stands for every ω_ij, j ∈ D_i (Remark 2)."""
        kernels, biases = theta[: self.kernel_count], theta[self.kernel_count :]
        w = laid_out(kernels, self.mask)
        return (w[:, None] * over_axes(self.table, len(self.taps)) if self.shared else w), biases

    def seen(self, y: Array) -> Array:
        """(sample, input map, *outputs, *taps): y_j(k x + u - p), zero outside."""
        framed = frame(self.inputs.embed(y), self.padding, self.framed)
        return windows(framed, self.taps, self.stride, self.outputs.box)

    def combine(self, y: Array, theta: Array) -> tuple[Array, None]:
        """Eqs. 60-62 (delmas 35, 38): the sum over connected maps and taps of y(k x + u - p) ω(u), plus one bias a map."""
        w, b = self.unpack(theta)
        z = np.tensordot(self.seen(y), w, axes=((1, *self.window_axes), (1, *self.axes)))
        z = np.moveaxis(z, -1, 1) + over_axes(b, len(self.taps))
        return self.outputs.extract(z), None

    def backpropagate(self, delta: Array, saved: Saved, theta: Array) -> Array:
        """Eqs. 66-69, strided by Remark 5's Eq. 75 (delmas 45): δ_i(x) ω_ij(u) is added to cell k x + u of input map j."""
        w, _ = self.unpack(theta)
        cells = np.moveaxis(np.tensordot(self.outputs.embed(delta), w, axes=((1,), (0,))), len(self.taps) + 1, 1)
        framed = scatter(cells, self.stride, self.framed)
        inner = framed[last_axes(slice(p, p + n) for p, n in zip(self.padding, self.inputs.box, strict=True))]
        return self.inputs.extract(inner)

    def gradient(self, delta: Array, saved: Saved, theta: Array) -> Array:
        """Eqs. 76-79 (delmas 47): Σ_x δ_i(x) y_j(k x + u - p); shared kernels: Eq. 80 summed over D_i; biases: Eq. 81."""
        boxed = self.outputs.embed(delta)
        dw = np.tensordot(boxed, self.seen(saved.y_in), axes=((0, *self.axes), (0, *self.axes)))
        if self.shared:
            dw = (dw * over_axes(self.table, len(self.taps))).sum(axis=1)
        return np.concatenate([dw[self.mask], boxed.sum(axis=(0, *self.axes))])
