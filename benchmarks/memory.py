"""Peak memory of training, above the bare interpreter's, each place in a process of its own; PyTorch beside.

    python benchmarks/memory.py --models lenet vgg-small --batch 64

Resident memory at its highest, which is what a machine must have: libraries, compilers and compiled kernels with it.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
from collections.abc import Callable

STEPS = 20


def peak() -> int:
    """Bytes of this process, at its highest so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def measure(place: str, model: str, batch: int) -> dict[str, int]:
    """Bytes before anything is imported, with what a step needs, and after some steps."""
    bare = peak()
    import gcnn
    from gcnn.bench.torch_peer import TorchPeer
    from gcnn.bench.works import bound, samples
    from gcnn.models import MODELS
    from gcnn.optimizers import Momentum

    network = MODELS[model]()
    x, t = samples(network, batch, "float32")
    step: Callable[[], object]
    if place == "torch":
        step = TorchPeer(network, Momentum(0.01), "float32").call("step", x, t)
    else:
        training = gcnn.training_step(bound(network, place, "float32", batch), Momentum(0.01))

        def step() -> object:
            return training(x, t)

    ready = peak()
    for _ in range(STEPS):
        step()
    return {"bare": bare, "ready": ready, "peak": peak()}


def main() -> None:
    """Measure what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", default=["lenet", "vgg-small"])
    parser.add_argument("--places", nargs="+", default=["torch", "opencl:0", "opencl:1"])
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--child", nargs=2, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.child:
        print(json.dumps(measure(*given.child, given.batch)))
        return
    for model in given.models:
        for place in given.places:
            command = [sys.executable, __file__, "--batch", str(given.batch), "--child", place, model]
            done = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603  # itself
            found = json.loads(done.stdout.strip().rpartition("\n")[2])
            above, steps = (found["peak"] - found[before] for before in ("bare", "ready"))
            taken = f"{above / 2**20:.0f} MiB, of which the steps took {steps / 2**20:.0f}"
            print(f"{model}, batch {given.batch}, {place}: {taken}", flush=True)


if __name__ == "__main__":
    main()
