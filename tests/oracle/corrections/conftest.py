"""Fixtures of the negative tests.

Each test computes an equation literally as printed and shows that it fails, then the corrected form. Formulas are plain
NumPy, written again from the papers; gcnn is compared where it implements the corrected form.
"""

from __future__ import annotations

import numpy as np
import pytest

from gcnn.layers import Dense


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.fixture
def output_delta(bind):
    """δ = ∂r/∂z of gcnn's last layer at pre-activation z: the bias gradient of a dense layer."""

    def delta(activation, loss, z, t):
        theta = np.concatenate([np.zeros(len(z)), z])
        model = bind([Dense(len(z), activation=activation)], 1, theta, loss=loss, reduction="sum")
        return model.loss_and_gradient(np.zeros((1, 1)), t[None])[1][len(z) :]

    return delta
