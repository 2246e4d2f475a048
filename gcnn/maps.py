"""Maps: what a layer's value looks like (Hedberg 2015, Table 1 and Eq. 1).

Eq. 1 lets every map i of a layer have its own set of coordinates S_i, in any number of dimensions.
`Maps` describes all of them; a value is one array:

    uniform       every S_i is the same box of size (X, Y, ...):  (sample, maps, X, Y, ...)
    not uniform   sizes differ, or some S_i is a list of points:   (sample, points), the maps laid end to end

`embed` puts a value into one box large enough for every map, zero outside S_i, and `extract` takes it back:
that is the papers' convention "zero outside" (delmas, footnote 6), and all the index arithmetic a layer needs.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from math import prod
from typing import Any, TypeGuard, cast

import numpy as np

from gcnn.errors import MapsError

Array = np.ndarray[Any, np.dtype[Any]]
Size = tuple[int, ...]
Points = tuple[Size, ...]
Domain = Size | Points
"""One index set S_i: the size of a box (7, 8), or a tuple of coordinates ((0, 0), (0, 3), (2, 1))."""


def last_axes(parts: Iterable[Any]) -> tuple[Any, ...]:
    """An index of the last axes only, such as y[..., 2:5, ::2]."""
    return (..., *parts)


class Maps:
    """The index sets of a layer's maps.

    Args:
        description: `(maps, *size)` for a uniform block, such as `(6, 14, 14)`; or a list with one entry a map,
            each a size `(7, 8)` or a list of coordinates `[(0, 0), (0, 3), (2, 1)]`. All maps have the same number
            of dimensions; `(10,)` is ten maps of one point, the value of a dense layer.

    Raises:
        MapsError: no map, a size below 1, a negative or repeated coordinate, or mixed dimensions.

    Attributes:
        domains: one entry a map, a size or a tuple of coordinates. Equal and hashable by these.
        counts: number of values of every map.
        count: number of maps.
        dimensions: number of axes of every map.
        uniform: whether every map is the same box.
        box: the smallest box, from the origin, that holds every map.
        points: number of values in all maps together.
        shape: shape of a value without its sample axis.

    A uniform block is kept as its count and its box, however many maps it has; `domains` and `counts` are made when they
    are asked for.
    """

    def __init__(self, description: Sequence[int] | Sequence[Any] | Maps) -> None:
        self.count: int
        self.box: Size
        listed: tuple[Domain, ...] = ()
        if isinstance(description, Maps):
            self.count, self.box, listed = description.count, description.box, description._listed
        elif not isinstance(description, list | tuple | np.ndarray):
            raise MapsError(
                f"{description!r} does not describe maps; expected (maps, *size) or a list with one entry a map."
            )
        elif _is_size(description):
            maps, *size = (int(n) for n in description)
            if maps < 1:
                raise MapsError(f"Maps({tuple(description)}): there must be at least one map, got {maps}.")
            self.count, self.box = maps, cast(Size, _domain(size, 0))
            _check_room(self.count, self.box)
        else:
            listed = tuple(_domain(entry, i) for i, entry in enumerate(description))
            self.count, self.box = len(listed), _common_box(listed)
            if all(domain == self.box for domain in listed):
                listed = ()
        self._listed: tuple[Domain, ...] = listed
        self.uniform = not listed
        self.dimensions = len(self.box)
        self.points = sum(self.counts) if listed else self.count * prod(self.box)
        self.shape: Size = (self.count, *self.box) if self.uniform else (self.points,)

    @cached_property
    def domains(self) -> tuple[Domain, ...]:
        """One entry a map, a size or a tuple of coordinates."""
        return self._listed or (self.box,) * self.count

    @cached_property
    def counts(self) -> tuple[int, ...]:
        """Number of values of every map."""
        if self.uniform:
            return (prod(self.box),) * self.count
        return tuple(len(d) if _is_points(d) else prod(cast(Size, d)) for d in self.domains)

    @property
    def boxes(self) -> bool:
        """Whether every map is a box (sizes may differ); False where some map is a list of points."""
        return not any(_is_points(domain) for domain in self._listed)

    @cached_property
    def places(self) -> Array:
        """(points,) index of every value, in order, in the C-ordered array (maps, *box)."""
        volume = prod(self.box)
        per_map = []
        for i, domain in enumerate(self.domains):
            coordinates = _coordinates(domain)
            inside = np.ravel_multi_index(tuple(coordinates.T), self.box) if self.dimensions else np.zeros(1, np.intp)
            per_map.append(i * volume + inside)
        return np.concatenate(per_map)

    @cached_property
    def mask(self) -> Array:
        """(maps, *box) booleans: True on the points of S_i."""
        mask = np.zeros(self.count * prod(self.box), dtype=bool)
        mask[self.places] = True
        return mask.reshape(self.count, *self.box)

    @cached_property
    def owner(self) -> Array:
        """(points,) the map that each value belongs to."""
        return np.repeat(np.arange(self.count), self.counts)

    def embed(self, value: Array) -> Array:
        """(sample, *shape) to (sample, maps, *box), zero outside the index sets."""
        if self.uniform:
            return value
        boxed = np.zeros((len(value), self.count * prod(self.box)), dtype=value.dtype)
        boxed[:, self.places] = value
        return boxed.reshape(len(value), self.count, *self.box)

    def extract(self, boxed: Array) -> Array:
        """(sample, maps, *at least box) to (sample, *shape): the values on the index sets."""
        corner = boxed[last_axes(slice(n) for n in self.box)]
        return corner if self.uniform else corner.reshape(len(boxed), -1)[:, self.places]

    def split(self, value: Array) -> list[Array]:
        """A value as one array a map: (sample, *size) for a box, (sample, points) for a list of coordinates.

        Raises:
            MapsError: the value does not have these maps' shape.
        """
        value = np.asarray(value)
        if value.ndim == 0 or value.shape[1:] != self.shape:
            raise MapsError(
                f"a value of shape {value.shape} is not one of {self}; expected (samples, {_inner(self.shape)})."
            )
        flat = value.reshape(len(value), -1)
        ends = np.cumsum(self.counts)
        return [
            flat[:, end - n : end].reshape(len(value), *shape)
            for shape, n, end in zip(self._shapes(), self.counts, ends, strict=True)
        ]

    def join(self, values: Sequence[Array]) -> Array:
        """The inverse of `split`: arrays of images of differing sizes, or of points, as one value.

        Raises:
            MapsError: not one array a map, or one of another shape or number of samples.
        """
        arrays = [np.asarray(v) for v in values]
        if len(arrays) != self.count:
            raise MapsError(
                f"{len(arrays)} arrays do not fill {self}, which has {self.count} maps. Give one array a map."
            )
        for i, (array, shape) in enumerate(zip(arrays, self._shapes(), strict=True)):
            if array.ndim == 0 or array.shape[1:] != shape or len(array) != len(arrays[0]):
                raise MapsError(
                    f"map {i}: an array of shape {array.shape}; expected ({_inner((len(np.atleast_1d(arrays[0])), *shape))})."
                )
        flat = np.concatenate([array.reshape(len(array), -1) for array in arrays], axis=1)
        return flat.reshape(len(flat), *self.shape)

    def _shapes(self) -> list[Size]:
        """Shape of each map's own array, without the sample axis."""
        return [(n,) if _is_points(d) else cast(Size, d) for d, n in zip(self.domains, self.counts, strict=True)]

    def to_json(self) -> list[Any]:
        """`[maps, *size]` where uniform, else one size or list of coordinates a map."""
        if self.uniform:
            return [self.count, *self.box]
        return [[list(p) for p in d] if _is_points(d) else list(d) for d in self.domains]

    def __iter__(self) -> Iterator[Domain]:
        return iter(self.domains)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Maps) and self._key == other._key

    def __hash__(self) -> int:
        return hash(self._key)

    @property
    def _key(self) -> tuple[Any, ...]:
        return self.count, self.box, self._listed

    def __repr__(self) -> str:
        if self.uniform:
            return f"Maps({(self.count, *self.box)})"
        return f"Maps([{', '.join(f'{len(d)} points' if _is_points(d) else str(d) for d in self.domains)}])"


