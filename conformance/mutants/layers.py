"""Mistakes in dense layers and convolutions: the classical ones, and the papers' own misprints."""

from __future__ import annotations

from typing import Any

import numpy as np

from gcnn.backend import Saved
from gcnn.backends.numpy.convolution import NumpyConvolution
from gcnn.backends.numpy.dense import NumpyDense
from gcnn.conformance.mutants.mutant import Mutant
from gcnn.layers import (
    Convolution,
    Dense,
)
from gcnn.maps import Array


class MissingBias(NumpyConvolution):
    """Table 5 as printed: the feed-forward row has no bias."""

    def unpack(self, theta: Array) -> tuple[Array, Array]:
        w, b = super().unpack(theta)
        return w, np.zeros_like(b)


class SwappedTable(NumpyConvolution):
    """A square table read as (inputs, maps)."""

    def __init__(self, layer: Convolution, inputs: Any, outputs: Any) -> None:
        square = layer.table is not None and len(layer.table) == len(layer.table[0]) and not layer.shared
        super().__init__(layer, inputs, outputs)
        if square and self.mask.sum() == self.mask.swapaxes(0, 1).sum():
            self.mask = self.mask.swapaxes(0, 1)


class UnrotatedKernel(NumpyConvolution):
    """Deltas correlated with the kernel itself, not the kernel turned by 180 degrees (Eqs. 72-74)."""

    def backpropagate(self, delta: Array, saved: Saved, theta: Array) -> Array:
        turned = theta.copy()
        kernels = turned[: self.kernel_count]
        if self.kernel_count == self.mask.size:
            kernels[...] = np.flip(kernels.reshape(self.mask.shape), axis=tuple(range(-len(self.taps), 0))).ravel()
        return super().backpropagate(delta, saved, turned)


class SwappedStrides(NumpyConvolution):
    """The strides of the two axes exchanged on the way back."""

    def backpropagate(self, delta: Array, saved: Saved, theta: Array) -> Array:
        right = self.stride
        self.stride = right[::-1]
        try:
            return super().backpropagate(delta, saved, theta)
        except ValueError:  # the wrong strides may leave the image; the mutant then finds nothing there
            return np.zeros_like(saved.y_in)
        finally:
            self.stride = right


class ForgottenPadding(NumpyConvolution):
    """The input gradient cut from the corner of the padded image."""

    def backpropagate(self, delta: Array, saved: Saved, theta: Array) -> Array:
        right = self.padding
        self.padding = (0,) * len(right)
        try:
            return super().backpropagate(delta, saved, theta)
        finally:
            self.padding = right


class SharedOverOutputs(NumpyConvolution):
    """Eq. 80 as printed sums over C_i; here, over all inputs, connected or not."""

    def gradient(self, delta: Array, saved: Saved, theta: Array) -> Array:
        right = self.table
        self.table = np.ones_like(right)
        try:
            return super().gradient(delta, saved, theta)
        finally:
            self.table = right


class OffByOneTail(NumpyDense):
    """Units computed four at a time; those that fill no tile are computed from one input less."""

    def combine(self, y: Array, theta: Array) -> tuple[Array, None]:
        z, _ = super().combine(y, theta)
        tail = z.shape[1] - z.shape[1] % 4
        w, _ = self.unpack(theta)
        z[:, tail:] -= y.reshape(len(y), -1)[:, -1:] * w[tail:, -1]
        return z, None


class FortranOrder(NumpyDense):
    """Images read with the first axis fastest."""

    def combine(self, y: Array, theta: Array) -> tuple[Array, None]:
        return super().combine(np.stack([sample.ravel(order="F") for sample in y]), theta)


class HalfPrecision(NumpyDense):
    """Sums kept in half precision."""

    def combine(self, y: Array, theta: Array) -> tuple[Array, None]:
        z, _ = super().combine(y, theta)
        with np.errstate(over="ignore"):
            return z.astype(np.float16).astype(z.dtype), None


class ForgottenSlope(NumpyDense):
    """δ = ∂r/∂y: the layer's own φ' left out."""

    def delta(self, dy: Array, saved: Saved) -> Array:
        return dy


MUTANTS = (
    Mutant("missing-bias", "a convolution without its bias", "convolution/plain", {Convolution: MissingBias}),
    Mutant(
        "swapped-table",
        "a square connection table read transposed",
        "convolution/table/square-and-lopsided",
        {Convolution: SwappedTable},
    ),
    Mutant(
        "unrotated-kernel",
        "deltas correlated with the unrotated kernel",
        "convolution/plain",
        {Convolution: UnrotatedKernel},
    ),
    Mutant(
        "swapped-strides",
        "strides of the axes exchanged on the way back",
        "convolution/stride/per-axis",
        {Convolution: SwappedStrides},
    ),
    Mutant(
        "forgotten-padding",
        "input gradient not shifted by the padding",
        "convolution/padding/same",
        {Convolution: ForgottenPadding},
    ),
    Mutant(
        "shared-over-all",
        "a shared kernel's gradient summed over unconnected inputs",
        "convolution/shared/table",
        {Convolution: SharedOverOutputs},
    ),
    Mutant("off-by-one-tail", "units that fill no tile miss their last input", "dense/plain", {Dense: OffByOneTail}),
    Mutant(
        "fortran-order",
        "images flattened with the first axis fastest",
        "dense/images-in-c-order",
        {Dense: FortranOrder},
    ),
    Mutant("half-precision", "sums rounded to half precision", "dense/plain", {Dense: HalfPrecision}),
    Mutant("forgotten-slope", "δ without φ'", "dense/primes", {Dense: ForgottenSlope}),
)
