"""Mistakes in layers: the classical ones, and the papers' own misprints."""

from __future__ import annotations

from typing import Any

import numpy as np

from gcnn.backend import Saved
from gcnn.backends.numpy.activation import NumpyActivation
from gcnn.backends.numpy.activations import Formula
from gcnn.backends.numpy.convolution import NumpyConvolution
from gcnn.backends.numpy.dense import NumpyDense
from gcnn.backends.numpy.feature_map import NumpyFeatureMap
from gcnn.backends.numpy.flatten import NumpyFlatten
from gcnn.backends.numpy.max_pooling import NumpyMaxPooling
from gcnn.backends.numpy.radial_basis import NumpyRadialBasis
from gcnn.backends.numpy.vanilla_subsampling import NumpyVanillaSubsampling
from gcnn.backends.numpy.weighted_subsampling import NumpyWeightedSubsampling
from gcnn.backends.numpy.windows import scatter, windows
from gcnn.conformance.mutants.mutant import Mutant
from gcnn.layers import (
    Activation,
    Convolution,
    Dense,
    FeatureMap,
    Flatten,
    MaxPooling,
    RadialBasis,
    VanillaSubsampling,
    WeightedSubsampling,
)
from gcnn.maps import Array, last_axes


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


class TiesToAll(NumpyMaxPooling):
    """Eq. 100 as printed: every cell equal to the maximum gets the whole delta."""

    def backpropagate(self, delta: Array, saved: Saved, theta: Array) -> Array:
        seen = windows(self.inputs.embed(saved.y_in), self.window, self.window, self.outputs.box)
        best = self.outputs.embed(saved.z)[last_axes([None] * len(self.window))]
        spread = self.outputs.embed(delta)[last_axes([None] * len(self.window))]
        return self.inputs.extract(scatter((seen == best) * spread, self.window, self.inputs.box))


class LastTieWins(NumpyMaxPooling):
    """The last maximum of a window in place of the first."""

    def combine(self, y: Array, theta: Array) -> tuple[Array, Array]:
        z, _ = super().combine(y, theta)
        seen = windows(self.inputs.embed(y), self.window, self.window, self.outputs.box)
        cells = seen.reshape(*seen.shape[: seen.ndim - len(self.window)], -1)
        return z, cells.shape[-1] - 1 - cells[..., ::-1].argmax(axis=-1)


class LosesNan(NumpyMaxPooling):
    """A comparison that a NaN never wins."""

    def combine(self, y: Array, theta: Array) -> tuple[Array, Array]:
        return super().combine(np.where(np.isnan(y), -np.inf, y), theta)


class WeightOfTheSender(NumpyWeightedSubsampling):
    """Single weights on the way back: α_j of the map that sent, not α_i of the one that received."""

    def backpropagate(self, delta: Array, saved: Saved, theta: Array) -> Array:
        if not self.single or self.mask.shape[0] > self.table.shape[1]:
            return super().backpropagate(delta, saved, theta)
        alpha = theta[: self.weight_count]
        return super().backpropagate(delta, saved, np.concatenate([np.roll(alpha, 1), theta[self.weight_count :]]))


class MeanWindow(NumpyWeightedSubsampling):
    """Windows averaged in place of summed."""

    def sums(self, y: Array) -> Array:
        return super().sums(y) / np.prod(self.window)


class LeakingRemainder(NumpyWeightedSubsampling):
    """Cells beyond the last complete window take the nearest window's delta, as the floor of Eq. 92 reads unguarded."""

    def backpropagate(self, delta: Array, saved: Saved, theta: Array) -> Array:
        dy = super().backpropagate(delta, saved, theta)
        if self.inputs.uniform and self.inputs.box[0] % self.window[0]:
            last = self.outputs.box[0] * self.window[0]
            dy[:, :, last:] = dy[:, :, last - 1 : last]
        return dy


class EveryCellGetsDelta(NumpyVanillaSubsampling):
    """Eq. 103 without its indicator: the delta repeated over the whole block."""

    def backpropagate(self, delta: Array, saved: Saved, theta: Array) -> Array:
        dy = super().backpropagate(delta, saved, theta)
        return dy + 0 * dy + (np.roll(dy, 1, axis=-1) if dy.shape[-1] > 1 else 0)


