"""Several works in one launch. Kernels stay as they are written: each becomes a function whose group is an argument.

    Chained       one work-item takes a block or two through works that follow one another: what one leaves the next finds in the cache,
                  and nobody waits between them
    SideBySide    the groups of works that do not depend on one another, in one grid
    PerUnit       one work-item a compute unit takes its samples through a chain and adds up their gradient (per_unit.py)

All are for works of one item a group (V = LANES), which share no memory and wait for nobody. The text is put together from the
kernels' own: all names that a file defines get a number, so that several files, and one file with several sizes, stand in one program.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby
from math import prod
from types import MappingProxyType

from gcnn import kernels
from gcnn.backends.accelerated.place import tiles
from gcnn.backends.accelerated.runtime import Buffer
from gcnn.backends.accelerated.work import Argument, Bound, Setting, Work

PRELUDE = "prelude.h"
_COMMENT = re.compile(r"/\*.*?\*/|//[^\n]*", re.DOTALL)
_NAMED = (
    r"^[ \t]*#define\s+(\w+)",
    r"\b(?:KERNEL|DEVICE|INLINED)\s+[\w\s]*?\**\s*(\w+)\s*\(",
    r"^typedef\b[^;{]*?(\w+)\s*;",
    r"^\}\s*(\w+)\s*;",
    r"\bCONSTANT\s+\w+\s+(\w+)\s*\[",
)
"""What a file defines: macros, functions, types, arrays."""
_FUNCTION = re.compile(r"(?:\bONE_ITEM_A_BLOCK\s+)?\bKERNEL\s+void\s+(\w+)\s*\(")
_FUNCTIONS = """
#undef RESTRICT
#define RESTRICT
#undef GROUP_ID
#undef LOCAL_ID
#define GROUP_ID(axis) ((axis) == 0 ? group0 : (axis) == 1 ? group1 : group2)
#define LOCAL_ID(axis) 0
#undef GROUPS
#define GROUPS(axis) a_function_does_not_know_how_many_groups_its_work_has
"""
"""A function's group is an argument; a kernel that asks how many there are is not compiled, since it would get those of all works. RESTRICT
says nothing of use once it is inlined, and PoCL took a tenth longer to carry it along."""
_SCALARS = {"int32": "int", "int64": "INDEX", "float32": "float", "float64": "double"}
RAW_GROUP = "(int)get_group_id(0)"
"""A launch's own group, in a program whose functions get theirs as arguments."""


def can_be_stitched(work: Work) -> bool:
    """Whether a group is one work-item that computes a whole block."""
    return work.block == (1,) * len(work.groups) and work.common["V"] == work.common["LANES"] != 1


class Stitched(ABC):
    """Several works as one launch, put together when it is first called.

    Attributes:
        works: in order.
    """

    def __init__(self, works: Sequence[Work]) -> None:
        self.works = works

    @cached_property
    @abstractmethod
    def launch(self) -> Bound:
        """Compiled and bound."""

    def __call__(self) -> None:
        """Enqueue it once more."""
        self.launch()

    @property
    def label(self) -> str:
        """What a report calls it."""
        return " + ".join(work.label for work in self.works)


class Chained(Stitched):
    """One item a block, or a tile of them, which runs the groups of its blocks, work by work.

    Args:
        works: in order. Blocks must be the last axis of every grid, or what varies slowest on its only one.
        blocks: how many.
        together: how many an item takes; works whose groups compute as many get them all, others one after another.
    """

    def __init__(self, works: Sequence[Work], blocks: int, together: int = 1) -> None:
        super().__init__(works)
        self._blocks, self._together = blocks, together

    @cached_property
    def launch(self) -> Bound:
        text, tile = Text(self.works), Tile(self._together, self._blocks, str(self._blocks))
        body = [
            f"    const int {tile.name} = {RAW_GROUP};",
            *(f"    {line}" for line in tile.through(text, self.works)),
        ]
        return text.bind("chained", body, tiles(self._blocks, self._together))


@dataclass(frozen=True)
class Tile:
    """Neighbouring blocks that an item takes through works, in the text of a kernel.

    Attributes:
        size: how many.
        blocks: for how many the works were made.
        end: those of the kernel, where the last tile may end before it is full.
    """

    size: int
    blocks: int
    end: str

    @property
    def name(self) -> str:
        """The variable that counts tiles."""
        return "block" if self.size == 1 else "tile"

    @property
    def _first(self) -> str:
        """The first block of a tile."""
        return self.name if self.size == 1 else f"{self.name} * {self.size}"

    def loop(self, begin: str) -> str:
        """The head of a loop over tiles, from block `begin` on, which is the first of one."""
        number = begin if self.size == 1 else f"{begin} / {self.size}"
        return f"for (int {self.name} = {number}; {self._first} < {self.end}; ++{self.name})"

    def through(
        self, text: Text, works: Sequence[Work], instead: Callable[[Work], Mapping[Argument, str]] = lambda work: {}
    ) -> Iterator[str]:
        """Statements, in order: works whose groups compute a whole tile get it, runs of others its blocks one after another."""
        for size, run in groupby(works, key=lambda work: work.blocks_tile):
            assert size in (1, self.size), "works of other tiles than the item's"
            block = self.name if size == self.size else "block"
            calls = []
            for work in run:
                own = work.groups_of_block(tiles(self.blocks, size))
                calls.append(repeated(prod(own), text.call(work, axes("group", own, block), instead(work))))
            if size == self.size:
                yield from calls
            else:
                end = f"{self._first} + {self.size}"
                yield f"for (int block = {self._first}; block < {end} && block < {self.end}; ++block) {{"
                yield from (f"    {call}" for call in calls)
                yield "}"


