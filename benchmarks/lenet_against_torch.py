"""One LeNet training step on the NumPy oracle beside PyTorch on the same processor: interleaved medians and their ratio.

    pip install torch; MALLOC_TRIM_THRESHOLD_=1000000000 MALLOC_MMAP_THRESHOLD_=1000000000 python benchmarks/lenet_against_torch.py

The malloc variables keep glibc from giving memory back between PyTorch's steps, which would flatter the ratio.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import numpy as np
import torch

import gcnn
from gcnn import layers
from gcnn.optimizers import Momentum

BATCH, BLOCKS, STEPS = 64, 15, 5


def ours(x: np.ndarray, t: np.ndarray) -> Callable[[], float]:
    """A step of gcnn; upload of the batch and the loss included."""
    network = gcnn.Network(
        [
            layers.Convolution(6, 5, activation="tanh"),
            layers.MaxPooling(2),
            layers.Convolution(16, 5, activation="tanh"),
            layers.MaxPooling(2),
            layers.Dense(120, activation="tanh"),
            layers.Dense(84, activation="tanh"),
            layers.Dense(10, activation="softmax"),
        ],
        input_shape=(1, 28, 28),
    )
    step = gcnn.training_step(network.bind("numpy", batch=BATCH), Momentum(0.01))
    return lambda: step(x, t)


def theirs(x: np.ndarray, t: np.ndarray) -> Callable[[], float]:
    """The same step of PyTorch, eager, two threads."""
    nn = torch.nn
    torch.set_num_threads(2)
    model = nn.Sequential(
        *(
            nn.Conv2d(1, 6, 5),
            nn.Tanh(),
            nn.MaxPool2d(2),
            nn.Conv2d(6, 16, 5),
            nn.Tanh(),
            nn.MaxPool2d(2),
            nn.Flatten(),
        ),
        *(nn.Linear(256, 120), nn.Tanh(), nn.Linear(120, 84), nn.Tanh(), nn.Linear(84, 10)),
    )
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
    criterion = nn.CrossEntropyLoss()

    def step() -> float:
        optimizer.zero_grad()
        loss = criterion(model(torch.from_numpy(x)), torch.from_numpy(t))
        loss.backward()
        optimizer.step()
        return loss.item()

    return step


def milliseconds(step: Callable[[], float]) -> float:
    """Mean time of a few steps."""
    start = time.perf_counter()
    for _ in range(STEPS):
        step()
    return (time.perf_counter() - start) / STEPS * 1e3


def main() -> None:
    """Interleave blocks of both and print the medians."""
    rng = np.random.default_rng(0)
    x, t = rng.random((BATCH, 1, 28, 28), dtype=np.float32), rng.integers(0, 10, BATCH)
    steps = {"gcnn numpy": ours(x, t), "torch eager": theirs(x, t)}
    times: dict[str, list[float]] = {name: [] for name in steps}
    for _ in range(BLOCKS + 1):
        for name, step in steps.items():
            times[name].append(milliseconds(step))
    medians = {name: statistics.median(values[1:]) for name, values in times.items()}  # the first block warms up
    for name, median in medians.items():
        print(f"{name:12} {median:7.2f} ms a step, batch {BATCH}")
    print(f"ratio {medians['gcnn numpy'] / medians['torch eager']:.2f}")


if __name__ == "__main__":
    main()