class ForgottenLogarithm(NumpyRadialBasis):
    """∂r/∂β returned where log β is the parameter."""

    def gradient(self, delta: Array, saved: Saved, theta: Array) -> Array:
        gradient = super().gradient(delta, saved, theta)
        if self.log:
            gradient[-self.units :] /= self.unpack(theta)[1]
        return gradient


class NanAtTheCentre(NumpyRadialBasis):
    """0 / 0 where the input meets a centre."""

    def distances(self, y: Array, centres: Array) -> tuple[Array, Array]:
        d, r = super().distances(y, centres)
        return d, np.where(r == 0, np.nan, r)


class ExpandedSquare(NumpyRadialBasis):
    """‖y - c‖² as ‖y‖² + ‖c‖² - 2 y·c, which cancels far from the origin."""

    def distances(self, y: Array, centres: Array) -> tuple[Array, Array]:
        d, _ = super().distances(y, centres)
        flat = y.reshape(len(y), -1)
        square = (flat * flat).sum(axis=1)[:, None] + (centres * centres).sum(axis=1) - 2 * flat @ centres.T
        return d, np.sqrt(np.maximum(square, 0))


class LostFactor(NumpyFeatureMap):
    """Squares differentiated as products of different inputs: x² gives x, not 2 x."""

    def backpropagate(self, delta: Array, saved: Saved, theta: Array) -> Array:
        dx = super().backpropagate(delta, saved, theta)
        return dx - delta[:, -1:] * saved.y_in.reshape(len(delta), -1)[:, -1:] if dx.ndim == 2 else dx


class ReversedMaps(NumpyFlatten):
    """Maps laid end to end in reverse."""

    def combine(self, y: Array, theta: Array) -> tuple[Array, None]:
        return super().combine(y[:, ::-1], theta)


class UnshiftedSoftmax(NumpyActivation):
    """exp without the shift by the largest logit."""

    def __init__(self, layer: Activation, inputs: Any, outputs: Any) -> None:
        super().__init__(layer, inputs, outputs)
        if layer.activation == "softmax":
            self.phi = Formula(_unshifted, self.phi.delta)


def _unshifted(z: Array) -> Array:
    with np.errstate(over="ignore", invalid="ignore"):
        e = np.exp(z.reshape(len(z), -1))
        return (e / e.sum(axis=1, keepdims=True)).reshape(z.shape)


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
    Mutant("ties-to-all", "every tied maximum gets the whole delta", "max-pooling/ties", {MaxPooling: TiesToAll}),
    Mutant("last-tie-wins", "the last of tied maxima wins", "max-pooling/ties", {MaxPooling: LastTieWins}),
    Mutant("loses-nan", "max pooling hides a NaN", "max-pooling/nan-wins", {MaxPooling: LosesNan}),
    Mutant(
        "weight-of-the-sender",
        "α of the wrong map on the way back",
        "weighted-subsampling/plain",
        {WeightedSubsampling: WeightOfTheSender},
    ),
    Mutant("mean-window", "sub-sampling averages", "weighted-subsampling/plain", {WeightedSubsampling: MeanWindow}),
    Mutant(
        "leaking-remainder",
        "cells beyond the last window get a gradient",
        "weighted-subsampling/remainder",
        {WeightedSubsampling: LeakingRemainder},
    ),
    Mutant(
        "every-cell",
        "vanilla sub-sampling spreads its delta",
        "vanilla-subsampling/plain",
        {VanillaSubsampling: EveryCellGetsDelta},
    ),
    Mutant(
        "forgotten-logarithm",
        "gradient by β where log β is trained",
        "radial-basis/power-1",
        {RadialBasis: ForgottenLogarithm},
    ),
    Mutant(
        "nan-at-the-centre",
        "radial basis divides by a distance of 0",
        "radial-basis/at-its-centre",
        {RadialBasis: NanAtTheCentre},
    ),
    Mutant(
        "expanded-square",
        "distances that cancel far from the origin",
        "radial-basis/far-from-the-origin",
        {RadialBasis: ExpandedSquare},
    ),
    Mutant("lost-factor", "x² differentiated as x", "feature-map/monomials/2", {FeatureMap: LostFactor}),
    Mutant("reversed-maps", "maps flattened in reverse", "flatten/images", {Flatten: ReversedMaps}),
    Mutant("unshifted-softmax", "softmax that overflows", "activation/softmax/extreme", {Activation: UnshiftedSoftmax}),
)
