"""The step of `lenet` in other programs that compute with OpenCL, on the same device, in turns: tinygrad (TinyJit) and netcl.

    pip install tinygrad netcl
    python benchmarks/others.py --driver intel --batch 64

The others keep the batch on the device; ours uploads it. All read the loss, so that a step is done when it is timed. They know one
platform, the loader's first: the process is started again with the one driver.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from fair import start_fairly

import gcnn
from gcnn.backends.opencl import icd
from gcnn.maps import Array
from gcnn.models import MODELS
from gcnn.optimizers import Momentum
from gcnn.timing import interleaved

Step = Callable[[], float]
RATE, MOMENTUM = 0.01, 0.9


def ours(x: Array, t: Array) -> tuple[Step, Callable[[], None]]:
    """Through the public API; and what waits for the update."""
    model = MODELS["lenet"]().bind("opencl", batch=len(x))
    step = gcnn.training_step(model, Momentum(RATE, momentum=MOMENTUM))
    return lambda: step(x, t), model.plan.synchronize


def tinygrad(x: Array, t: Array) -> Step:
    """Compiled into one graph of kernels."""
    os.environ["DEV"] = "CL"
    from tinygrad import Tensor, TinyJit, nn
    from tinygrad.helpers import Context

    convolutions = nn.Conv2d(1, 6, 5), nn.Conv2d(6, 16, 5)
    dense = nn.Linear(256, 120), nn.Linear(120, 84), nn.Linear(84, 10)
    optimizer = nn.optim.SGD(nn.state.get_parameters([*convolutions, *dense]), lr=RATE, momentum=MOMENTUM)
    images, labels = Tensor(x).realize(), Tensor(t.argmax(axis=1).astype(np.int32)).realize()

    def scores(y: Any) -> Any:
        for layer in convolutions:
            y = layer(y).tanh().max_pool2d(2)
        y = y.flatten(1)
        for layer in dense[:-1]:
            y = layer(y).tanh()
        return dense[-1](y)

    @TinyJit
    def step() -> Any:
        with Context(TRAINING=1):
            optimizer.zero_grad()
            loss = scores(images).sparse_categorical_crossentropy(labels).backward()
            optimizer.step()
            return loss.realize()

    return lambda: float(step().item())


def netcl(x: Array, t: Array) -> Step:
    """By its tape."""
    from netcl import autograd
    from netcl.core.device import manager
    from netcl.core.tensor import Tensor
    from netcl.nn import functional
    from netcl.nn.layers import Conv2d, Flatten, Linear, MaxPool2d, Sequential, Tanh
    from netcl.optim import Momentum as TheirMomentum

    queue = manager.default(device="auto").queue
    convolutions = [layer for n, m in ((1, 6), (6, 16)) for layer in (Conv2d(queue, n, m, 5), Tanh(), MaxPool2d(2, 2))]
    dense = [Linear(queue, 256, 120), Tanh(), Linear(queue, 120, 84), Tanh(), Linear(queue, 84, 10)]
    network = Sequential(*convolutions, Flatten(), *dense)
    optimizer = TheirMomentum(network.parameters(), lr=RATE)
    images, targets = Tensor.from_host(queue, x), autograd.tensor(Tensor.from_host(queue, t))

    def step() -> float:
        tape = autograd.Tape(retain_grads=False)
        autograd.set_current_tape(tape)
        loss = functional.cross_entropy(network(autograd.tensor(images)), targets)
        autograd.set_current_tape(None)
        tape.backward(loss)
        optimizer.step()
        optimizer.zero_grad()
        return float(loss.value.to_host()[0])

    return step


PEERS: dict[str, Callable[[Array, Array], Step]] = {"tinygrad": tinygrad, "netcl": netcl}


def with_driver(name: str) -> None:
    """Start this script again where the OpenCL loader sees other drivers than the one."""
    if os.environ.get("GCNN_ONE_DRIVER") == name:
        return
    found = {driver.library: driver for driver in icd.prepare() if driver.fault is None}
    library = next((library for library in found if name in library.lower()), None)
    if library is None:
        raise SystemExit(f"no driver {name!r}; there are: {', '.join(found) or 'none'}.")
    folder = Path(tempfile.mkdtemp(prefix="one-driver-"))
    (folder / "one.icd").write_text(library + "\n", encoding="utf-8")
    environment = os.environ | {"OCL_ICD_VENDORS": str(folder), "GCNN_ONE_DRIVER": name}
    os.execve(sys.executable, [sys.executable, *sys.argv], environment)  # noqa: S606  # itself


def main() -> None:
    """Measure what the command line asks for."""
    start_fairly()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--driver", default="intel", help="a part of the library's path: intel, pocl")
    parser.add_argument("--peers", nargs="+", choices=PEERS, default=list(PEERS))
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--blocks", type=int, default=9)
    given = parser.parse_args()
    with_driver(given.driver)
    rng = np.random.default_rng(0)
    x = rng.standard_normal((given.batch, 1, 28, 28)).astype(np.float32)
    t = np.eye(10, dtype=np.float32)[rng.integers(0, 10, given.batch)]
    own, updated = ours(x, t)
    steps = {"gcnn": own, **{name: PEERS[name](x, t) for name in given.peers}}
    for name, step in steps.items():
        print(f"{name}: losses of the first steps {', '.join(f'{step():.4f}' for _ in range(4))}", flush=True)
    timings = interleaved(steps, given.blocks, finish={"gcnn": updated})
    for name, timing in timings.items():
        print(
            f"{name}: {timing.median * 1e3:.3g} ms, {timing.median / timings['gcnn'].median:.3g} times as long as gcnn"
        )


if __name__ == "__main__":
    main()