def repeated(count: int, call: str) -> str:
    """A call for each of so many groups."""
    return f"for (int group = 0; group < {count}; ++group) {call};"


class SideBySide(Stitched):
    """The groups of all works in one grid, those of the first first."""

    @cached_property
    def launch(self) -> Bound:
        text, body = Text(self.works), [f"    int group = {RAW_GROUP};"]
        for work in self.works:
            count = prod(work.groups)
            body.append(f"    if (group < {count}) {{ {text.call(work, axes('group', work.groups, None))}; return; }}")
            body.append(f"    group -= {count};")
        return text.bind("side_by_side", body, sum(prod(work.groups) for work in self.works))


def axes(group: str, sizes: Sequence[int], block: str | None) -> list[str]:
    """A work's group on each of three axes, from a number that counts them with the first axis fastest."""
    found, step = [], 1
    for axis, size in enumerate(sizes):
        last = axis == len(sizes) - 1
        own = group if step == 1 else f"{group} / {step}"
        if not last:
            own = f"({own}) % {size}"
        elif block is not None:
            own = f"{block} * {size} + {own}"
        found.append(own)
        step *= size
    return found + ["0"] * (3 - len(found))


class Text:
    """The program's text as it grows, and the arguments that its kernel gets: each buffer and each setting once.

    Scalars are arguments of their own, however equal, so that works on another number of samples have the same text.
    """

    def __init__(self, works: Sequence[Work]) -> None:
        self._works, self._runtime = works, works[0].runtime
        self._functions: dict[tuple[object, ...], str] = {}
        self._parts: list[str] = []
        self._arguments: list[Argument] = []
        self._parameters: list[str] = []
        for work in works:
            if work.function not in self._functions:
                self._add(work)

    def call(self, work: Work, group: Iterable[str], instead: Mapping[Argument, str] = MappingProxyType({})) -> str:
        """A call of a work's function for a group, with other values instead of some arguments."""
        values = [instead[each] if each in instead else self.parameter(each) for each in work.arguments]
        return f"{self._functions[work.function]}({', '.join([*group, *values])})"

    def bind(self, name: str, body: Sequence[str], groups: int) -> Bound:
        """The launch of a kernel with this body."""
        head = f"ONE_ITEM_A_BLOCK KERNEL void {name}({', '.join(self._parameters)})"
        text = "\n".join([kernels.source(PRELUDE), _FUNCTIONS, *self._parts, head, "{", *body, "}", ""])
        program = self._runtime.compile(text, f"{name}.cl", self._works[0].common)
        return Bound(self._runtime, program.kernel(name), (groups,), (1,), self._arguments)

    def _add(self, work: Work) -> None:
        number = len(self._functions)
        text = _COMMENT.sub(" ", kernels.source(work.file).replace(kernels.source(PRELUDE), ""))
        text = "".join(f"#define {name} {value}\n" for name, value in sorted(work.defines.items())) + text
        names = sorted(set(_names(text)), key=len, reverse=True)
        word = re.compile(rf"\b({'|'.join(names)})\b")
        text = "\n".join(
            line if line.startswith("#line") else word.sub(rf"\1_{number}", line) for line in text.split("\n")
        )
        self._parts.append(
            _FUNCTION.sub(r"OUTLINED void \1(const int group0, const int group1, const int group2, ", text)
        )
        self._functions[work.function] = f"{work.kernel}_{number}"

    def parameter(self, argument: Argument) -> str:
        """The name of a kernel's parameter that holds an argument."""
        for number, known in enumerate(self._arguments):
            if known is argument:
                return f"a{number}"
        value = argument.value if isinstance(argument, Setting) else argument
        kind = "GLOBAL void*" if isinstance(value, Buffer) else _SCALARS[value.dtype.name]
        self._arguments.append(argument)
        self._parameters.append(f"{kind} a{len(self._arguments) - 1}")
        return f"a{len(self._arguments) - 1}"


def _names(text: str) -> Iterator[str]:
    for pattern in _NAMED:
        yield from re.findall(pattern, text, re.MULTILINE)
