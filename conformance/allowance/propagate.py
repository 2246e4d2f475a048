"""Run a program on the oracle in float64 and carry error bounds along, forward and back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from gcnn import activations as names
from gcnn import layers
from gcnn.backend import Program, Saved, find_device
from gcnn.backends.numpy import BACKEND
from gcnn.backends.numpy.losses import NumpyLoss
from gcnn.conformance.allowance import activations, minimal_rows, minimal_squares
from gcnn.conformance.allowance.feature_map import FeatureMap
from gcnn.conformance.allowance.linear import Linear
from gcnn.conformance.allowance.losses import loss_and_delta
from gcnn.conformance.allowance.radial_basis import RadialBasis
from gcnn.conformance.allowance.rounding import EXTRA, SAFETY, floor, unit_roundoff
from gcnn.conformance.allowance.selection import MaxPooling, Selection
from gcnn.maps import Array
from gcnn.network import Stage


class Bounds(Protocol):
    """Error bounds of one layer: see `Linear` for the meaning of the methods."""

    def forward(self, saved: Saved, error: Array) -> Array: ...
    def backpropagate(self, delta: Array, delta_error: Array, saved: Saved, error: Array) -> Array: ...
    def gradient(self, delta: Array, delta_error: Array, saved: Saved, error: Array) -> Array: ...


RULES: dict[type[layers.Layer], Any] = {
    layers.Activation: Selection,
    layers.Convolution: Linear,
    layers.Dense: Linear,
    layers.FeatureMap: FeatureMap,
    layers.Flatten: Selection,
    layers.MaxPooling: MaxPooling,
    layers.RadialBasis: RadialBasis,
    layers.VanillaSubsampling: Selection,
    layers.WeightedSubsampling: Linear,
}


@dataclass(frozen=True)
class Reference:
    """What the oracle computes in float64, and how far a backend may be from it.

    Attributes:
        y, y_allowed: the output.
        loss, loss_allowed: the loss, where targets were given.
        gradient, gradient_allowed: by θ, of <v, y> or of the loss.
        dx, dx_allowed: by x.
        layer_inputs: what each layer reads, float64.
    """

    y: Array
    y_allowed: Array
    gradient: Array
    gradient_allowed: Array
    dx: Array
    dx_allowed: Array
    layer_inputs: tuple[Array, ...]
    loss: float = 0.0
    loss_allowed: float = 0.0


def evaluate(
    program: Program,
    theta: Array,
    x: Array,
    dtype: str,
    v: Array | None = None,
    t: Array | None = None,
    minimal: bool = False,
) -> Reference:
    """The vector-Jacobian product for a cotangent `v` of the output, or loss and gradient for targets `t`; where convolutions may be
    computed by `minimal` algorithms, with what these may err by.
    """
    u, tiny = unit_roundoff(dtype), floor(dtype)
    stack: list[Any] = [BACKEND.layer(stage, find_device(BACKEND, 0), "float64") for stage in program.stages]
    thetas = [theta[stage.parameters] for stage in program.stages]
    rules: list[Bounds] = [
        _rule(stage, minimal)(layer, own, u) for stage, layer, own in zip(program.stages, stack, thetas, strict=True)
    ]
    phis = [names.get(stage.layer.activation).name for stage in program.stages]

    saved: list[Saved] = []
    inputs, errors, z_errors = x, [np.zeros_like(x)], []
    for layer, own, rule, phi in zip(stack, thetas, rules, phis, strict=True):
        saved.append(layer.forward(inputs, own))
        z_errors.append(rule.forward(saved[-1], errors[-1]))
        errors.append(activations.forward(phi, saved[-1], z_errors[-1], u) + tiny * (phi != "identity"))
        inputs = saved[-1].y

    loss = loss_error = 0.0
    if t is not None:
        loss, delta = NumpyLoss(program, 2 * u).evaluate(saved[-1], t)
        loss_error, delta_error = loss_and_delta(program, saved[-1], t, z_errors[-1], errors[-1], u)
        delta_error = delta_error + SAFETY * EXTRA * u * np.abs(delta)
    else:
        assert v is not None
        delta, delta_error = _through_phi(
            phis[-1], stack[-1], v, np.zeros_like(v), saved[-1], z_errors[-1], errors[-1], u
        )

    gradient, gradient_error = np.zeros_like(theta), np.zeros_like(theta)
    for number in reversed(range(len(stack))):
        layer, own, rule, part = stack[number], thetas[number], rules[number], program.stages[number].parameters
        gradient[part] = layer.gradient(delta, saved[number], own)
        gradient_error[part] = rule.gradient(delta, delta_error, saved[number], errors[number])
        dy = layer.backpropagate(delta, saved[number], own)
        dy_error = rule.backpropagate(delta, delta_error, saved[number], errors[number])
        if number:
            below = number - 1
            delta, delta_error = _through_phi(
                phis[below], stack[below], dy, dy_error, saved[below], z_errors[below], errors[number], u
            )
    return Reference(
        saved[-1].y,
        errors[-1] + tiny,
        gradient,
        gradient_error + tiny,
        dy,
        dy_error + tiny,
        tuple(s.y_in for s in saved),
        loss,
        loss_error + tiny,
    )


def _rule(stage: Stage, minimal: bool) -> Any:
    """What bounds a layer's errors."""
    if minimal and minimal_squares.applies(stage):
        return minimal_squares.MinimalSquares
    if minimal and minimal_rows.applies(stage):
        return minimal_rows.MinimalRows
    return RULES[type(stage.layer)]


def _through_phi(
    phi: str, layer: Any, dy: Array, dy_error: Array, saved: Saved, z_error: Array, y_error: Array, u: float
) -> tuple[Array, Array]:
    return layer.delta(dy, saved), activations.delta(phi, dy, dy_error, saved, z_error, y_error, u)
