"""The oracle as a backend: its layers by specification, and nothing that it declines."""

from __future__ import annotations

import platform
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from gcnn import activations, layers, losses
from gcnn.backend import Capabilities, Device, LayerImplementation, Program, Unavailable, UpdateRule
from gcnn.backends.numpy.activation import NumpyActivation
from gcnn.backends.numpy.convolution import NumpyConvolution
from gcnn.backends.numpy.dense import NumpyDense
from gcnn.backends.numpy.feature_map import NumpyFeatureMap
from gcnn.backends.numpy.flatten import NumpyFlatten
from gcnn.backends.numpy.losses import NumpyLoss
from gcnn.backends.numpy.max_pooling import NumpyMaxPooling
from gcnn.backends.numpy.radial_basis import NumpyRadialBasis
from gcnn.backends.numpy.vanilla_subsampling import NumpyVanillaSubsampling
from gcnn.backends.numpy.vectors import NumpyVectors
from gcnn.backends.numpy.weighted_subsampling import NumpyWeightedSubsampling
from gcnn.network import Stage
from gcnn.optimizers import UPDATE_KINDS
from gcnn.plan import LayerwiseBackend, LayerwisePlan, apply_rule

FEATURES = frozenset(
    {
        "tables",
        "shared_kernels",
        "mixed_kernels",
        "strides",
        "padding",
        "irregular_maps",
        "bias_free",
        "radial_functions",
        "feature_functions",
        "sample_gradients",
    }
)

Maker = Callable[..., LayerImplementation]
"""(specification, input maps, output maps) -> implementation."""

_IMPLEMENTATIONS: dict[type[layers.Layer], Maker] = {
    layers.Activation: NumpyActivation,
    layers.Convolution: NumpyConvolution,
    layers.Dense: NumpyDense,
    layers.FeatureMap: NumpyFeatureMap,
    layers.Flatten: NumpyFlatten,
    layers.MaxPooling: NumpyMaxPooling,
    layers.RadialBasis: NumpyRadialBasis,
    layers.VanillaSubsampling: NumpyVanillaSubsampling,
    layers.WeightedSubsampling: NumpyWeightedSubsampling,
}


def register_implementation(layer: type[layers.Layer], implementation: Maker) -> None:
    """Teach the oracle a user's own layer: `implementation(layer, inputs, outputs)`, best a subclass of `NumpyLayer`."""
    _IMPLEMENTATIONS[layer] = implementation


class NumpyBackend(LayerwiseBackend):
    """The reference: float64 first, float32 for comparison, complex128 for derivatives by the complex step."""

    name = "numpy"

    @property
    def capabilities(self) -> Capabilities:
        return Capabilities(
            dtypes=("float64", "float32", "complex128"),
            layers=frozenset(layer.__name__ for layer in _IMPLEMENTATIONS),
            activations=frozenset(activations.names()),
            losses=frozenset(losses.NAMES),
            updates=frozenset(UPDATE_KINDS),
            features=FEATURES,
        )

    def devices(self) -> Sequence[Device | Unavailable]:
        details = {"numpy": np.__version__, "python": platform.python_version(), "blas": _blas()}
        return [
            Device(
                "numpy",
                0,
                _processor(),
                "cpu",
                self.capabilities.dtypes,
                details,
            )
        ]

    def vectors(self, device: Device, dtype: str) -> NumpyVectors:
        return NumpyVectors(dtype)

    def layer(self, stage: Stage, device: Device, dtype: str) -> LayerImplementation:
        return _IMPLEMENTATIONS[type(stage.layer)](stage.layer, stage.inputs, stage.outputs)

    def loss(self, program: Program, device: Device, dtype: str) -> NumpyLoss:
        return NumpyLoss(program)

    def update(self, rule: UpdateRule, plan: LayerwisePlan) -> None:
        apply_rule(rule, plan.theta, plan.gradient, plan.slots, plan.hyperparameters, plan.count)


@cache
def _processor() -> str:
    """The processor's name, as far as the system tells."""
    information = Path("/proc/cpuinfo")
    if information.is_file():
        for line in information.read_text(errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine() or "cpu"


@cache
def _blas() -> str:
    config: Any = np.show_config(mode="dicts")
    blas = config.get("Build Dependencies", {}).get("blas", {})
    return f"{blas.get('name', 'unknown')} {blas.get('version', '')}".strip()


BACKEND = NumpyBackend()
