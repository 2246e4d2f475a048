"""The targets without a fuzzer: their seeds, and simple mutations of these in a fixed order."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from random import Random

from tests.fuzz.guard import guarded
from tests.fuzz.targets import Target
from tests.fuzz.trees import simple_change


def inputs(target: Target, count: int) -> Iterator[bytes]:
    """The seeds, then mutations of mutations of them, the same ones every time."""
    rng = Random(target.name)  # noqa: S311
    change = simple_change(rng, target.words)
    corpus = target.seeds()
    yield from corpus
    for _ in range(count):
        data = rng.choice(corpus)
        for _ in range(rng.choice([1, 1, 2, 4])):
            data = target.mutator(data, rng, change)
        yield data


def replay(target: Target, folder: Path, count: int) -> None:
    """Try the inputs.

    Raises:
        AssertionError: one of them gave something other than a value or a refusal; it is in `folder`, as failure.
    """
    with guarded():
        for data in inputs(target, count):
            try:
                target.read(data, folder)
            except Exception as error:
                (folder / "failure").write_bytes(data)
                raise AssertionError(
                    f"{target.name}: {error!r} for {data[:200]!r}. To see it again: "
                    f"python -m tests.fuzz {target.name!r} {folder / 'failure'}"
                ) from error
