"""Fuzz the readers: `python -m tests.fuzz` tries all targets, `python -m tests.fuzz TARGET` one, `... TARGET FILE` one input.

Needs atheris: pip install -e ".[fuzz]". Each target runs in a process of its own, two at a time, from the same seed every
time. What fails is kept in fuzz-failures/ in the working folder. The last line counts all inputs; exit 1 where any failed.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from tests.fuzz.targets import TARGETS, Target

FAILURES = Path("fuzz-failures").absolute()
OPTIONS = ["-seed=1", "-timeout=5", "-rss_limit_mb=2048", "-max_len=16384", "-print_final_stats=1", "-reload=0"]
MEMORY = Path("/dev/shm")  # noqa: S108
"""Where files cost no disk, if the system has it."""


class Outcome(NamedTuple):
    """What came of a target."""

    name: str
    inputs: int
    kept: int
    failed: bool
    log: str


def fuzz(target: Target, seeds: list[bytes], inputs: int) -> Outcome:
    """Try so many inputs on a target."""
    with _folder() as folder:
        corpus, words = Path(folder) / "corpus", Path(folder) / "words"
        corpus.mkdir()
        for number, seed in enumerate(seeds):
            (corpus / f"seed{number}").write_bytes(seed)
        words.write_text("".join(f'"{word.decode()}"\n' for word in target.words))
        options = [*OPTIONS, f"-runs={inputs}", f"-artifact_prefix={FAILURES / target.name.replace(' ', '-')}-"]
        options += [f"-dict={words}"] if target.words else []
        run = _fuzzer(target.name, folder, *options, corpus)
        kept = sum(not path.name.startswith("seed") for path in corpus.iterdir())
    found = re.search(r"stat::number_of_executed_units: (\d+)", run.stdout)
    done = int(found[1]) if found else 0
    return Outcome(target.name, done, kept, run.returncode != 0 or done < inputs, run.stdout)


def _folder() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None)


def _fuzzer(name: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    # Equal seeds give equal runs only where sets have one order, and one thread computes.
    fixed = {"PYTHONHASHSEED": "0", "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        [sys.executable, "-m", "tests.fuzz.fuzzer", name, *map(str, arguments)],
        env=os.environ | fixed,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        check=False,
    )


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("target", nargs="?", choices=TARGETS)
    parser.add_argument("file", nargs="?", type=Path)
    parser.add_argument("--inputs", type=int, help="for each target, in place of its own number")
    arguments = parser.parse_args()
    if arguments.file:
        with _folder() as folder:
            run = _fuzzer(arguments.target, folder, arguments.file.absolute())
        print(run.stdout)
        return run.returncode
    names = [arguments.target] if arguments.target else list(TARGETS)
    # Made one after the other: some stop the clock.
    jobs = [(TARGETS[name], TARGETS[name].seeds(), arguments.inputs or TARGETS[name].inputs) for name in names]
    outcomes = []
    FAILURES.mkdir(exist_ok=True)
    with ThreadPoolExecutor(2) as pool:
        for outcome in pool.map(lambda job: fuzz(*job), jobs):
            outcomes.append(outcome)
            if outcome.failed:
                print(outcome.log[-4000:])
            state = "FAILED" if outcome.failed else f"{outcome.kept} reached something new"
            print(f"{outcome.name:15}{outcome.inputs:7} inputs: {state}", flush=True)
    if not any(FAILURES.iterdir()):
        FAILURES.rmdir()
    failed = [outcome.name for outcome in outcomes if outcome.failed]
    print(f"{sum(outcome.inputs for outcome in outcomes)} inputs, {len(failed)} of {len(outcomes)} readers failed")
    return len(failed) > 0


if __name__ == "__main__":
    sys.exit(main())
