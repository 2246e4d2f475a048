"""How times grow, one size at a time, on one processor and on all: samples, image, channels. Pictures, in which a cliff would be seen, and
numbers as JSON.

    python benchmarks/growth.py --out growth            five minutes
    python benchmarks/growth.py --axes channels --units 2 --beside torch

Times are of a call from arrays on the host and back, divided by the work: a line that falls and then stays level is what one wants.
Needs matplotlib: pip install -e ".[plot]".
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

from fair import start_fairly

import gcnn
from gcnn.backend import Device, get_backend
from gcnn.bench import compare
from gcnn.layers import Convolution
from gcnn.models import MODELS
from gcnn.optimizers import Momentum

Sized = Callable[[int], tuple[gcnn.Network, int, float]]
"""size -> (network, batch, amount of work)"""


def by_samples(samples: int) -> tuple[gcnn.Network, int, float]:
    """A known network."""
    return MODELS["lenet"](), samples, samples


def by_pixels(side: int) -> tuple[gcnn.Network, int, float]:
    """A layer of few maps."""
    return gcnn.Network([Convolution(16, 3, padding=1)], (8, side, side), "mse"), 16, side * side


def by_channels(channels: int) -> tuple[gcnn.Network, int, float]:
    """A layer of small images."""
    return gcnn.Network([Convolution(channels, 3, padding=1)], (channels, 16, 16), "mse"), 16, channels * channels


AXES: dict[str, tuple[str, str, Sized, list[int]]] = {
    "samples": ("lenet, a step", "sample", by_samples, [2**n for n in range(13)]),
    "image": ("8 to 16 maps, 3x3, 16 samples, a gradient", "pixel", by_pixels, [8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256]),
    "channels": ("as many maps from as many, 3x3, 16x16, 16 samples, a gradient", "connection", by_channels, [2**n for n in range(10)]),
}  # fmt: skip


def times(axis: str, places: dict[str, str], blocks: int, units: int) -> dict[str, list[float]]:
    """Microseconds for each unit of work, by the name of a place."""
    _, _, sized, sizes = AXES[axis]
    found: dict[str, list[float]] = {name: [] for name in places.values()}
    for size in sizes:
        network, batch, amount = sized(size)
        work = "step" if axis == "samples" else "gradient"
        timings = compare(network, list(places), partial(Momentum, 0.001), work, batch, blocks=blocks).timings
        for place, timing in timings.items():
            found[places[place]].append(1e6 * timing.median / amount)
        told = ", ".join(f"{name} {values[-1]:.4g} us" for name, values in found.items())
        print(f"{units} units, {axis} {size}: {told}", file=sys.stderr, flush=True)
    return found


def keep_to(units: int) -> None:
    """Let this process have so many processors; before anything asks how many there are."""
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:units])
    os.environ["POCL_MAX_PTHREAD_COUNT"] = str(units)  # PoCL counts them itself


def measured(units: int, given: argparse.Namespace) -> dict[str, dict[str, list[float]]]:
    """The same in a process of its own on so many processors: by axis, then by place."""
    command = [
        sys.executable,
        __file__,
        "--child",
        "--units",
        str(units),
        "--blocks",
        str(given.blocks),
        "--axes",
        *given.axes,
    ]
    done = subprocess.run([*command, "--beside", *given.beside], stdout=subprocess.PIPE, text=True, check=True)  # noqa: S603
    found: dict[str, dict[str, list[float]]] = json.loads(done.stdout)
    return found


def draw(axis: str, found: dict[str, list[float]], path: Path) -> None:
    """A picture of both axes in powers of two and ten."""
    from matplotlib.figure import Figure

    title, unit, _, sizes = AXES[axis]
    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.subplots()
    for place, values in found.items():
        axes.loglog(sizes, values, marker="o", label=place, base=10)
    axes.set_xscale("log", base=2)
    axes.set(title=title, xlabel=axis, ylabel=f"µs for each {unit}")
    axes.grid(alpha=0.3)
    axes.legend()
    figure.savefig(path)


def main() -> None:
    """Measure what the command line asks for."""
    start_fairly()
    processors = len(os.sched_getaffinity(0))
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--axes", nargs="+", choices=AXES, default=list(AXES))
    parser.add_argument("--units", nargs="+", type=int, default=sorted({1, processors}), help="processors")
    parser.add_argument("--beside", nargs="*", default=[], help="other places, such as torch")
    parser.add_argument("--blocks", type=int, default=7)
    parser.add_argument("--out", type=Path, default=Path("growth"), help="a folder")
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.child:
        (units,) = given.units
        keep_to(units)
        devices = [device for device in get_backend("opencl").devices() if isinstance(device, Device)]
        places = {f"opencl:{device.index}": device.details["platform"] for device in devices}
        places |= {place: place for place in given.beside}
        print(json.dumps({axis: times(axis, places, given.blocks, units) for axis in given.axes}))
        return
    given.out.mkdir(parents=True, exist_ok=True)
    found = {units: measured(units, given) for units in given.units}
    for axis in given.axes:
        grown = {
            f"{place}, {units} unit{'s' * (units > 1)}": values
            for units in given.units
            for place, values in found[units][axis].items()
        }
        draw(axis, grown, given.out / f"{axis}.png")
        content = {"sizes": AXES[axis][3], "microseconds": grown}
        (given.out / f"{axis}.json").write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
