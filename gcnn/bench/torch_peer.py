"""The same network in PyTorch, eager, to compare with. PyTorch is no dependency: `pip install torch`."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import numpy as np

from gcnn.equivalent import simplified
from gcnn.errors import BackendUnavailable, Unsupported
from gcnn.layers import Activation, Convolution, Dense, Flatten, MaxPooling, VanillaSubsampling, WeightedSubsampling
from gcnn.maps import Array
from gcnn.network import Network, Stage
from gcnn.optimizers import Adam, GradientDescent, Momentum, Optimizer

FUNCTIONS: dict[str, Callable[[Any, Any], Any]] = {
    "identity": lambda torch, z: z,
    "logistic": lambda torch, z: torch.sigmoid(z),
    "tanh": lambda torch, z: torch.tanh(z),
    "scaled_tanh": lambda torch, z: 1.7159 * torch.tanh(z * (2 / 3)),
    "relu": lambda torch, z: torch.relu(z),
    "softplus": lambda torch, z: torch.nn.functional.softplus(z),
    "softsign": lambda torch, z: torch.nn.functional.softsign(z),
}


class TorchPeer:
    """A network as PyTorch's functions over the same parameters; tables become masks over full weights, and what no sub-sampling keeps is
    not computed.

    Args:
        network: of dense, convolution, pooling and sub-sampling layers over images; softmax with cross-entropy at the end, or
            squares.
        optimizer: gradient descent, momentum or Adam, without a penalty.
        dtype: "float32" or "float64".

    Raises:
        BackendUnavailable: PyTorch is not installed. Unsupported: what it has no function for.
    """

    def __init__(self, network: Network, optimizer: Optimizer, dtype: str) -> None:
        try:
            import torch
        except ImportError as error:
            raise BackendUnavailable("PyTorch is not installed. To compare with it: pip install torch") from error
        self._torch: Any = torch
        torch.set_num_threads(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)
        self._network = network
        self._check()
        theta = network.initial_parameters()
        self._layers = [self._layer(stage, theta[stage.parameters], dtype) for stage in simplified(network.stages)]
        self._parameters = [p for _, parameters in self._layers for p in parameters]
        self._optimizer = self._torch_optimizer(optimizer)

    def call(self, work: str, x: Array, t: Array) -> Callable[[], object]:
        """One call of the work, from and to NumPy arrays."""
        return {"step": self._step, "gradient": self._gradient, "forward": self._forward}[work](x, t)

    def loss(self, x: Array, t: Array) -> float:
        """The loss before any step."""
        with self._torch.no_grad():
            return float(self._loss(self._run(x), t))

    def _check(self) -> None:
        network = self._network
        last, loss = network.layers[-1].activation, network.loss
        reasons = [f"layer {n}, {s.layer}" for n, s in enumerate(network.stages) if not self._has(s)]
        if not (loss.name == "cross_entropy" and last == "softmax") and loss.name not in ("mse", "sse"):
            reasons.append(f"the loss {loss.name} of {last} outputs")
        if reasons:
            raise Unsupported("torch", reasons)

    def _has(self, stage: Stage) -> bool:
        layer, kinds = (
            stage.layer,
            (Activation, Convolution, Dense, Flatten, MaxPooling, VanillaSubsampling, WeightedSubsampling),
        )
        plain = isinstance(layer, kinds) and stage.inputs.uniform and stage.inputs.dimensions <= 2
        last = stage is self._network.stages[-1]
        features = layer.needs(stage.inputs) - {"tables", "strides", "padding", "bias_free"}
        return plain and not features and (layer.activation in FUNCTIONS or (last and layer.activation == "softmax"))

    def _layer(self, stage: Stage, theta: Array, dtype: str) -> tuple[Callable[[Any], Any], list[Any]]:
        """A function of the layer's input, and its parameters."""
        torch, functional, layer, inputs = self._torch, self._torch.nn.functional, stage.layer, stage.inputs
        phi = FUNCTIONS["identity" if layer.activation == "softmax" else layer.activation]

        def parameter(values: Array) -> Any:
            return torch.tensor(np.ascontiguousarray(values), dtype=getattr(torch, dtype), requires_grad=True)

        def masked(values: Array, mask: Array) -> tuple[Any, Callable[[], Any]]:
            full = np.zeros(mask.shape)
            full[mask] = values
            weights = parameter(full)
            if mask.all():
                return weights, lambda: weights
            zeros = torch.tensor(mask, dtype=getattr(torch, dtype))
            return weights, lambda: weights * zeros

        if isinstance(layer, Dense):
            mask = layer.weight_mask(inputs)
            weights, w = masked(theta[: mask.sum()], mask)
            bias = parameter(theta[mask.sum() :]) if layer.bias else None
            return (lambda y: phi(torch, functional.linear(y.flatten(1), w(), bias))), [weights, *([bias] * layer.bias)]
        if isinstance(layer, Convolution):
            mask = layer.kernel_mask(inputs)
            weights, w = masked(theta[: mask.sum()], mask)
            bias = parameter(theta[mask.sum() :])
            steps, border = _sizes(layer.stride, inputs.dimensions), _sizes(layer.padding, inputs.dimensions)
            convolve = functional.conv2d if inputs.dimensions == 2 else functional.conv1d
            return (lambda y: phi(torch, convolve(y, w(), bias, steps, border))), [weights, bias]
        if isinstance(layer, WeightedSubsampling):
            return self._weighted(layer, stage, theta, phi, parameter)
        if isinstance(layer, MaxPooling):
            pool = functional.max_pool2d if inputs.dimensions == 2 else functional.max_pool1d
            window = layer.windows(inputs)
            return (lambda y: pool(y, window)), []
        if isinstance(layer, VanillaSubsampling):
            every = tuple(slice(None, None, k) for k in layer.steps(inputs))
            return (lambda y: y[(slice(None), slice(None), *every)]), []
        return (lambda y: phi(torch, y)), []

    def _weighted(self, layer: Any, stage: Stage, theta: Array, phi: Any, parameter: Any) -> Any:
        torch, functional = self._torch, self._torch.nn.functional
        maps, window = stage.outputs.count, layer.windows(stage.inputs)
        if layer.weights != "single" or not np.array_equal(layer.connections(stage.inputs), np.eye(maps)):
            raise Unsupported("torch", [f"{layer} with a table of its own"])
        alpha, bias = parameter(theta[:maps].reshape(-1, *[1] * len(window))), parameter(theta[maps:])
        cells = int(np.prod(window))
        pool = functional.avg_pool2d if len(window) == 2 else functional.avg_pool1d
        shape = (-1, *[1] * len(window))
        return (lambda y: phi(torch, pool(y, window) * (cells * alpha) + bias.reshape(shape))), [alpha, bias]

    def _torch_optimizer(self, optimizer: Optimizer) -> Any:
        torch = self._torch
        h = optimizer.hyperparameters
        if optimizer.l2 or optimizer.clip_norm or optimizer.clip_value or not self._parameters:
            raise Unsupported(
                "torch", [f"{optimizer!r} beside a network without parameters, or with a penalty or limit"]
            )
        if type(optimizer) is GradientDescent:
            return torch.optim.SGD(self._parameters, lr=h["lr"])
        if type(optimizer) is Momentum:
            return torch.optim.SGD(self._parameters, lr=h["lr"], momentum=h["momentum"])
        if type(optimizer) is Adam:
            return torch.optim.Adam(self._parameters, lr=h["lr"], betas=(h["beta1"], h["beta2"]), eps=h["eps"])
        raise Unsupported("torch", [f"the update rule {optimizer!r}"])

    def _run(self, x: Array) -> Any:
        y = self._torch.from_numpy(x)
        for function, _ in self._layers:
            y = function(y)
        return y

    def _loss(self, y: Any, t: Array) -> Any:
        target = self._torch.from_numpy(t).reshape(y.shape)
        if self._network.loss.name == "cross_entropy":
            return self._torch.nn.functional.cross_entropy(y.flatten(1), target.flatten(1))
        factor = 0.5 if self._network.loss.name == "mse" else 1.0
        return factor * ((target - y) ** 2).sum() / len(t)

    def _step(self, x: Array, t: Array) -> Callable[[], float]:
        def step() -> float:
            self._optimizer.zero_grad()
            loss = self._loss(self._run(x), t)
            loss.backward()
            self._optimizer.step()
            return float(loss.item())

        return step

    def _gradient(self, x: Array, t: Array) -> Callable[[], list[Array]]:
        def gradient() -> list[Array]:
            self._optimizer.zero_grad()
            self._loss(self._run(x), t).backward()
            return [p.grad.numpy() for p in self._parameters]

        return gradient

    def _forward(self, x: Array, t: Array) -> Callable[[], Array]:
        def forward() -> Array:
            with self._torch.no_grad():
                y = self._run(x)
                return (
                    self._torch.softmax(y.flatten(1), 1) if self._network.loss.name == "cross_entropy" else y
                ).numpy()

        return forward


def _sizes(value: Any, dimensions: int) -> tuple[int, ...]:
    return (value,) * dimensions if isinstance(value, int) else tuple(value)
