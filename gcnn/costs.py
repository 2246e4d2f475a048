"""What a network costs, from its shapes alone: parameters, connections, arithmetic and memory.

Arithmetic is counted in additions and multiplications (FLOPs) of one sample:

    forward            z = b + Σ y ω                       2 a multiply-add; the sum begins with the bias
    gradient           ∂r/∂ω = Σ δ y,  ∂r/∂b = Σ δ         2 a multiply-add, 1 a bias term
    back-propagation   ∂r/∂y_in = Σ δ ω                    2 a multiply-add; none for the first layer, whose input is data

Sub-sampling adds the cells of a window, and multiplies once. A radial function subtracts, squares and adds for every input; on
the way back it subtracts and multiplies once, and adds the product to the gradients by the centre and by the input. Activations,
losses, comparisons, features and the optimizer's few operations a parameter are not counted.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

import numpy as np

from gcnn.layers import Layer, RadialBasis, WeightedSubsampling
from gcnn.maps import Maps
from gcnn.network import Network, Stage
from gcnn.optimizers import Adam


@dataclass(frozen=True)
class LayerCost:
    """What one layer costs.

    Attributes:
        layer: as text.
        outputs: the maps it makes.
        parameters: numbers in θ.
        multiply_adds: products with a weight in one forward pass of one sample.
        connections: as LeCun et al. (1998) count them, the terms of all sums z of one sample, biases included. Cells of
            padding count.
        forward, gradient, backpropagation: FLOPs of one sample, see above.
        values: numbers of one sample that a training pass keeps, at most: y, and z too where φ is not the identity.
    """

    layer: str
    outputs: Maps
    parameters: int
    multiply_adds: int
    connections: int
    forward: int
    gradient: int
    backpropagation: int
    values: int

    @property
    def training(self) -> int:
        """FLOPs of one sample in a training step."""
        return self.forward + self.gradient + self.backpropagation


@dataclass(frozen=True)
class Memory:
    """Bytes that training holds; what a backend needs besides, such as room to rearrange windows, is its own.

    Attributes:
        parameters: θ.
        gradient: as long as θ.
        state: the vectors of the optimizer, for Adam two.
        activations: for all samples of a batch, the input and the values that layers keep for the way back.
    """

    parameters: int
    gradient: int
    state: int
    activations: int

    @property
    def total(self) -> int:
        """All of it."""
        return self.parameters + self.gradient + self.state + self.activations


@dataclass(frozen=True)
class Costs:
    """What a network costs, layer by layer.

    Attributes:
        inputs: values of one sample that goes in.
        layers: one entry a layer.
    """

    inputs: int
    layers: tuple[LayerCost, ...]

    @property
    def parameters(self) -> int:
        """Length of θ."""
        return sum(layer.parameters for layer in self.layers)

    @property
    def connections(self) -> int:
        """Terms of all sums z of one sample."""
        return sum(layer.connections for layer in self.layers)

    @property
    def forward(self) -> int:
        """FLOPs of one sample, forward."""
        return sum(layer.forward for layer in self.layers)

    @property
    def training(self) -> int:
        """FLOPs of one sample in a training step."""
        return sum(layer.training for layer in self.layers)

    def memory(self, batch: int, dtype: str = "float32", slots: int = len(Adam.slots)) -> Memory:
        """What training holds.

        Args:
            batch: samples of one pass.
            dtype: of all values.
            slots: state vectors of the optimizer, `len(optimizer.slots)`.
        """
        size = np.dtype(dtype).itemsize
        theta = self.parameters * size
        values = self.inputs + sum(layer.values for layer in self.layers)
        return Memory(theta, theta, slots * theta, batch * values * size)


def costs(network: Network) -> Costs:
    """Count a network."""
    return Costs(network.inputs.points, tuple(layer_cost(stage, i) for i, stage in enumerate(network.stages)))


def layer_cost(stage: Stage, number: int) -> LayerCost:
    """Count the layer of this number from the input."""
    layer, inputs, outputs, part = stage
    work = layer.multiply_adds(inputs)
    biases = outputs.points if any(p.name == "biases" for p in layer.parameters(inputs)) else 0
    forward, gradient, back = _operations(layer, inputs, work)
    return LayerCost(
        layer=str(layer),
        outputs=outputs,
        parameters=part.stop - part.start,
        multiply_adds=work,
        connections=work + biases,
        forward=forward,
        gradient=gradient + biases,
        backpropagation=back if number else 0,
        values=outputs.points * (1 if layer.activation == "identity" else 2),
    )


def _operations(layer: Layer, inputs: Maps, work: int) -> tuple[int, int, int]:
    """FLOPs forward, for the weights' gradient, and back, where `work` is the number of multiply-adds."""
    if isinstance(layer, WeightedSubsampling):
        windows = work // prod(layer.windows(inputs))
        return work + windows, 2 * windows, 2 * windows
    if isinstance(layer, RadialBasis):
        return 3 * work, 3 * work, work
    return 2 * work, 2 * work, 2 * work
