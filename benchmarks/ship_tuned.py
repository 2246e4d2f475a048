"""Results of tuning that come with gcnn: tune its models on one device, and write what was found for that device's architecture.

    python benchmarks/ship_tuned.py --backend opencl --device 0 --budget 7200
    python benchmarks/ship_tuned.py --model mlp --batch 64 --budget 60 --folder /tmp/tuned      # a try

The budget, in seconds, is for all models and batches together, about. On a machine that does nothing else. The file is named by the
architecture and replaces the one of that name; Ctrl-C writes what there is. All that the folder given by --work has is written, so that a
second run adds to the first; remove it where kernels have changed since.
"""

from __future__ import annotations

import os
import re
from argparse import ArgumentParser
from dataclasses import replace
from pathlib import Path
from time import perf_counter

from gcnn import kernels
from gcnn.backend import Program, select
from gcnn.backends.accelerated.backend import AcceleratedBackend
from gcnn.backends.accelerated.runtime import Runtime
from gcnn.backends.accelerated.tuning.key import device_name
from gcnn.backends.accelerated.tuning.ladder import SEARCHED, architecture, device_class
from gcnn.backends.accelerated.tuning.store import Store, write_entries
from gcnn.files import write_atomically
from gcnn.interruption import Interruption
from gcnn.models import MODELS

NAMES = ("lenet", "lenet5", "simard", "delmas", "vgg-small", "mlp", "digits-conv")
BATCHES = (64, 256)
FACTS = ("gain", "seconds")
"""What is kept of how a result came about; the rest is of that machine."""


def main() -> None:
    """See the module."""
    parser = ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--backend", default="opencl")
    parser.add_argument("--device")
    parser.add_argument("--model", action="append", help="may be repeated; without it, all")
    parser.add_argument("--batch", action="append", type=int)
    parser.add_argument("--dtype", default="float32")
    parser.add_argument("--budget", type=float, default=7200.0)
    parser.add_argument("--work", type=Path, default=Path("build/ship_tuned"), help="results and compiled kernels")
    parser.add_argument("--folder", type=Path, default=Path(kernels.__file__).resolve().parent / "tuned")
    options = parser.parse_args()
    os.environ["GCNN_CACHE"] = str(options.work.resolve())
    backend, device = select(options.backend, options.device)
    if not isinstance(backend, AcceleratedBackend):
        parser.error(f"backend {options.backend!r} has no kernels to tune")
    runtime, end = backend.runtime(device), perf_counter() + options.budget
    works = [(name, batch) for batch in options.batch or BATCHES for name in options.model or NAMES]
    with Interruption() as interruption:
        for number, (name, batch) in enumerate(works):
            if interruption.signal is not None:
                break
            program, seconds = Program.of(MODELS[name]()), (end - perf_counter()) / (len(works) - number)
            print(f"{name}, batch {batch}: {seconds:.0f} s", flush=True)
            for tuned in backend.tune(
                program, device, options.dtype, batch, seconds, lambda at: None, lambda: interruption.signal is not None
            ):
                gain = "-" if tuned.gain is None else f"{tuned.gain:.2f}"
                print(f"  {tuned.layer}: {tuned.kernel} {gain} {dict(tuned.chosen or {})}", flush=True)
    print(write(Store(runtime.language, device_name(runtime)), runtime, options.folder))


def write(store: Store, runtime: Runtime, folder: Path) -> Path:
    """The file for the device's architecture, from what a store has by search."""
    found = {
        key: replace(entry, facts={"from": SEARCHED} | {name: entry.facts.get(name) for name in FACTS})
        for key, entry in store.entries().items()
        if entry.facts.get("from") == SEARCHED
    }
    facts = {"architecture": architecture(runtime), "class": device_class(runtime)}
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{re.sub(r'[^a-z0-9]+', '-', facts['architecture'].lower()).strip('-')}.json"
    write_atomically(path, write_entries(found, **facts))
    return path


if __name__ == "__main__":
    main()
