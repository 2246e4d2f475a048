"""Losses: the reduced loss and δ of the last layer, for z and y that err."""

from __future__ import annotations

import numpy as np

from gcnn import activations as names
from gcnn.backend import Program, Saved
from gcnn.backends.numpy.activations import formula
from gcnn.backends.numpy.losses import CLOSED, any_pair
from gcnn.conformance.allowance import activations
from gcnn.conformance.allowance.rounding import EXTRA, SAFETY, TRANSCENDENTAL, spread
from gcnn.maps import Array


def loss_and_delta(
    program: Program, saved: Saved, t: Array, z_error: Array, y_error: Array, u: float
) -> tuple[float, Array]:
    """Bounds on the errors of the loss and of δ."""
    assert program.loss is not None
    loss, n = program.loss, len(t)
    activation = names.get(program.stages[-1].layer.activation).name
    z, y, targets, z_e, y_e = (a.reshape(n, -1) for a in (saved.z, saved.y, t, z_error, y_error))
    w = np.ones(y.shape[1]) if loss.weights is None else np.asarray(loss.weights)
    if (loss.name, activation) == ("cross_entropy", "softmax"):
        terms, term_error, delta_error = _cross_entropy_softmax(z, y, w * targets, z_e, y_e, u)
    elif closed := CLOSED.get((loss.name, activation)):
        terms, slope = closed(z, y, targets, w)
        phi = formula(activation).function
        term_error = spread(lambda s: closed(s, phi(s), targets, w)[0], z, z_e)
        delta_error = spread(lambda s: closed(s, phi(s), targets, w)[1], z, z_e)
        # Single terms may exceed their sum: z t and max(z, 0) cancel, and so do y and t.
        term_error = term_error + SAFETY * TRANSCENDENTAL * u * w * (np.abs(terms) + np.abs(z) + 1)
        delta_error = (
            delta_error + w * y_e + SAFETY * TRANSCENDENTAL * u * (np.abs(slope) + w * (np.abs(y) + np.abs(targets)))
        )
    else:
        pair = any_pair(loss.name, 2 * u)
        terms, slope = pair(z, y, targets, w)
        term_error = spread(lambda s: pair(z, s, targets, w)[0], y, y_e) + SAFETY * TRANSCENDENTAL * u * np.abs(terms)
        slope_error = spread(lambda s: pair(z, s, targets, w)[1], y, y_e) + SAFETY * TRANSCENDENTAL * u * np.abs(slope)
        shape = saved.y.shape
        delta_error = activations.delta(
            activation, slope.reshape(shape), slope_error.reshape(shape), saved, z_error, y_error, u
        )
    scale = loss.scale(n, y.shape[1])
    total = term_error.sum() + SAFETY * (terms.size + EXTRA) * u * np.abs(terms).sum()
    delta = closed_delta = delta_error.reshape(saved.y.shape) * scale
    return float(total) * scale, delta + SAFETY * u * closed_delta


def _cross_entropy_softmax(
    z: Array, y: Array, t: Array, z_e: Array, y_e: Array, u: float
) -> tuple[Array, Array, Array]:
    """r = -t log y with log y = z - max - log Σ exp; δ = T y - t."""
    shift = z - z.max(axis=1, keepdims=True)
    log_y = shift - np.log(np.exp(shift).sum(axis=1, keepdims=True))
    rounded = SAFETY * (z.shape[1] + TRANSCENDENTAL) * u
    term_error = np.abs(t) * (2 * z_e.max(axis=1, keepdims=True) + rounded * (np.abs(shift) + np.abs(log_y) + 1))
    total = np.abs(t).sum(axis=1, keepdims=True)
    return -t * log_y, term_error, total * y_e + rounded * (total * y + np.abs(t))
