"""The readers, each with what it is given, how its inputs are changed, and what is done with what it reads."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np

# Imported here, and not when a reader is first called, so that a fuzzer that instruments imports sees all of it.
import gcnn.backends.numpy  # noqa: F401
from gcnn.conformance import expected
from gcnn.data.csv import open_csv
from gcnn.data.dataset import Dataset
from gcnn.data.idx import read_idx
from gcnn.data.images import open_images
from gcnn.data.inputs import Reads, open_inputs
from gcnn.data.mnist import TEST, TRAINING, open_idx_folder
from gcnn.data.npz import open_npz
from gcnn.data.preparation import Preparation
from gcnn.data.samples import ArraySamples
from gcnn.documents import json_object
from gcnn.network import Network
from gcnn.runs import Experiment, RunFolder
from gcnn.runs.trained import Trained
from tests.fuzz import containers, seeds, trees
from tests.fuzz.guard import refused
from tests.fuzz.trees import Mutator

WORDS = (
    b"type units maps kernel table output activation bias stride weights mse softmax Dense Flatten MaxPooling".split()
)
"""Of networks, for changes of bytes."""


@dataclass(frozen=True)
class Target:
    """A reader and what it is tried on.

    Attributes:
        name: of the target.
        read: takes a file's content and a folder that holds nothing else of this target; it writes the file there,
            reads it, and uses what came of it; what it raises is a failure.
        seeds: make the inputs to begin with.
        mutator: changes an input into another that gets far.
        words: of the format.
        inputs: how many the long checks try.
    """

    name: str
    read: Callable[[bytes, Path], None]
    seeds: Callable[[], list[bytes]]
    mutator: Mutator
    words: Sequence[bytes] = ()
    inputs: int = 20_000


def _file(suffix: str, *uses: Callable[[Path], Any]) -> Callable[[bytes, Path], None]:
    """Write the file and read it in these ways."""

    def read(content: bytes, folder: Path) -> None:
        path = folder / f"file{suffix}"
        path.write_bytes(content)
        for use in uses:
            refused(partial(use, path), path)

    return read


def _model(path: Path) -> None:
    trained = Trained.open(path, "numpy")
    with np.errstate(all="ignore"):  # finite parameters may still be as large as can be
        trained.model.forward(np.zeros((1, *trained.model.network.inputs.shape)))
        trained.prepare(np.zeros((1, *trained.reads.shape)))


def _run(content: bytes, folder: Path) -> None:
    run = RunFolder(folder)
    (folder / "run.json").write_bytes(content)
    (folder / "network.json").write_text(seeds.SMALL.to_json())
    found = refused(run.read, folder)
    if found is not None:
        data = Dataset("", ArraySamples(seeds.X, seeds.LABELS), None, ("cat", "dog"), "mlp", "")
        refused(lambda: Experiment(*found, dataset=data).training(run.checkpoint(), mock.Mock()))


def _checkpoint(content: bytes, folder: Path) -> None:
    path = folder / "checkpoint.safetensors"
    path.write_bytes(content)
    training = refused(lambda: seeds.training(path), path)
    if training is not None:
        # A state that is possible, and with which training goes on until it says that numbers have become too large.
        with suppress(FloatingPointError):
            refused(training.run)
        path.unlink()


def _network(path: Path) -> None:
    network = Network.read(path)
    assert Network.from_json(network.to_json()) == network
    toml = refused(network.to_toml)
    assert toml is None or Network.from_toml(toml) == network
    network.summary()


def _array(path: Path) -> None:
    assert read_idx(path).tobytes() == read_idx(path, mapped=False).tobytes()


def _idx_set(content: bytes, folder: Path) -> None:
    names = TRAINING + TEST
    for name, whole in zip(names, seeds.idx_sets(), strict=True):
        for old in folder.glob(f"{name}*"):
            old.unlink()
        (folder / f"{name}.gz" if whole[1:3] == b"\x1f\x8b" else folder / name).write_bytes(whole[1:])
    (folder / names[content[0] % 4 if content else 0]).write_bytes(content[1:])
    refused(lambda: _use(open_idx_folder(folder)), folder)


def _images(content: bytes, folder: Path) -> None:
    for name, picture in (("cat", content), ("dog", seeds.picture())):
        (folder / name).mkdir(exist_ok=True)
        (folder / name / "1.png").write_bytes(picture)
    refused(lambda: _use(open_images(folder)), folder)
    refused(lambda: _use_inputs((1, 3, 4), folder), folder)


def _use(dataset: Dataset) -> None:
    """Read every sample, and see that all are as was said."""
    for samples in (dataset.training, dataset.test):
        if samples is not None:
            x, t = samples.arrays()
            assert x.shape == (len(samples), *samples.shape)
            assert x.dtype in (np.float32, np.float64)
            assert np.isfinite(x).all()
            assert len(t) == len(samples)
            assert np.isfinite(t).all()
            assert dataset.classes is None or (t.dtype == np.intp and 0 <= t.min() <= t.max() < len(dataset.classes))


def _use_inputs(shape: tuple[int, ...], path: Path) -> None:
    """The same for what a model of inputs of that shape reads of the file."""
    for inputs in open_inputs([path], Reads(shape)):
        x = inputs.read(np.arange(len(inputs)))
        assert x.shape == (len(inputs), *shape)
        assert np.isfinite(x).all()


def _preparation(content: bytes, folder: Path) -> None:
    def use() -> None:
        preparation = Preparation.from_json(json_object(content.decode("utf-8", "replace")))
        assert Preparation.from_json(preparation.to_json()) == preparation
        maps = len(preparation.mean) or 1
        preparation(np.ones((1, maps, 2, 2) if preparation.pad else (1, maps), np.float32))

    refused(use)


_json, _toml = containers.mostly(trees.json_document), containers.mostly(trees.toml_document)
_table, _packed_table = containers.mostly(trees.table), containers.mostly(containers.gzip(trees.table))
_idx, _packed_idx = containers.mostly(containers.idx), containers.mostly(containers.gzip(containers.idx))
_tensors, _zip, _png = map(containers.mostly, (containers.safetensors, containers.npz, containers.png))
_npz = _file(".npz", lambda path: _use(open_npz(path)), partial(_use_inputs, (2, 3)))
_csv, _csv_gz = (
    _file(suffix, lambda path: _use(open_csv(path)), partial(_use_inputs, (2,))) for suffix in (".csv", ".csv.gz")
)
_SEVERAL = (
    Target("model", _file("", _model), seeds.models, _tensors, WORDS),
    Target("checkpoint", _checkpoint, seeds.checkpoints, _tensors, [b"slot.m", b"PCG64"]),
    Target("run", _run, seeds.runs, _json, [b"adagrad", b"momentum", b"cosine", b"maps"]),
    Target("network.json", _file(".json", _network), seeds.network_documents, _json, WORDS),
    Target("network.toml", _file(".toml", _network), seeds.network_tables, _toml, WORDS),
    Target("expected.toml", _file("", expected.read), seeds.expectations, _toml, [b"[[expected]]", b"pattern"]),
    Target("preparation", _preparation, seeds.preparations, _json, [b"pad", b"mean", b"deviation"]),
    Target("idx", _file("-idx3-ubyte", _array, partial(_use_inputs, (1, 3, 4))), seeds.idx_files, _idx),
    Target("idx.gz", _file("-idx3-ubyte.gz", _array), seeds.idx_archives, _packed_idx),
    Target("idx set", _idx_set, seeds.idx_sets, containers.numbered(containers.idx)),
    Target("npz", _npz, seeds.npz_files, _zip),
    Target("csv", _csv, seeds.tables, _table),
    Target("csv.gz", _csv_gz, seeds.packed_tables, _packed_table),
    Target("images", _images, seeds.images, _png, [b"IHDR", b"IDAT", b"tRNS", b"acTL"]),
)
TARGETS = {target.name: target for target in _SEVERAL}
