"""What the accelerated backends share: which layers there are, and how a plan is made on a runtime."""

from __future__ import annotations

import os
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence

from gcnn import layers
from gcnn.backend import API_VERSION, Capabilities, Device, Program, Unavailable, refuse
from gcnn.backends.accelerated.activation import DeviceActivation
from gcnn.backends.accelerated.binding import Maker
from gcnn.backends.accelerated.convolution_tiled import device_convolution
from gcnn.backends.accelerated.dense import DeviceDense
from gcnn.backends.accelerated.feature_map import DeviceFeatureMap
from gcnn.backends.accelerated.flatten import DeviceFlatten
from gcnn.backends.accelerated.lanes import STYLES, Lanes
from gcnn.backends.accelerated.layer import NUMBERS, SOFTMAX
from gcnn.backends.accelerated.losses import ANY
from gcnn.backends.accelerated.max_pooling import DeviceMaxPooling
from gcnn.backends.accelerated.plan import FUSED, NARROW, AcceleratedPlan
from gcnn.backends.accelerated.pooled_convolution import DevicePooledConvolution, PooledConvolution
from gcnn.backends.accelerated.radial_basis import DeviceRadialBasis
from gcnn.backends.accelerated.runtime import Runtime
from gcnn.backends.accelerated.tuning.choosers import Collector, Task
from gcnn.backends.accelerated.tuning.session import tune
from gcnn.backends.accelerated.updates import RULES
from gcnn.backends.accelerated.vanilla_subsampling import DeviceVanillaSubsampling
from gcnn.backends.accelerated.weighted_subsampling import DeviceWeightedSubsampling
from gcnn.errors import GcnnError, one_of
from gcnn.tuning import Progress, Tuned

MAKERS: dict[type[layers.Layer], Maker] = {
    layers.Activation: DeviceActivation,
    layers.Convolution: device_convolution,
    layers.Dense: DeviceDense,
    layers.FeatureMap: DeviceFeatureMap,
    layers.Flatten: DeviceFlatten,
    layers.MaxPooling: DeviceMaxPooling,
    layers.VanillaSubsampling: DeviceVanillaSubsampling,
    layers.WeightedSubsampling: DeviceWeightedSubsampling,
    layers.RadialBasis: DeviceRadialBasis,
}
TOGETHER: dict[type[layers.Layer], Maker] = {PooledConvolution: DevicePooledConvolution}
"""What planners put in place of several."""

CAPABILITIES = Capabilities(
    dtypes=("float32", "float64"),
    layers=frozenset(layer.__name__ for layer in MAKERS),
    activations=frozenset((*NUMBERS, SOFTMAX)),
    losses=frozenset(ANY),
    updates=frozenset(RULES),
    features=frozenset({"tables", "shared_kernels", "strides", "padding", "bias_free", "sample_gradients"}),
    most_dimensions=3,
    variants=(FUSED, NARROW, *STYLES),
    minimal=True,
)


class AcceleratedBackend(ABC):
    """A backend on runtimes; subclasses say which devices there are and open them.

    One runtime a device and process: its plans share a queue and compiled kernels.
    """

    name: str
    api_version = API_VERSION
    capabilities = CAPABILITIES
    source_packages = ("gcnn.backends.accelerated", "gcnn.kernels")

    def __init__(self) -> None:
        self._runtimes: dict[tuple[int, Device], Runtime] = {}
        self._lock = threading.Lock()

    @abstractmethod
    def devices(self) -> Sequence[Device | Unavailable]:
        """Everything this backend could run on, first choice first; never raises."""

    @abstractmethod
    def open_runtime(self, device: Device) -> Runtime:
        """A new runtime on a device."""

    def runtime(self, device: Device) -> Runtime:
        """The process's runtime on a device; a forked child opens its own."""
        key = os.getpid(), device
        with self._lock:
            if key not in self._runtimes:
                self._runtimes[key] = self.open_runtime(device)
            return self._runtimes[key]

    def plan(
        self, program: Program, device: Device, dtype: str, batch: int, variant: str | None = None
    ) -> AcceleratedPlan:
        """A plan, or `Unsupported` with everything that is missing.

        A device that computes on scalars has no vectors, and takes scalars where those are asked for; `report` names it.

        Raises:
            GcnnError: no variant has that name.
        """
        if variant is not None and variant not in self.capabilities.variants:
            raise GcnnError(one_of("variant", variant, self.capabilities.variants))
        refuse(self.name, self.capabilities, program, device, dtype)
        return AcceleratedPlan(
            self.name, self.runtime(device), device, MAKERS | TOGETHER, program, dtype, batch, variant
        )

    def tune(
        self,
        program: Program,
        device: Device,
        dtype: str,
        batch: int,
        seconds: float,
        watch: Callable[[Progress], None],
        stop: Callable[[], bool],
    ) -> Iterator[Tuned]:
        """See `gcnn.tuning.Tunes`."""
        refuse(self.name, self.capabilities, program, device, dtype)
        runtime = self.runtime(device)

        def tasks(lanes: Lanes | None) -> list[Task]:
            collector = Collector()
            AcceleratedPlan(
                self.name, runtime, device, MAKERS | TOGETHER, program, dtype, batch, None, collector, lanes
            ).close()
            return collector.tasks

        return tune(runtime, tasks, dtype, seconds, watch, stop)
