"""A disk that fills up, or a limit on the size of files, while a training saves itself: the real thing, no imitation."""

from __future__ import annotations

import errno
import logging
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import gcnn
from gcnn import Checkpoint, Network
from gcnn.checkpoint import read_checkpoint
from gcnn.layers import Dense
from gcnn.optimizers import Adam

pytest.importorskip("fcntl", reason="not run: Windows has neither tmpfs nor limits on the size of files")

SIZE = 100_000
RNG = np.random.default_rng(3)
X, LABELS = RNG.normal(size=(12, 500)), RNG.integers(0, 3, 12)


def fit(epochs, **more):
    """6,033 parameters in float32: 24 kB, and 72 kB with the state of Adam."""
    layers = [Dense(12, activation="tanh"), Dense(3, activation="softmax")]
    model = Network(layers, 500).bind("numpy", batch=5)
    return model, gcnn.train(model, (X, LABELS), Adam(0.01), epochs, **more)


@pytest.fixture
def disk(tmp_path):
    """A disk of 200 kB, with room for two checkpoints but not for three."""
    if os.geteuid() != 0:
        pytest.skip("not run: needs root, to mount a small disk")
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={2 * SIZE}", "none", str(folder)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("not run: this root may not mount a disk")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def fill(folder):
    """Leave no room; the name of what takes it."""

    def write():
        with (folder / "filler").open("wb", buffering=0) as file:
            while True:
                file.write(bytes(1000))

    with pytest.raises(OSError, match="No space left"):
        write()
    return folder / "filler"


def test_a_disk_that_is_full_for_a_while_costs_no_more_than_the_saves_of_that_while(disk, caplog):
    path, found = disk / "checkpoint", {}

    def trouble(epoch, model, history):
        if epoch == 3:
            fill(disk)
        if epoch == 5:
            found["count"] = read_checkpoint(path).document["count"]
            found["names"] = sorted(p.name for p in disk.iterdir())
            (disk / "filler").unlink()

    with caplog.at_level(logging.WARNING, "gcnn"):
        model, history = fit(6, callbacks=[trouble], checkpoint=Checkpoint(path, seconds=0))
    assert found == {"count": 9, "names": ["checkpoint", "filler"]}, "the last save before the disk was full"
    assert caplog.messages, "or nobody hears of it"
    assert all(str(path) in line and "No space left on device; make room" in line for line in caplog.messages)
    whole, uninterrupted = fit(6)
    assert history == uninterrupted
    np.testing.assert_array_equal(model.theta, whole.theta)
    assert read_checkpoint(path).document["count"] == 18
    assert [p.name for p in disk.iterdir()] == ["checkpoint"]


def test_a_disk_that_stays_full_ends_the_training_with_an_error_and_its_older_checkpoint_goes_on(disk):
    path = disk / "checkpoint"

    def trouble(epoch, model, history):
        if epoch == 2:
            fill(disk)

    with pytest.raises(OSError, match="No space left on device; make room and save again") as caught:
        fit(4, callbacks=[trouble], checkpoint=path)
    assert (caught.value.errno, caught.value.filename) == (errno.ENOSPC, str(path))
    assert read_checkpoint(path).document["count"] == 3
    (disk / "filler").unlink()
    model, history = fit(4, checkpoint=Checkpoint(path, resume=True))
    whole, uninterrupted = fit(4)
    assert history == uninterrupted
    np.testing.assert_array_equal(model.theta, whole.theta)


def test_a_disk_that_is_full_from_the_start_is_told_before_the_first_step(disk):
    path, steps = disk / "checkpoint", []
    fill(disk)
    with pytest.raises(OSError, match=rf"No space left on device.*{path}"):
        fit(1, checkpoint=path, progress=lambda batches, epoch: steps.append(epoch) or batches)
    assert (steps, [p.name for p in disk.iterdir()]) == ([], ["filler"])


def test_a_model_that_does_not_fit_leaves_the_older_one(disk):
    model, _ = fit(1)
    model.save(disk / "model")
    before = (disk / "model").read_bytes()
    filler = fill(disk)
    with pytest.raises(OSError, match="No space left on device"):
        model.save(disk / "model")
    assert (disk / "model").read_bytes() == before
    assert sorted(p.name for p in disk.iterdir()) == ["filler", "model"]
    filler.unlink()
    model.save(disk / "model")


def test_a_disk_that_was_made_read_only_is_told_and_keeps_the_checkpoint(disk):
    path = disk / "checkpoint"
    fit(1, checkpoint=path)
    before = path.read_bytes()
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
    with pytest.raises(OSError, match=rf"Read-only file system.*{path}"):
        fit(2, checkpoint=Checkpoint(path, resume=True))
    assert path.read_bytes() == before
    with pytest.raises(OSError, match=r"Read-only file system; .*must be a folder that you may write to.*other"):
        fit(1, checkpoint=disk / "other")


LIMITED = """
import logging, resource, sys
from pathlib import Path
import numpy as np
from gcnn import Checkpoint
sys.path.insert(0, sys.argv[1])
from test_full_disk import fit
logging.basicConfig(stream=sys.stdout, format="%(message)s")
soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
def trouble(epoch, model, history):
    if epoch in (2, 4):
        resource.setrlimit(resource.RLIMIT_FSIZE, (50_000 if epoch == 2 else soft, hard))
fit(6 if sys.argv[3] == "a while" else 3, callbacks=[trouble], checkpoint=Path(sys.argv[2]))
"""


@pytest.mark.parametrize("how_long", ["a while", "to the end"])
def test_a_limit_on_the_size_of_files_leaves_the_older_checkpoint(how_long, tmp_path):
    path, here = tmp_path / "checkpoint", str(Path(__file__).parent)
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, here, str(path), how_long], capture_output=True, text=True, check=False
    )
    told = done.stdout if how_long == "a while" else done.stderr
    assert f"File too large; allow for larger files (ulimit -f) and save again: '{path}'" in told
    assert (done.returncode == 0) == (how_long == "a while")
    assert [p.name for p in tmp_path.iterdir()] == ["checkpoint"]
    assert read_checkpoint(path).document["count"] == (18 if how_long == "a while" else 3)
    model, history = fit(6, checkpoint=Checkpoint(path, resume=True))
    whole, uninterrupted = fit(6)
    assert history == uninterrupted
    np.testing.assert_array_equal(model.theta, whole.theta)