def _inner(shape: Size) -> str:
    return ", ".join(map(str, shape))


MOST_CELLS = 2**31 - 1
"""The most cells that the boxes of a layer's maps have together: what a 32-bit index can reach, on any device."""
MOST_MAPS = 2**24
"""The most maps of a layer."""
MOST_SPREAD = 2**24
"""The most cells of the boxes around maps of which some are lists of coordinates: a mask of the boxes is made for them."""


def _check_room(maps: int, box: Size) -> None:
    """Raise `MapsError` where maps are too many or too large, before anything is allocated for them."""
    if maps > MOST_MAPS:
        raise MapsError(f"a layer has at most {MOST_MAPS} maps (a dense layer: units), these are more.")
    if maps * prod(box) > MOST_CELLS:
        raise MapsError(f"the boxes of a layer's maps have at most {MOST_CELLS} cells together, these have more.")


def _common_box(domains: Sequence[Domain]) -> Size:
    """The smallest box that holds every domain; raises `MapsError` where there is none, or it is too large."""
    if not domains:
        raise MapsError("Maps([]): there must be at least one map.")
    extents = [_extent(domain) for domain in domains]
    dimensions = sorted({len(extent) for extent in extents})
    if len(dimensions) > 1:
        raise MapsError(
            f"maps of one layer must have the same number of dimensions, got {dimensions}. "
            "Give every map the same number of axes (a size of 1 is allowed)."
        )
    box = tuple(max(axis) for axis in zip(*extents, strict=True))
    _check_room(len(domains), box)
    if len(domains) * prod(box) > MOST_SPREAD and any(_is_points(domain) for domain in domains):
        raise MapsError(
            f"coordinates lie too far apart: the boxes around the maps of a layer with lists of coordinates have at most "
            f"{MOST_SPREAD} cells together, these have {len(domains) * prod(box)}."
        )
    return box


