"""The vector algebra of NumPy arrays; `dot` and `norm` accumulate in double precision."""

from __future__ import annotations

import numpy as np

from gcnn.maps import Array


class NumpyVectors:
    """Flat vectors are NumPy arrays of one dtype."""

    def __init__(self, dtype: str) -> None:
        self.dtype = np.dtype(dtype)

    def upload(self, host: Array) -> Array:
        return np.array(host, dtype=self.dtype, order="C")

    def download(self, x: Array) -> Array:
        return np.array(x)

    def zeros(self, n: int) -> Array:
        return np.zeros(n, dtype=self.dtype)

    def view(self, x: Array, part: slice) -> Array:
        return x[part]

    def copy(self, source: Array, target: Array) -> None:
        target[...] = source

    def axpy(self, a: float, x: Array, y: Array) -> None:
        y += a * x

    def scale(self, a: float, x: Array) -> None:
        x *= a

    def dot(self, x: Array, y: Array) -> float:
        return float(np.dot(x.astype(np.float64), y.astype(np.float64)))

    def norm(self, x: Array) -> float:
        return float(np.linalg.norm(x.astype(np.float64)))

    def amax(self, x: Array) -> float:
        return float(np.abs(x).max(initial=0.0))
