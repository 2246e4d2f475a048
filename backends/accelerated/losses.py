"""Losses on a device (kernels/losses.cl)."""

from __future__ import annotations

import numpy as np

from gcnn.backend import Program
from gcnn.backends.accelerated.layer import DeviceLayer
from gcnn.backends.accelerated.runtime import Buffer
from gcnn.backends.accelerated.work import Setting, Work
from gcnn.maps import Array

CLOSED = {
    ("cross_entropy", "softmax"): 4,
    ("binary_cross_entropy", "logistic"): 5,
    ("binary_cross_entropy", "soft_logistic"): 6,
}
"""What LOSS means in the kernel: pairs that give δ directly (Hedberg 2015, Table 3)."""
ANY = {"mse": 0, "sse": 1, "cross_entropy": 2, "binary_cross_entropy": 3}
"""Losses that give ∂r/∂y."""


class DeviceLoss:
    """A loss bound to the last layer.

    Args:
        program: with a loss.
        last: its last layer.
        batch: the most samples of a call.
        first: the first sample of the part that is computed.

    Attributes:
        targets: (blocks, outputs, lanes), where those of a part are packed.
        samples: (blocks, lanes) in the wide dtype: the loss of each of a call's samples, not scaled.
        factor: what the slopes are scaled with.
    """

    def __init__(self, program: Program, last: DeviceLayer, batch: int, first: Setting) -> None:
        assert program.loss is not None
        self._loss, self._last, self._first, place = program.loss, last, first, last.place
        kernels = place.kernels
        self._closed = CLOSED.get((program.loss.name, last.activation))
        self.targets = place.values(place.outputs, name="targets")
        size = kernels.lanes.blocks(batch) * kernels.lanes.count * kernels.wide.itemsize
        self.samples = kernels.runtime.zeros(size, "losses of the samples", shared=True)
        self.factor = Setting(kernels.real(0.0))
        self._scaled = 0
        weights = np.ones(place.outputs) if program.loss.weights is None else np.asarray(program.loss.weights)
        self._weights: Buffer = kernels.constant(weights.astype(kernels.dtype), "weights of the loss")

    def scale(self, samples: int) -> float:
        """The factor of the reduction (Eq. 2; delmas, Eqs. 19 and 22)."""
        return self._loss.scale(samples, self._last.place.outputs)

    def begin(self, samples: int) -> None:
        """Before anything is enqueued for so many samples in all."""
        if samples != self._scaled:
            self.factor.change(self._last.place.kernels.real(self.scale(samples)))
            self._scaled = samples

    def read(self, samples: int) -> Array:
        """The losses of a call's so many samples, not scaled, when they are there; they stay until the next call."""
        kernels = self._last.place.kernels
        runtime, count = kernels.runtime, kernels.lanes.blocks(samples) * kernels.lanes.count
        if self.samples.host is None:
            losses = np.empty(count, kernels.wide)
            runtime.download(self.samples, losses)
            return losses
        runtime.wait_for(self.samples)
        return self.samples.host.view(kernels.wide)[:count]

    def evaluate(self, samples: int) -> list[Work]:
        """The losses of so many samples, those of a part, and δ of the last layer."""
        place = self._last.place
        kernels = place.kernels
        arguments = (
            place.z,
            place.y,
            self.targets,
            self._weights,
            Setting(np.int32(samples), "samples"),
            self.factor,
            place.dy,
            self.samples,
            self._first,
        )
        defines = {
            "OUTPUTS": place.outputs,
            "LOSS": ANY[self._loss.name] if self._closed is None else self._closed,
            "EPS": f"REALC({float(np.finfo(kernels.dtype).eps)!r})",
        }
        launch = kernels.bind("losses.cl", "evaluate", (place.blocks(samples),), arguments, **defines)
        return [launch] if self._closed is not None else [launch, *self._last.delta(samples)]
