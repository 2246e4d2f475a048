"""Kill a training at random moments, go on, and compare the end with a training that was never killed.

    python .ci/kills.py 200

Every training saves itself after every step, so that many kills fall into saving. Prints what happened; the exit status
is 0 if all trainings ended with the bits of the whole one.
"""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

import gcnn
from gcnn.checkpoint import read_checkpoint

OPTIONS = (
    *("--model", "network.json", "--epochs", "12", "--batch", "64", "--shift", "1", "--optimizer", "adam"),
    *("--patience", "50", "--schedule", "cosine", "--backend", "numpy", "--save-every", "0", "--quiet"),
)


def gcnn_command(*arguments: str) -> subprocess.Popen[bytes]:
    """`gcnn ...` as a process of its own."""
    return subprocess.Popen([sys.executable, "-m", "gcnn", *arguments], stdout=subprocess.DEVNULL)  # noqa: S603


def run_killed(number: int, chance: random.Random, longest: float) -> tuple[int, int]:
    """One training, killed until it is done: how many kills it took, and how many temporary files they left."""
    folder, kills, left = Path(f"killed-{number}"), 0, 0
    while True:
        begun = (folder / "checkpoint.safetensors").exists()
        if not begun:
            shutil.rmtree(folder, ignore_errors=True)
        process = gcnn_command(
            *(("resume", str(folder), *OPTIONS[-3:]) if begun else ("train", "--output", str(folder), *OPTIONS))
        )
        try:
            status = process.wait(timeout=chance.random() * longest)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            kills += 1
            left += sum(path.name.startswith(".") for path in folder.glob("*"))
            if (folder / "checkpoint.safetensors").exists():
                read_checkpoint(folder / "checkpoint.safetensors")  # whole, at any moment
            continue
        if status != 0:
            raise SystemExit(f"training {number} ended with status {status} after {kills} kills")
        return kills, left


def main(wanted: int) -> None:
    """Kill until there were `wanted` kills."""
    layers = [gcnn.layers.Convolution(2, 3, stride=2, activation="tanh"), gcnn.layers.Dense(10, activation="softmax")]
    Path("network.json").write_text(gcnn.Network(layers, (1, 8, 8)).to_json())
    start = time.monotonic()
    if gcnn_command("train", "--output", "whole", *OPTIONS).wait() != 0:
        raise SystemExit("the whole training failed")
    longest = (
        time.monotonic() - start
    )  # on a busy machine, importing alone may take as long as all of it on an idle one
    whole = gcnn.load("whole/model.safetensors", "numpy").theta
    chance = random.Random(0)  # noqa: S311  # when to kill is no secret
    kills, runs, left, start = 0, 0, 0, time.monotonic()
    while kills < wanted:
        more, files = run_killed(runs, chance, longest)
        kills, left = kills + more, left + files
        if not np.array_equal(gcnn.load(f"killed-{runs}/model.safetensors", "numpy").theta, whole):
            raise SystemExit(f"training {runs}, killed {more} times, ended with other parameters")
        runs += 1
    seconds = time.monotonic() - start
    print(
        f"{kills} kills of {runs} trainings in {seconds:.0f} s, all ended with equal bits; {left} temporary files were left"
    )


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as place:
        os.chdir(place)
        main(int(sys.argv[1]))
