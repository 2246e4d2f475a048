"""What the oracle's tests share: derivatives by the complex step, and index sets as the papers write them.

Nothing here calls the oracle's own helpers. The complex step gives f'(x) = Im f(x + ih) / h without a subtraction, so
with h = 1e-30 it is exact to rounding, and the allowed relative error is 1e-12 (typically measured: 1e-15).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import product
from typing import Any

import numpy as np
import pytest

from gcnn import Maps, Model, Network
from gcnn.layers import Layer

STEP = 1e-30
ALLOWED = 1e-12


def _complex_step(f: Callable[[Any], Any], x: Any) -> Any:
    """The derivative of f by every cell of x: (*shape of x, *shape of f)."""
    rows = []
    for cell in np.ndindex(x.shape):
        moved = x.astype(np.complex128)
        moved[cell] += 1j * STEP
        rows.append(np.imag(f(moved)) / STEP)
    return np.array(rows).reshape(*x.shape, *np.shape(rows[0]) if rows else ())


def _input_step(forward: Callable[[Any], Any], x: Any, v: Any) -> Any:
    """∂<v, y>/∂x of one sample, by one forward pass of a batch in which copy n moves cell n."""
    moved = x.ravel() + 1j * STEP * np.eye(x.size)
    outputs = forward(moved.reshape(-1, *x.shape)).reshape(x.size, -1)
    return (np.imag(outputs @ v.ravel()) / STEP).reshape(x.shape)


def _relative_error(value: Any, reference: Any) -> float:
    """Largest difference over largest reference; the difference itself where the reference is all zero."""
    error, scale = np.abs(value - reference).max(initial=0.0), np.abs(reference).max(initial=0.0)
    return float(error / scale) if scale else float(error)


@pytest.fixture(scope="session")
def complex_step() -> Callable[..., Any]:
    """`complex_step(f, x)`: the derivative of an analytic f by every cell of x."""
    return _complex_step


@pytest.fixture(scope="session")
def relative_error() -> Callable[..., float]:
    """`relative_error(value, reference)`: largest difference over largest reference."""
    return _relative_error


@pytest.fixture(scope="session")
def bind() -> Callable[..., Model]:
    """`bind(layers, input_shape, theta=None, dtype="float64", **network)`: a model on the oracle, θ set where given."""

    def bind(
        layers: Sequence[Layer], input_shape: Any, theta: Any = None, dtype: str = "float64", **network: Any
    ) -> Model:
        model = Network(layers, input_shape, **{"loss": "mse", **network}).bind("numpy", dtype=dtype)
        if theta is not None:
            model.theta = np.asarray(theta)
        return model

    return bind


@pytest.fixture(scope="session")
def keys() -> Callable[[Maps], list[tuple[int, tuple[int, ...]]]]:
    """`keys(maps)`: (map i, coordinate x) of every value, in order.

    So a value is `dict(zip(keys(maps), y.ravel()))`, and `.get(key, 0)` on it is the papers' "zero outside" (delmas,
    footnote 6).
    """

    def points(domain: Any) -> list[tuple[int, ...]]:
        listed = bool(domain) and isinstance(domain[0], tuple)
        return list(domain) if listed else list(product(*map(range, domain)))

    return lambda maps: [(i, x) for i, domain in enumerate(maps) for x in points(domain)]


@pytest.fixture(scope="session")
def check_gradients() -> Callable[..., None]:
    """`check_gradients(layers, input_shape, loss="mse", seed=0, samples=2, **network)`: against the complex step.

    Random θ, inputs, targets and cotangents. Compared are, each block of parameters by itself, the loss gradient
    (Eqs. 6-8) and both gradients of `vjp`, by θ and by the input.
    """

    def check(
        layers: Sequence[Layer], input_shape: Any, loss: str = "mse", seed: int = 0, samples: int = 2, **network: Any
    ) -> None:
        net = Network(layers, input_shape, loss=loss, **network)
        rng = np.random.default_rng(seed)
        theta = net.initial_parameters(seed) + 0.3 * rng.standard_normal(net.parameter_count)
        x = rng.standard_normal((samples, *net.inputs.shape))
        v = rng.standard_normal((samples, *net.outputs.shape))
        t = v if loss in ("mse", "sse") else rng.uniform(0.1, 0.9, v.shape)
        real = net.bind("numpy", dtype="float64")
        stepped = net.bind("numpy", dtype="complex128", batch=max(samples, net.inputs.points))
        real.theta = theta

        def loss_and_pairing(moved: Any) -> Any:
            stepped.theta = moved
            return np.array([stepped.plan.loss(x, t), (v * stepped.plan.forward(x)).sum()])

        by_theta = _complex_step(loss_and_pairing, theta).reshape(-1, 2)
        stepped.theta = theta
        by_input = np.stack([_input_step(stepped.plan.forward, *pair) for pair in zip(x, v, strict=True)])
        _, gradient = real.loss_and_gradient(x, t)
        pulled_theta, pulled_x = real.vjp(x, v)
        for number, (layer, inputs, _, part) in enumerate(net.stages):
            start = part.start
            for block in layer.parameters(inputs):
                cells = slice(start, start := start + block.count)
                for name, got, column in (("loss", gradient, 0), ("vjp", pulled_theta, 1)):
                    error = _relative_error(got[cells], by_theta[cells, column])
                    assert error <= ALLOWED, f"{name} gradient by the {block.name} of layer {number}, {layer}: {error}"
        error = _relative_error(pulled_x, by_input)
        assert error <= ALLOWED, f"vjp by the input: {error}"

    return check