def _is_size(entry: Any) -> bool:
    return len(entry) > 0 and all(isinstance(n, int | np.integer) and not isinstance(n, bool) for n in entry)


def _is_points(domain: Domain) -> TypeGuard[Points]:
    return bool(domain) and isinstance(domain[0], tuple)


def _extent(domain: Domain) -> Size:
    """The size of the smallest box from the origin that holds the domain."""
    if _is_points(domain):
        return tuple(int(n) + 1 for n in np.max(np.asarray(domain), axis=0))
    return cast(Size, domain)


def _coordinates(domain: Domain) -> Array:
    """(points, dimensions) coordinates of a domain, a box in C order."""
    if _is_points(domain):
        return np.asarray(domain, dtype=np.intp)
    size = cast(Size, domain)
    return np.stack([axis.ravel() for axis in np.indices(size)], axis=1) if size else np.zeros((1, 0), np.intp)


def _domain(entry: Any, i: int) -> Domain:
    """Check one entry; a list of points that fills a box in C order is that box."""
    if not isinstance(entry, list | tuple | np.ndarray):
        raise MapsError(f"map {i}: {entry!r} is neither a size such as (7, 8) nor a list of coordinates.")
    if len(entry) == 0 or _is_size(entry):
        size = tuple(int(n) for n in entry)
        if min(size, default=1) < 1:
            raise MapsError(f"map {i} has size {size}: every side must be at least 1.")
        return size
    try:
        points = np.asarray([tuple(point) for point in entry])
    except (TypeError, ValueError) as error:
        raise MapsError(f"map {i}: {entry!r} is not a list of integer coordinates of equal length.") from error
    if points.ndim != 2 or points.dtype.kind not in "iu" or points.size == 0:
        raise MapsError(f"map {i}: {entry!r} is neither a size nor a list of integer coordinates of equal length.")
    if points.min() < 0:
        raise MapsError(
            f"map {i}: coordinate {tuple(points[points.min(axis=1) < 0][0].tolist())} is negative; S_i is a subset of N^d."
        )
    domain: Points = tuple(tuple(int(n) for n in p) for p in points)
    if len(set(domain)) != len(domain):
        raise MapsError(f"map {i}: a coordinate is repeated in {entry!r}.")
    size = _extent(domain)
    return size if prod(size) == len(domain) and np.array_equal(_coordinates(size), points) else domain
