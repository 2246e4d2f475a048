"""Do trainings on a device go the way the oracle's goes? Three epochs of Fashion-MNIST, loss curves side by side; a Markdown page.

    python benchmarks/curves.py --page docs/reports/curves.md

Every place trains the same network from the same parameters on the same batches in the same order. Rounding makes trainings part, the
oracle's own in float32 from that in float64 as well, which shows how far that goes by itself. Exit status 1 where a place leaves the
band: means of the loss over WINDOW steps within BAND of the oracle's in float64, the accuracy on the test samples within POINTS.
Needs the data: the Debian package dataset-fashion-mnist, or a download.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import gcnn
from gcnn.backend import Device, get_backend
from gcnn.data import open_dataset
from gcnn.layers import Convolution, Dense, MaxPooling
from gcnn.maps import Array
from gcnn.models import MODELS
from gcnn.optimizers import Momentum

BATCH, EPOCHS, WINDOW = 64, 3, 100
BAND, POINTS = 0.02, 0.5
ORACLE = ("numpy", "float64")


def wide() -> gcnn.Network:
    """3x3 taps over many maps, for which Winograd's algorithm is chosen, forward and back."""
    return gcnn.Network(
        [
            Convolution(32, 3, padding=1, activation="relu"),
            MaxPooling(2),
            Convolution(32, 3, padding=1, activation="relu"),
            MaxPooling(2),
            Dense(10, activation="softmax"),
        ],
        (1, 28, 28),
    )


NETWORKS: dict[str, tuple[Callable[[], gcnn.Network], int]] = {
    "lenet": (MODELS["lenet"], 60_000),
    "wide": (wide, 12_000),
}
"""What is trained, and on how many of the samples."""


@dataclass(frozen=True)
class Curve:
    """A training's losses, step by step, and its accuracy at the end."""

    losses: Array
    accuracy: float

    def means(self, steps: int) -> Array:
        """Of so many steps each; the last may be of fewer."""
        return np.array([part.mean() for part in np.split(self.losses, range(steps, len(self.losses), steps))])


def trained(
    network: gcnn.Network, backend: str, dtype: str, training: tuple[Array, Array], test: tuple[Array, Array]
) -> Curve:
    """One training."""
    name, _, device = backend.partition(":")
    step = gcnn.training_step(network.bind(name, device or None, dtype, BATCH), Momentum(0.02))
    x, labels, rng = *training, np.random.default_rng(0)
    losses = []
    for _ in range(EPOCHS):
        order = rng.permutation(len(x))
        losses += [step(x[part], labels[part]) for part in np.split(order, range(BATCH, len(x), BATCH))]
    return Curve(np.array(losses), 100 * gcnn.accuracy(step.model, *test))


def parts(curve: Curve, oracle: Curve) -> tuple[float, float]:
    """How far a curve parts from the oracle's: the largest of the means' relative differences, and points of accuracy."""
    means, expected = curve.means(WINDOW), oracle.means(WINDOW)
    return float(np.abs(means / expected - 1).max()), abs(curve.accuracy - oracle.accuracy)


def page(name: str, samples: int, curves: dict[tuple[str, str], Curve], names: dict[str, str]) -> list[str]:
    """Lines of Markdown for one network."""
    steps = -(-samples // BATCH)
    epochs = " | ".join(f"epoch {n + 1}" for n in range(EPOCHS))
    lines = [f"## {name}, {samples:,} samples", "", f"| place | {epochs} | test accuracy | parts by | points |"]
    lines.append("| --- |" + " ---: |" * (EPOCHS + 3))
    for (place, dtype), curve in curves.items():
        means = " | ".join(f"{mean:.5f}" for mean in curve.means(steps))
        largest, points = parts(curve, curves[ORACLE])
        lines.append(
            f"| {names.get(place, place)}, {dtype} | {means} | {curve.accuracy:.2f} % | {largest:.2%} | {points:.2f} |"
        )
    return [*lines, ""]


def main() -> int:
    """Train what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--networks", nargs="+", choices=NETWORKS, default=list(NETWORKS))
    parser.add_argument("--page", type=Path, help="a file to write, in place of standard output")
    given = parser.parse_args()
    found = [device for device in get_backend("opencl").devices() if isinstance(device, Device)]
    names = {f"opencl:{device.index}": device.name for device in found}
    places = [ORACLE, ("numpy", "float32"), *((place, "float32") for place in names)]
    data = open_dataset("fashion-mnist")
    assert data.test is not None
    text = [
        "# Trainings beside the oracle's",
        "",
        f"Fashion-MNIST, {EPOCHS} epochs, batches of {BATCH}, momentum. Mean losses of the epochs;",
    ]
    text += [f"how far means of {WINDOW} steps part from the oracle's in float64 at most, {BAND:.0%} is allowed;"]
    text += [f"points of accuracy between the two, {POINTS} are allowed. Made by benchmarks/curves.py.", ""]
    outside = False
    for name in given.networks:
        make, samples = NETWORKS[name]
        training, test = (part[: min(samples, len(part))] for part in (data.training, data.test))
        curves: dict[tuple[str, str], Curve] = {}
        for place, dtype in places:
            curves[place, dtype] = trained(make(), place, dtype, training, test)
            largest, points = parts(curves[place, dtype], curves[ORACLE])
            outside |= largest > BAND or points > POINTS
            print(f"{name}, {place}, {dtype}: {largest:.2%}, {points:.2f} points", file=sys.stderr, flush=True)
        text += page(name, samples, curves, names)
    if given.page:
        given.page.write_text("\n".join(text).rstrip() + "\n", encoding="utf-8")
    else:
        print("\n".join(text))
    return int(outside)


if __name__ == "__main__":
    sys.exit(main())
