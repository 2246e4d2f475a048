"""Generalized convolutional neural networks: every equation in plain sight, on any backend.

    net = gcnn.Network([layers.Convolution(8, 3, activation="tanh"), layers.MaxPooling(2), layers.Dense(10, activation="softmax")],
                       input_shape=(1, 8, 8))
    model = net.bind()
    history = gcnn.train(model, (x, labels), epochs=5)

Hedberg 2015 is "Generalized Convolutional Neural Network", M. Hedberg, June 7, 2015; delmas is the companion note of
github.com/dgdelmas on gradient methods and dense and convolutional networks. docs/equations.md lists every equation.
"""

from pathlib import Path as _Path

for _linked in ("backends", "conformance", "kernels"):
    if _Path(__file__).with_name(_linked).is_file():
        raise ImportError(
            f"gcnn/{_linked} should be a symbolic link to ../{_linked}, but this checkout turned it into a text file. "
            "Clone again with 'git clone -c core.symlinks=true' (on Windows with developer mode on), or install with pip, "
            "whose wheels hold real folders."
        )

from gcnn import activations, layers, losses, optimizers  # noqa: E402  # after the check that explains a broken clone
from gcnn.activations import register_activation  # noqa: E402
from gcnn.backend import backend_names, get_backend, register_backend, select  # noqa: E402
from gcnn.callbacks import EarlyStopping  # noqa: E402
from gcnn.checkpoint import Checkpoint  # noqa: E402
from gcnn.errors import BackendUnavailable, CheckpointError, GcnnError, Unsupported  # noqa: E402
from gcnn.history import History  # noqa: E402
from gcnn.interruption import Interrupted  # noqa: E402
from gcnn.layers import register_feature_map, register_layer, register_radial_function  # noqa: E402
from gcnn.losses import Loss  # noqa: E402
from gcnn.maps import Maps  # noqa: E402
from gcnn.metrics import Evaluation, accuracy, evaluate  # noqa: E402
from gcnn.model import Model, load  # noqa: E402
from gcnn.network import Network  # noqa: E402
from gcnn.step import training_step  # noqa: E402
from gcnn.training import train  # noqa: E402

__version__ = "0.1.0"

__all__ = [
    "BackendUnavailable",
    "Checkpoint",
    "CheckpointError",
    "EarlyStopping",
    "Evaluation",
    "GcnnError",
    "History",
    "Interrupted",
    "Loss",
    "Maps",
    "Model",
    "Network",
    "Unsupported",
    "accuracy",
    "activations",
    "backend_names",
    "evaluate",
    "get_backend",
    "layers",
    "load",
    "losses",
    "optimizers",
    "register_activation",
    "register_backend",
    "register_feature_map",
    "register_layer",
    "register_radial_function",
    "select",
    "train",
    "training_step",
]
