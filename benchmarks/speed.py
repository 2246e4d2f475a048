"""Speed beside PyTorch and NumPy, row by row, each row's places in turns; a Markdown table.

    python benchmarks/speed.py                          all rows on all OpenCL devices, a quarter of an hour
    python benchmarks/speed.py --rows "lenet*" --blocks 31 --page docs/reports/speed.md

A machine should have nothing else to do. Needs PyTorch: pip install torch.
"""

from __future__ import annotations

import argparse
import platform
from collections.abc import Callable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import partial
from pathlib import Path

from fair import start_fairly

import gcnn
from gcnn.backend import Device, get_backend
from gcnn.bench import Comparison, compare
from gcnn.layers import Convolution, Dense
from gcnn.models import MODELS
from gcnn.optimizers import Adam, Momentum, Optimizer


@dataclass(frozen=True)
class Row:
    """What is compared: a network's work at a batch size, beside a place."""

    network: Callable[[], gcnn.Network]
    work: str = "step"
    batch: int = 64
    optimizer: Callable[[], Optimizer] = Momentum
    beside: str = "torch"


def one_layer(layer: gcnn.layers.Layer, inputs: tuple[int, ...]) -> gcnn.Network:
    """A network of one layer."""
    return gcnn.Network([layer], inputs, "mse")


WIDE = {"b": (64, (32, 16, 16), 64), "c": (8, (64, 58, 58), 64), "d": (8, (128, 30, 30), 128)}
"""Batch, input and maps of wide 3x3 convolutions."""
ROWS: dict[str, Row] = {
    "lenet step, momentum": Row(MODELS["lenet"]),
    "lenet step, Adam": Row(MODELS["lenet"], optimizer=partial(Adam, 0.001)),
    "lenet step, batch 256": Row(MODELS["lenet"], batch=256),
    "lenet step, batch 1024": Row(MODELS["lenet"], batch=1024),
    "lenet5 step": Row(MODELS["lenet5"]),
    "lenet5 step, its own batch of 1": Row(MODELS["lenet5"], batch=1),
    "simard step": Row(MODELS["simard"]),
    "simard step, its sample's batch of 60": Row(MODELS["simard"], batch=60),
    "delmas step": Row(MODELS["delmas"]),
    "delmas step, its example's batch of 50": Row(MODELS["delmas"], batch=50),
    "vgg-small step": Row(MODELS["vgg-small"]),
    "lenet forward, batch 1": Row(MODELS["lenet"], "forward", 1),
    "lenet forward, batch 256": Row(MODELS["lenet"], "forward", 256),
    "dense 1024^3 forward": Row(partial(one_layer, Dense(1024), (1024,)), "forward", 1024, beside="numpy"),
}
for name, (batch, inputs, maps) in WIDE.items():
    network = partial(one_layer, Convolution(maps, 3), inputs)
    ROWS[f"convolution {name} forward"] = Row(network, "forward", batch)
    ROWS[f"convolution {name} gradient"] = Row(network, "gradient", batch)


def measured(row: Row, devices: list[str], blocks: int) -> Comparison:
    """A row's times."""
    return compare(row.network(), [row.beside, *devices], row.optimizer, row.work, row.batch, blocks=blocks)


def line(name: str, found: Comparison, beside: str) -> str:
    """A row of the table: milliseconds, and how many times as fast as the first place."""
    cells = [f"{timing.median * 1e3:.3g}" for timing in found.timings.values()]
    ratios = [f"{found.ratio(place, beside):.2g}" for place in found.timings if place != beside]
    return f"| {name} | {beside} | {' | '.join(cells)} | {' | '.join(ratios)} |"


def main() -> None:
    """Measure what the command line asks for."""
    start_fairly()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", default="*", help="a pattern of their names")
    parser.add_argument("--blocks", type=int, default=15)
    parser.add_argument("--page", type=Path, help="write the table there too")
    given = parser.parse_args()
    found = [device for device in get_backend("opencl").devices() if isinstance(device, Device)]
    devices = [f"opencl:{device.index}" for device in found]
    names = [device.details["platform"] for device in found]
    lines = [
        f"Medians of {given.blocks} times in turns, in ms; then how many times as fast. {platform.platform()}.",
        "",
    ]
    lines += [f"| | beside | it | {' | '.join(names)} | {' | '.join(f'{name}: times' for name in names)} |"]
    lines += ["|" + "---|" * (3 + 2 * len(names))]
    print("\n".join(lines), flush=True)
    for name, row in ROWS.items():
        if fnmatchcase(name, given.rows):
            lines.append(line(name, measured(row, devices, given.blocks), row.beside))
            print(lines[-1], flush=True)
    if given.page:
        given.page.write_text("# Speed\n\n" + "\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
