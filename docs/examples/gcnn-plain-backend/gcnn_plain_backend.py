"""A small gcnn backend: dense layers only; a program's loss and update rule stay on the host.

Its "device" is memory behind a door: a `Buffer` refuses to become an array, so `upload` and `download` are the only
ways in and out, as on a graphics card. docs/backends.md of gcnn explains what each class is for.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from gcnn.backend import Capabilities, Device, Saved, Unavailable
from gcnn.layers import Dense
from gcnn.network import Stage
from gcnn.plan import LayerwiseBackend

DTYPES = ("float64", "float32")


class Buffer:
    """Device memory. Only this module looks at `cells`."""

    def __init__(self, cells: np.ndarray) -> None:
        self.cells = cells

    def __array__(self, *_: object, **__: object) -> None:
        raise TypeError("this memory is on the device: use vectors.download(x)")


class PlainVectors:
    """The memory of one dtype, and the algebra of its flat vectors. Everything is computed in double precision."""

    def __init__(self, dtype: str) -> None:
        self.dtype = dtype

    def upload(self, host: np.ndarray) -> Buffer:
        return Buffer(np.array(host, dtype=self.dtype, order="C"))

    def download(self, x: Buffer) -> np.ndarray:
        return x.cells.copy()

    def zeros(self, n: int) -> Buffer:
        return Buffer(np.zeros(n, self.dtype))

    def view(self, x: Buffer, part: slice) -> Buffer:
        return Buffer(x.cells[part])

    def copy(self, source: Buffer, target: Buffer) -> None:
        target.cells[...] = source.cells

    def axpy(self, a: float, x: Buffer, y: Buffer) -> None:
        y.cells[...] = a * double(x) + double(y)

    def scale(self, a: float, x: Buffer) -> None:
        x.cells[...] = a * double(x)

    def dot(self, x: Buffer, y: Buffer) -> float:
        return float(double(x) @ double(y))

    def norm(self, x: Buffer) -> float:
        return float(np.linalg.norm(double(x)))

    def amax(self, x: Buffer) -> float:
        return float(np.abs(x.cells).max(initial=0.0))


def double(x: Buffer) -> np.ndarray:
    """The numbers of a buffer in double precision, for arithmetic."""
    return x.cells.astype(np.float64)


def logistic(z: np.ndarray) -> np.ndarray:
    """1 / (1 + exp(-z)), the exponential never above 1."""
    e = np.exp(-np.abs(z))
    return np.where(z < 0, e, 1.0) / (1.0 + e)


# φ(z), and φ' written with y = φ(z)
ACTIVATIONS = {
    "identity": (lambda z: z, np.ones_like),
    "logistic": (logistic, lambda y: y * (1 - y)),
    "tanh": (np.tanh, lambda y: 1 - y * y),
}


class PlainDense:
    """z = W y + b, y = φ(z) (Hedberg 2015, Eqs. 17-19), and its way back. θ is W row by row, then b."""

    def __init__(self, layer: Dense, inputs: int, vectors: PlainVectors) -> None:
        self.shape, self.bias, self.upload = (layer.units, inputs), layer.bias, vectors.upload
        self.phi, self.slope = ACTIVATIONS[layer.activation]

    def weights(self, theta: Buffer) -> np.ndarray:
        """(units, inputs) W."""
        return double(theta)[: self.shape[0] * self.shape[1]].reshape(self.shape)

    def rows(self, y_in: Buffer) -> np.ndarray:
        """(samples, inputs): maps of any shape are read as one vector."""
        return double(y_in).reshape(-1, self.shape[1])

    def forward(self, y_in: Buffer, theta: Buffer) -> Saved:
        """Eq. 1."""
        b = double(theta)[-self.shape[0] :] if self.bias else 0.0
        z = self.rows(y_in) @ self.weights(theta).T + b
        return Saved(y_in, self.upload(z), self.upload(self.phi(z)))

    def delta(self, dy: Buffer, saved: Saved) -> Buffer:
        """Eq. 6: δ = ∂r/∂y φ'(z)."""
        return self.upload(double(dy) * self.slope(double(saved.y)))

    def backpropagate(self, delta: Buffer, saved: Saved, theta: Buffer) -> Buffer:
        """Eq. 7: ∂r/∂y_in = Wᵀ δ, in the shape in which y_in came."""
        return self.upload((double(delta) @ self.weights(theta)).reshape(saved.y_in.cells.shape))

    def gradient(self, delta: Buffer, saved: Saved, theta: Buffer) -> Buffer:
        """Eq. 8, summed over the samples: ∂r/∂W = Σ δ y_inᵀ, ∂r/∂b = Σ δ."""
        d = double(delta)
        biases = d.sum(axis=0) if self.bias else []
        return self.upload(np.concatenate([(d.T @ self.rows(saved.y_in)).ravel(), biases]))


class PlainBackend(LayerwiseBackend):
    """Dense layers; the loss and the update rule of a program run on the host."""

    name = "plain"
    capabilities = Capabilities(
        DTYPES, frozenset({"Dense"}), frozenset(ACTIVATIONS), features=frozenset({"bias_free", "irregular_maps"})
    )

    def devices(self) -> Sequence[Device | Unavailable]:
        return [Device(self.name, 0, "plain memory", "cpu", DTYPES)]

    def vectors(self, device: Device, dtype: str) -> PlainVectors:
        return PlainVectors(dtype)

    def layer(self, stage: Stage, device: Device, dtype: str) -> PlainDense:
        return PlainDense(stage.layer, stage.inputs.points, PlainVectors(dtype))


BACKEND = PlainBackend()
