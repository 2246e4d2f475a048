"""Sets larger than memory: the readers take what a batch needs, and a few bytes a sample."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import textwrap
import tracemalloc

import numpy as np
import pytest

from gcnn import Network
from gcnn.arrays import one_hot
from gcnn.data.csv import open_csv
from gcnn.data.samples import Samples
from gcnn.layers import Dense

MB = 10**6

READ_SHUFFLED = """
    import resource, sys
    from pathlib import Path

    import numpy as np
    from gcnn.data.npz import open_npz

    limit = int(sys.argv[2])
    resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
    try:
        bytearray(Path(sys.argv[1]).stat().st_size)
    except MemoryError:
        print("the file does not fit")
    dataset = open_npz(Path(sys.argv[1]))
    order = np.random.default_rng(0).permutation(len(dataset.training))
    for start in range(0, len(order), 512):
        rows = order[start : start + 512]
        x, t = dataset.training[rows]
        assert (x[:, 0, 7, 5] == (rows % 251).astype(np.float32) / np.float32(255)).all()
        assert (t == rows % 10).all()
    print(len(order), "samples")
"""


SAMPLES, SIDE, LIMIT = 100_000, 55, 200 * MB

TRAIN = """
    import resource, sys
    from pathlib import Path

    limit = int(sys.argv[2])
    resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
    try:
        bytearray(Path(sys.argv[1]).stat().st_size)
    except MemoryError:
        print("the file does not fit")
    from gcnn.cli import main

    main(["train", "--data", sys.argv[1], *sys.argv[3:]], standalone_mode=False)
    main(["evaluate", sys.argv[-1], "--backend", "numpy"], standalone_mode=False)
"""

needs_limits = pytest.mark.skipif(
    sys.platform != "linux", reason="RLIMIT_DATA limits a process's own memory, and not its maps, on Linux"
)


@pytest.fixture(scope="module")
def large(tmp_path_factory):
    """An .npz file of half as much again as the limit on memory: one byte a sample, shown at all of its pixels."""
    path = tmp_path_factory.mktemp("large") / "large.npz"
    values = (np.arange(SAMPLES) % 251).astype(np.uint8)[:, None, None]
    np.savez(path, x=np.broadcast_to(values, (SAMPLES, SIDE, SIDE)), t=np.arange(SAMPLES) % 10)  # piece by piece
    assert path.stat().st_size > 1.5 * LIMIT
    yield path
    path.unlink()  # pytest would keep it


def run_limited(script, *arguments):
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script), *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        # Each thread takes memory of its own.
        env=os.environ | {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


@needs_limits
def test_an_npz_file_larger_than_memory_is_read_in_shuffled_batches(large):
    assert run_limited(READ_SHUFFLED, large, LIMIT) == ["the file does not fit", f"{SAMPLES} samples"]


@needs_limits
def test_the_command_line_trains_on_an_npz_file_larger_than_memory(large, tmp_path):
    network = Network([Dense(10, activation="softmax")], SIDE * SIDE)
    (tmp_path / "net.json").write_text(network.to_json())
    options = ("--model", tmp_path / "net.json", "--backend", "numpy", "--epochs", 1, "--batch", 512)
    lines = run_limited(TRAIN, large, LIMIT, *options, "--output", tmp_path / "run")
    assert lines[0] == "the file does not fit"
    assert any("70000 samples for training, 10000 for validation, 20000 held back" in line for line in lines)
    assert any("20000 samples held back" in line for line in lines)


def test_a_table_is_read_in_shuffled_batches_without_its_array_in_memory(tmp_path):
    samples, features = 2000, 100
    path = tmp_path / "large.csv"
    with path.open("w") as file:
        file.writelines(",".join([f"{row}.5"] * features) + f",{'ab'[row % 2]}\n" for row in range(samples))
    gc.collect()
    tracemalloc.start()
    try:
        training = open_csv(path).training
        order = np.random.default_rng(0).permutation(samples)
        for start in range(0, samples, 64):
            rows = order[start : start + 64]
            x, t = training[rows]
            assert (x == rows[:, None] + 0.5).all()
            assert (t == rows % 2).all()
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    # A batch takes 51 kB and the beginnings of lines 16 kB; all features would take 1.6 MB, and the file's text 1.2 MB.
    assert path.stat().st_size > 1 * MB
    assert peak < 0.4 * MB


class Counted(Samples):
    """A hundred samples of a shape, that remember how many were read at once."""

    def __init__(self, shape):
        self.shape, self.most = shape, 0

    def __len__(self):
        return 100

    def read(self, rows):
        self.most = max(self.most, len(rows))
        return np.zeros((len(rows), *self.shape), np.uint8), rows


@pytest.mark.parametrize(
    ("shape", "most"), [((3, 240, 320), 18), ((3, 5000, 5000), 1), ((1, 28, 28), 100), ((), 100), ((0,), 100)]
)
def test_of_large_photographs_only_a_few_are_in_memory_at_once(shape, most):
    samples = Counted(shape)
    order = np.concatenate([t for _, t in samples.chunks()])
    assert samples.most == most
    assert order.tolist() == list(range(100))


def test_labels_of_many_classes_take_memory_for_their_own_rows_only():
    tracemalloc.start()
    try:
        rows = one_hot(np.array([5, 19_999]), 20_000)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert np.argwhere(rows).tolist() == [[0, 5], [1, 19_999]]
    assert peak < 1 * MB
