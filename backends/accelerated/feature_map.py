"""Feature maps on a device (kernels/feature_map.cl)."""

from __future__ import annotations

from itertools import combinations_with_replacement
from typing import cast

import numpy as np

from gcnn.backends.accelerated.layer import DeviceLayer
from gcnn.backends.accelerated.place import Place, tiles
from gcnn.backends.accelerated.runtime import Buffer
from gcnn.backends.accelerated.work import Work
from gcnn.layers import FeatureMap

TILE = 4
"""Features or inputs that one work-item computes."""


class DeviceFeatureMap(DeviceLayer):
    """Monomials as lists of their factors, in the order that delmas, Eq. 15 gives them, or cosines and sines."""

    def __init__(self, place: Place) -> None:
        super().__init__(place)
        layer = cast(FeatureMap, place.stage.layer)
        self._kind = layer.features
        self._sizes = {"INPUTS": place.inputs, "FEATURES": place.outputs, "DEGREE": layer.degree, "TILE": TILE}
        self._factors: tuple[Buffer, ...] = ()
        self._uses: tuple[Buffer, ...] = ()
        if self._kind == "monomials":
            self._list_factors(layer.degree)

    def _list_factors(self, degree: int) -> None:
        inputs = range(self.place.inputs)
        monomials = [
            factors for order in range(1, degree + 1) for factors in combinations_with_replacement(inputs, order)
        ]
        orders = np.array([len(factors) for factors in monomials])
        factor = np.concatenate(monomials)
        use = np.argsort(factor, kind="stable")
        owner = np.repeat(np.arange(len(monomials)), orders)[use]
        use_first = np.searchsorted(factor[use], np.arange(len(inputs) + 1))
        self._factors = self._constants(first=np.concatenate([[0], np.cumsum(orders)]), factor=factor)
        self._uses = self._constants(use_first=use_first, use=use, owner=owner)

    def _constants(self, **lists: np.ndarray[tuple[int, ...], np.dtype[np.int64]]) -> tuple[Buffer, ...]:
        return tuple(self.place.kernels.constant(array.astype(np.int32), name) for name, array in lists.items())

    def combine(self, samples: int) -> list[Work]:
        place = self.place
        points = place.outputs if self._kind == "monomials" else place.inputs
        return [self._bind(self._kind, points, samples, (place.y_in, *self._factors, place.y))]

    def backpropagate(self, samples: int) -> list[Work]:
        place = self.place
        known = (place.y_in, *self._factors, *self._uses) if self._kind == "monomials" else (place.y,)
        return [self._bind(f"{self._kind}_backpropagate", place.inputs, samples, (place.dy, *known, place.dy_in))]

    def _bind(self, kernel: str, points: int, samples: int, arguments: tuple[Buffer, ...]) -> Work:
        groups = (tiles(points, TILE), self.place.blocks(samples))
        return self.place.kernels.bind("feature_map.cl", kernel, groups, arguments, **self._sizes)
