"""Mistakes in pooling and sub-sampling."""

from __future__ import annotations

import numpy as np

from gcnn.backend import Saved
from gcnn.backends.numpy.max_pooling import NumpyMaxPooling
from gcnn.backends.numpy.vanilla_subsampling import NumpyVanillaSubsampling
from gcnn.backends.numpy.weighted_subsampling import NumpyWeightedSubsampling
from gcnn.backends.numpy.windows import scatter, windows
from gcnn.conformance.mutants.mutant import Mutant
from gcnn.layers import (
    MaxPooling,
    VanillaSubsampling,
    WeightedSubsampling,
)
from gcnn.maps import Array, last_axes


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


MUTANTS = (
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
)
