"""Radial basis layers: z = ρ(β ‖y - c‖^p), step by step."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from gcnn.backend import Saved
from gcnn.conformance.allowance.rounding import EXTRA, SAFETY, TRANSCENDENTAL, bounded_sum, spread
from gcnn.maps import Array


class Steps(NamedTuple):
    """Intermediate values and bounds on their errors, all (sample, units) or (sample, units, inputs)."""

    d: Array
    d_error: Array
    r: Array
    r_error: Array
    s: Array
    s_error: Array
    power_error: Array


class RadialBasis:
    """Error bounds of the oracle's radial basis layer."""

    def __init__(self, layer: Any, theta: Array, u: float) -> None:
        self.layer, self.theta, self.u = layer, theta, u
        self.centres, self.beta = layer.unpack(theta)
        self.beta_error = (TRANSCENDENTAL if layer.log else 0) * u * np.abs(self.beta)

    def _steps(self, saved: Saved, error: Array) -> Steps:
        """d = y - c, r = ‖d‖, s = β r^p."""
        layer, u = self.layer, self.u
        d, r = layer.distances(saved.y_in, self.centres)
        d_error = error.reshape(len(d), 1, -1) + SAFETY * u * np.abs(d)
        square_error = bounded_sum(d * d, 2 * np.abs(d) * d_error + d_error**2, -1, u)
        # sqrt(a + e) - sqrt(a) is at most e / (2 sqrt a), and at most sqrt e.
        r_error = np.minimum(square_error / np.where(r == 0, np.inf, r), np.sqrt(square_error)) + SAFETY * u * r
        power_error = r_error if layer.power == 1 else square_error
        s = self.beta * r**layer.power
        s_error = self.beta_error * r**layer.power + np.abs(self.beta) * power_error + SAFETY * EXTRA * u * np.abs(s)
        return Steps(d, d_error, r, r_error, s, s_error, power_error)

    def forward(self, saved: Saved, error: Array) -> Array:
        """Bound on z's error."""
        k = self._steps(saved, error)
        return spread(self.layer.rho.function, k.s, k.s_error) + SAFETY * TRANSCENDENTAL * self.u * np.abs(saved.z)

    def _slopes(self, delta: Array, delta_error: Array, saved: Saved, error: Array) -> tuple[Array, ...]:
        """δ ∂z/∂d and δ ∂z/∂β with their errors."""
        layer, u, k = self.layer, self.u, self._steps(saved, error)
        slope_of = layer.rho.derivative
        slope = delta * slope_of(k.s)
        slope_error = delta_error * np.abs(slope_of(k.s)) + (np.abs(delta) + delta_error) * spread(
            slope_of, k.s, k.s_error
        )
        slope_error = slope_error + SAFETY * TRANSCENDENTAL * u * np.abs(slope)
        if layer.power == 1:
            r = np.where(k.r == 0, 1, k.r)[..., None]
            direction = k.d / r
            direction_error = (k.d_error + np.abs(direction) * k.r_error[..., None]) / r + SAFETY * EXTRA * u
            direction_error = direction_error * (k.d_error.max(axis=-1, keepdims=True) > 0)
        else:
            direction, direction_error = 2 * k.d, 2 * k.d_error
        beta = np.abs(self.beta)
        dd, dbeta = layer.slopes(delta, saved, self.theta)
        width = (slope_error * beta + np.abs(slope) * self.beta_error)[..., None]
        dd_error = width * (np.abs(direction) + direction_error) + (np.abs(slope) * beta)[..., None] * direction_error
        dd_error = dd_error + SAFETY * EXTRA * u * np.abs(dd)
        dbeta_error = slope_error * (k.r**layer.power + k.power_error) + np.abs(slope) * k.power_error
        return dd, dd_error, dbeta, dbeta_error + SAFETY * EXTRA * u * np.abs(dbeta)

    def backpropagate(self, delta: Array, delta_error: Array, saved: Saved, error: Array) -> Array:
        """Bound on the error of ∂r/∂y."""
        dd, dd_error, _, _ = self._slopes(delta, delta_error, saved, error)
        return bounded_sum(dd, dd_error, 1, self.u).reshape(saved.y_in.shape)

    def gradient(self, delta: Array, delta_error: Array, saved: Saved, error: Array) -> Array:
        """Bound on the error of ∂r/∂c and ∂r/∂β (or ∂r/∂ log β)."""
        dd, dd_error, dbeta, dbeta_error = self._slopes(delta, delta_error, saved, error)
        width = bounded_sum(dbeta, dbeta_error, 0, self.u)
        if self.layer.log:
            width = width * self.beta + np.abs(dbeta).sum(axis=0) * (self.beta_error + EXTRA * self.u * self.beta)
        return np.concatenate([bounded_sum(dd, dd_error, 0, self.u).ravel(), width])
