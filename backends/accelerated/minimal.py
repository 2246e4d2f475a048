"""Minimal algorithms for rows of taps (Winograd 1980, by the construction of Toom and Cook), as exact matrices.

F(m, r) makes m outputs of r taps that move by 1 of m + r - 1 products, where sums as they are written take m r. Taps that move by s are s
such rows side by side, their phases: every s-th tap on every s-th value.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cache

POINTS = {
    0: (),
    1: (),
    2: ("1",),
    3: ("1",),
    4: ("1/4", "3/2"),
    5: ("1/2", "2"),
    6: ("1/4", "7/8", "7/4"),
    7: ("1/2", "1", "2"),
}
"""By how many there are besides infinity: the points that come in pairs, one of either sign; 0 is the odd one. Of multiples of 1/8 up to 2
those whose matrices, as absolute values, make least of ones."""

Matrix = tuple[tuple[Fraction, ...], ...]


@dataclass(frozen=True)
class Minimal:
    """y = A P ((P G w) * (P B d)) of taps w and the values d that the outputs y see. Turned round, ∂d = B^T P ((P G w) * (P A^T ∂y)) and
    ∂w = G^T P ((P A^T ∂y) * (P B d)).

    P takes the first products by twos to their sum and difference, which are those at a point and at its negative. That leaves half of
    the numbers of the matrices 0.

    Attributes:
        made, taps, stride: outputs, taps, and by how much these move.
        pairs: how many twos.
        a, b, g: (made, points), (points, seen) and (points, taps).
    """

    made: int
    taps: int
    stride: int
    pairs: int
    a: Matrix
    b: Matrix
    g: Matrix

    @property
    def points(self) -> int:
        """Products."""
        return len(self.b)

    @property
    def seen(self) -> int:
        """Values that the outputs see."""
        return (self.made - 1) * self.stride + self.taps

    @property
    def defines(self) -> dict[str, object]:
        """As macros."""
        matrices = {"A_MATRIX": self.a, "B_MATRIX": self.b, "G_MATRIX": self.g}
        lists = {name: ",".join(f"REALC({float(x)!r})" for row in m for x in row) for name, m in matrices.items()}
        return {"MADE": self.made, "POINTS": self.points, "PAIRS": self.pairs, **lists}

    def adds(self, matrix: Matrix) -> int:
        """What it takes to go through a matrix and P, counted in multiply-adds."""
        return sum(x != 0 for row in matrix for x in row) + 2 * self.pairs


@cache
def minimal(made: int, taps: int, stride: int = 1) -> Minimal | None:
    """The algorithm for so many outputs; `None` where it would take more points than there are."""
    phases = [(first, len(range(first, taps, stride))) for first in range(min(stride, taps))]
    if any(count > 1 and made + count - 2 not in POINTS for _, count in phases):
        return None
    seen = (made - 1) * stride + taps
    paired: list[_Point] = []
    single: list[_Point] = []
    for first, count in phases:
        pairs, a, b, g = toom_cook(made, count)
        b, g = (tuple(_spaced(row, n, first, stride) for row in own) for own, n in ((b, seen), (g, taps)))
        points = list(zip(a, b, g, strict=True))
        paired += points[: 2 * pairs]
        single += points[2 * pairs :]
    halves = [point for two in zip(paired[::2], paired[1::2], strict=True) for point in _halved(*two)]
    a, b, g = zip(*halves, *single, strict=True)
    return Minimal(made, taps, stride, len(paired) // 2, tuple(zip(*a, strict=True)), b, g)


_Point = tuple[tuple[Fraction, ...], ...]
"""A column of A and rows of B and G."""


def _halved(plus: _Point, minus: _Point) -> tuple[_Point, _Point]:
    """What P takes to these two."""
    both = [list(zip(one, other, strict=True)) for one, other in zip(plus, minus, strict=True)]
    even = tuple(tuple((x + y) / 2 for x, y in pairs) for pairs in both)
    odd = tuple(tuple((x - y) / 2 for x, y in pairs) for pairs in both)
    return even, odd


def _spaced(row: Sequence[Fraction], length: int, first: int, step: int) -> tuple[Fraction, ...]:
    """The numbers of a row from `first` on, `step` apart."""
    spaced = [Fraction(0)] * length
    spaced[first : first + (len(row) - 1) * step + 1 : step] = row
    return tuple(spaced)


def toom_cook(made: int, taps: int) -> tuple[int, Matrix, Matrix, Matrix]:
    """F(made, taps) before P: how many pairs of points come first, columns of A, rows of B and G. Polynomials are multiplied by their
    values at points, of which infinity is the last; turned round. One tap is a product for each output.
    """
    if taps == 1:
        ones = tuple(tuple(Fraction(n == m) for m in range(made)) for n in range(made))
        return 0, ones, ones, ((Fraction(1),),) * made
    count = made + taps - 2
    pairs = [Fraction(point) for point in POINTS[count]]
    points = [signed for point in pairs for signed in (point, -point)] + [Fraction(0)] * (count % 2)
    others = [[other for other in points if other != point] for point in points]
    a = [tuple(point**n for n in range(made)) for point in points]
    b = [(*_from_roots(own), Fraction(0)) for own in others]
    g = [
        tuple(point**n / _product(point - other for other in own) for n in range(taps))
        for point, own in zip(points, others, strict=True)
    ]
    a.append(tuple(Fraction(n == made - 1) for n in range(made)))
    b.append(tuple(_from_roots(points)))
    g.append(tuple(Fraction(n == taps - 1) for n in range(taps)))
    return len(pairs), tuple(a), tuple(b), tuple(g)


def _product(numbers: Iterable[Fraction]) -> Fraction:
    total = Fraction(1)
    for number in numbers:
        total *= number
    return total


def _from_roots(roots: Sequence[Fraction]) -> list[Fraction]:
    """The coefficients of the polynomial with these roots, lowest first."""
    found = [Fraction(1)]
    for root in roots:
        found = [low - root * high for low, high in zip([Fraction(0), *found], [*found, Fraction(0)], strict=True)]
    return found
