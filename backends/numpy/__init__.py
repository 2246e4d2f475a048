"""The oracle: every equation of the layers, activations and losses in plain NumPy, one file a layer. Readable first."""

from gcnn.backends.numpy.backend import BACKEND, NumpyBackend, register_implementation
from gcnn.backends.numpy.layer import NumpyLayer

__all__ = ["BACKEND", "NumpyBackend", "NumpyLayer", "register_implementation"]
