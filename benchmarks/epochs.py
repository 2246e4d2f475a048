"""An epoch of the two papers' samples on Fashion-MNIST, from the files to the trained model, in turns over all OpenCL devices.

    python benchmarks/epochs.py

`simard` is Hedberg's second sample, `delmas` the example of delmas' program, each with the batch of the original and as many samples. The
originals took 78 s (PoCL) and 36 s on two processors of a cloud machine; they are not part of this project, so they do not run in turns
here, and their times say something only of a machine like it. Needs the data: the Debian package dataset-fashion-mnist, or a download.
"""

from __future__ import annotations

import statistics
import time
from argparse import ArgumentParser, RawDescriptionHelpFormatter

import gcnn
from gcnn.backend import Device, get_backend
from gcnn.data import open_dataset
from gcnn.models import MODELS
from gcnn.optimizers import Momentum

SAMPLES = {"simard": (60_000, 60, 78.0), "delmas": (58_000, 50, 36.0)}
"""Samples, those of a batch, and seconds that the original took."""


def main() -> None:
    """Measure what the command line asks for."""
    parser = ArgumentParser(description=__doc__, formatter_class=RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3, help="epochs on each device, which take turns")
    rounds = parser.parse_args().rounds
    devices = [device for device in get_backend("opencl").devices() if isinstance(device, Device)]
    training = open_dataset("fashion-mnist").training
    for name, (samples, batch, original) in SAMPLES.items():
        data = training[:samples]
        models = [MODELS[name](data[0].shape[1:]).bind("opencl", device.index, batch=batch) for device in devices]
        for model in models:
            gcnn.train(model, (data[0][: 2 * batch], data[1][: 2 * batch]), Momentum(0.01), epochs=1)  # compiles
        times: list[list[float]] = [[] for _ in devices]
        for _ in range(rounds):
            for model, own in zip(models, times, strict=True):
                start = time.perf_counter()
                gcnn.train(model, data, Momentum(0.01), epochs=1)
                own.append(time.perf_counter() - start)
        for device, own in zip(devices, times, strict=True):
            seconds = statistics.median(own)
            print(
                f"{name}, {samples} samples, batches of {batch}, {device.details['platform']}: {seconds:.2f} s; {original / seconds:.0f}x"
            )


if __name__ == "__main__":
    main()
