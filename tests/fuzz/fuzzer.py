"""One target under the fuzzer atheris, which sees what lines an input reaches; tests/fuzz/__main__.py starts it.

    python -m tests.fuzz.fuzzer TARGET FOLDER ARGUMENT...

FOLDER is where files are written, and the arguments are libFuzzer's: options, and a folder of inputs or inputs to try alone.
"""

from __future__ import annotations

import os
import random
import sys
import warnings
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["gcnn"]):
    from tests.fuzz.targets import TARGETS

from tests.fuzz.guard import guarded

FILES = Path("files-of-the-fuzzer")
"""The same path every time, since the fuzzer learns from what is compared; and one that no message holds by chance."""


def main(name: str, folder: str, arguments: list[str]) -> None:
    """Run libFuzzer on a target; it ends the process."""
    target = TARGETS[name]

    def change(data: bytes) -> bytes:
        return atheris.Mutate(data, max(len(data) + 64, 128))

    def mutate(data: bytes, most: int, seed: int) -> bytes:
        mutated = target.mutator(data, random.Random(seed), change)  # noqa: S311
        return mutated if len(mutated) <= most else change(data)[:most]

    def read(data: bytes) -> None:
        target.read(data, FILES)

    os.chdir(folder)
    FILES.mkdir()
    atheris.Setup([sys.argv[0], *arguments], read, custom_mutator=mutate)
    warnings.simplefilter("error")
    with guarded():
        atheris.Fuzz()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3:])
