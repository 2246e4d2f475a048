"""A gcnn backend in plain Python: dense layers only; a program's loss and update rule stay on the host.

Its "device" is memory that NumPy cannot read: a `Buffer` refuses to become an array, so `upload` and `download` are
the only doors, as on a graphics card. docs/backends.md of gcnn explains what each class is for.
"""
# ruff: noqa: D102  # the protocol documents its methods: gcnn/backend.py

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from math import exp, fabs, prod, sqrt, tanh
from operator import mul

import numpy as np

from gcnn.backend import Capabilities, Device, Saved, Unavailable
from gcnn.layers import Dense
from gcnn.network import Stage
from gcnn.plan import LayerwiseBackend

TYPE_CODES = {"float32": "f", "float64": "d"}


def logistic(z: float) -> float:
    """1 / (1 + exp(-z)), the exponential never above 1."""
    e = exp(-fabs(z))
    return (e if z < 0 else 1.0) / (1.0 + e)


# φ(z), and φ' written with y = φ(z)
ACTIVATIONS: dict[str, tuple[Callable[[float], float], Callable[[float], float]]] = {
    "identity": (lambda z: z, lambda y: 1.0),
    "logistic": (logistic, lambda y: y * (1.0 - y)),
    "sigmoid": (logistic, lambda y: y * (1.0 - y)),
    "tanh": (tanh, lambda y: 1.0 - y * y),
}


@dataclass(frozen=True, eq=False)
class Buffer:
    """Device memory: numbers in C order, and the shape they have on the host."""

    cells: memoryview
    shape: tuple[int, ...]

    def __array__(self, *_: object, **__: object) -> None:
        raise TypeError("this memory is on the device: use vectors.download(x)")

    def rows(self) -> list[memoryview]:
        """One part a sample."""
        width = prod(self.shape[1:])
        return [self.cells[start : start + width] for start in range(0, len(self.cells), width)]


class PlainVectors:
    """The memory of one dtype, and the vector algebra on it. Sums are formed in double precision."""

    def __init__(self, dtype: str) -> None:
        self.dtype, self.code = np.dtype(dtype), TYPE_CODES[dtype]

    def make(self, values: Iterable[float], shape: tuple[int, ...]) -> Buffer:
        """New memory filled with `values`, rounded to the dtype."""
        return Buffer(memoryview(array(self.code, values)), shape)

    def upload(self, host: np.ndarray) -> Buffer:
        return Buffer(memoryview(array(self.code, np.asarray(host, self.dtype).tobytes())), np.shape(host))

    def download(self, x: Buffer) -> np.ndarray:
        return np.array(x.cells, dtype=self.dtype).reshape(x.shape)

    def zeros(self, n: int) -> Buffer:
        return self.make([0.0] * n, (n,))

    def view(self, x: Buffer, part: slice) -> Buffer:
        cells = x.cells[part]
        return Buffer(cells, (len(cells),))

    def copy(self, source: Buffer, target: Buffer) -> None:
        target.cells[:] = source.cells

    def axpy(self, a: float, x: Buffer, y: Buffer) -> None:
        self.copy(self.make((a * p + q for p, q in zip(x.cells, y.cells, strict=True)), y.shape), y)

    def scale(self, a: float, x: Buffer) -> None:
        self.copy(self.make((a * value for value in x.cells), x.shape), x)

    def dot(self, x: Buffer, y: Buffer) -> float:
        return float(sum(map(mul, x.cells, y.cells)))

    def norm(self, x: Buffer) -> float:
        return sqrt(self.dot(x, x))

    def amax(self, x: Buffer) -> float:
        return max(map(fabs, x.cells), default=0.0)


class PlainDense:
    """z = W y + b, y = φ(z) (Hedberg 2015, Eqs. 17-19), and its way back. θ is W row by row, then b."""

    def __init__(self, layer: Dense, inputs: int, vectors: PlainVectors) -> None:
        self.units, self.inputs, self.bias, self.vectors = layer.units, inputs, layer.bias, vectors
        self.phi, self.slope = ACTIVATIONS[layer.activation]

    def forward(self, y_in: Buffer, theta: Buffer) -> Saved:
        """Eq. 1."""
        w = [theta.cells[i * self.inputs : (i + 1) * self.inputs] for i in range(self.units)]
        b = theta.cells[self.units * self.inputs :] if self.bias else [0.0] * self.units
        z = [sum(map(mul, row, y), b_i) for y in y_in.rows() for row, b_i in zip(w, b, strict=True)]
        shape = (y_in.shape[0], self.units)
        return Saved(y_in, self.vectors.make(z, shape), self.vectors.make(map(self.phi, z), shape))

    def delta(self, dy: Buffer, saved: Saved) -> Buffer:
        """Eq. 6: δ = ∂r/∂y φ'(z)."""
        delta = (d * self.slope(y) for d, y in zip(dy.cells, saved.y.cells, strict=True))
        return self.vectors.make(delta, saved.y.shape)

    def backpropagate(self, delta: Buffer, saved: Saved, theta: Buffer) -> Buffer:
        """Eq. 7: ∂r/∂y_in = Wᵀ δ, in the shape in which y_in came."""
        columns = [theta.cells[j : self.units * self.inputs : self.inputs] for j in range(self.inputs)]
        dy = (sum(map(mul, column, d)) for d in delta.rows() for column in columns)
        return self.vectors.make(dy, saved.y_in.shape)

    def gradient(self, delta: Buffer, saved: Saved, theta: Buffer) -> Buffer:
        """Eq. 8, summed over the samples: ∂r/∂W = Σ δ y_inᵀ, ∂r/∂b = Σ δ."""
        ys, ds = list(zip(*saved.y_in.rows(), strict=True)), list(zip(*delta.rows(), strict=True))
        values = [sum(map(mul, d, y)) for d in ds for y in ys] + [sum(d) for d in ds if self.bias]
        return self.vectors.make(values, (len(values),))


class PlainBackend(LayerwiseBackend):
    """Dense layers; the loss and the update rule of a program run on the host."""

    name = "plain"

    capabilities = Capabilities(
        tuple(TYPE_CODES), frozenset({"Dense"}), frozenset(ACTIVATIONS), features=frozenset({"bias_free"})
    )

    def devices(self) -> Sequence[Device | Unavailable]:
        return [Device(self.name, 0, "plain Python", "cpu", tuple(TYPE_CODES))]

    def vectors(self, device: Device, dtype: str) -> PlainVectors:
        return PlainVectors(dtype)

    def layer(self, stage: Stage, device: Device, dtype: str) -> PlainDense:
        return PlainDense(stage.layer, stage.inputs.points, PlainVectors(dtype))


BACKEND = PlainBackend()
