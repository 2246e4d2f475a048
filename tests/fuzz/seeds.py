"""Inputs to begin with, made in code: files as gcnn and others write them, small, and each with features that the rest lack."""

from __future__ import annotations

import gzip
import io
import json
import struct
import zipfile
import zlib
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unittest import mock

import numpy as np

import gcnn
from gcnn import EarlyStopping, Network, layers
from gcnn.data import Preparation
from gcnn.maps import Maps
from gcnn.optimizers import Adam, schedules
from gcnn.runs import Settings
from gcnn.training import Training

SMALL = Network([layers.Dense(3, activation="tanh"), layers.Dense(2, activation="softmax")], 2)
"""What models and checkpoints are saved of."""
X, LABELS = np.arange(8.0).reshape(4, 2) / 8, np.array([0, 1, 0, 1])
EPOCHS = 2
VARIED = [
    SMALL,
    Network(
        [
            layers.Convolution(2, 2, stride=1, padding=(0, 1), table=[[1], [1]], activation="tanh"),
            layers.Convolution(2, [(2, 2), (1, 2), (2, 1)], table=[[1, 1], [0, 1]], output=Maps([(2, 2), [(0, 1)]])),
            layers.WeightedSubsampling(1, weights="cross", table=[[1, 1]]),
            layers.FeatureMap("monomials"),
            layers.RadialBasis(3, power=2, beta="plain"),
            layers.Dense(2, activation="softmax", bias=False),
        ],
        Maps((1, 5, 5)),
        loss=gcnn.Loss("cross_entropy", (1.0, 2.0), "sum"),
        seed=7,
    ),
    Network(
        [
            layers.Convolution(2, 3, shared=True, activation="logistic"),
            layers.MaxPooling(2),
            layers.VanillaSubsampling(1),
            layers.Activation("tanh"),
            layers.Flatten(),
            layers.Dense(1),
        ],
        (1, 8, 6),
        "mse",
    ),
]


def training(path: Path, progress: Any = None) -> Training:
    """A training of two epochs of two steps, with everything that keeps a state; it goes on from `path` where there is a file."""
    checkpoint = gcnn.Checkpoint(path, seconds=0, resume=True)
    model = SMALL.bind("numpy", batch=2)
    stopping = EarlyStopping(monitor="loss")
    return Training(model, (X, LABELS), Adam(0.01), EPOCHS, None, [stopping], progress=progress, checkpoint=checkpoint)


NOTES: list[dict[str, Any]] = [
    {
        "settings": Settings("table.csv", "mlp", EPOCHS, 2, 0, "adam", 0.01, "features", target="kind").to_json(),
        "preparation": Preparation(0, (0.5, 1.0), (2.0, 1.0)).to_json(),
        "classes": ["cat", "dog"],
        "features": ["height", "width"],
        "shape": [2],
        "fingerprint": "0123456789abcdef",
    },
    {},
    {"preparation": Preparation(1, (0.5,), (2.0,)).to_json(), "shape": [1, 6, 4], "classes": None},
]
"""What is saved with each of the varied models."""


def models() -> list[bytes]:
    found = []
    with TemporaryDirectory() as folder:
        path = Path(folder) / "model"
        for network, notes, dtype in zip(VARIED, NOTES, ("float32", "float64", "float32"), strict=True):
            model = network.bind("numpy", dtype=dtype)
            model.notes = notes
            model.save(path)
            found.append(_in_order(path.read_bytes()))
    return [*found, *checkpoints()]


def runs() -> list[bytes]:
    schedule = {"schedule": "step", "schedule_options": {"factor": 0.5, "every": 2}, "options": {"beta1": 0.8}}
    settings = [
        NOTES[0]["settings"],
        NOTES[0]["settings"] | schedule | {"validation": 0.0, "patience": 2, "clip_norm": 1.0},
    ]
    kind = {"format": "gcnn-run", "version": 1, "made": {"when": "2015-01-01", "command": "gcnn train"}}
    return [
        json.dumps(kind | {"settings": entry, "preparation": NOTES[0]["preparation"]}).encode() for entry in settings
    ]


def checkpoints() -> list[bytes]:
    """Of a training before and after its first step, before its last, when a schedule has been set, and at its end."""
    found: list[bytes] = []
    with TemporaryDirectory() as folder, mock.patch("time.perf_counter", return_value=0.0):
        path = Path(folder) / "checkpoint"

        def keep(batches: Any, epoch: int) -> Any:
            for rows in batches:
                found.append(_in_order(path.read_bytes()))
                if epoch == EPOCHS:
                    begun.step.optimizer.lr = schedules.Exponential(0.01, 0.5, 3)
                yield rows

        begun = training(path, keep)
        begun.run()
        found.append(_in_order(path.read_bytes()))
    return [found[0], found[1], *found[-2:]]


def _in_order(content: bytes) -> bytes:
    """A safetensors file with the entries of its header in order, which differs every time."""
    length = int.from_bytes(content[:8], "little")
    packed = json.dumps(json.loads(content[8 : 8 + length]), sort_keys=True).encode()
    packed += b" " * (-len(packed) % 8)
    return len(packed).to_bytes(8, "little") + packed + content[8 + length :]


def network_documents() -> list[bytes]:
    deep, digits = b'{"layers": ' + b"[" * 3000, b'{"seed": ' + b"9" * 5000
    return [*(network.to_json().encode() for network in VARIED), deep, digits, b'{"seed": 1, "seed": 2}']


def network_tables() -> list[bytes]:
    by_hand = b'inputs = [1, 4, 4]\nloss = "mse"\n[[layers]]\ntype = "Dense" # to be one\nunits = 1_0\n'
    others = [b"layers = " + b"[" * 3000, b"seed = " + b"9" * 5000, b"seed = 2015-01-01T00:00:00Z\n", b"a.b.c = nan"]
    return [*(network.to_toml().encode() for network in VARIED), by_hand, *others]


def expectations() -> list[bytes]:
    entry = b'[[expected]]\npattern = "dense/*"\ndtype = "float32"\nreason = "r"\nlink = "l"\n'
    return [b"", entry, entry * 2, b"expected = " + b"[" * 3000, b"expected = " + b"9" * 5000]


def idx_files() -> list[bytes]:
    header = bytes([0, 0, 8, 3]) + struct.pack(">3I", 2, 3, 4)
    wide = bytes([0, 0, 0x0E, 1]) + struct.pack(">I", 2) + np.array([1.5, -2], ">f8").tobytes()
    return [header + bytes(range(24)), wide, bytes([0, 0, 0x0C, 2]) + struct.pack(">2I", 0, 2**31)]


def idx_archives() -> list[bytes]:
    return [gzip.compress(content, mtime=0) for content in idx_files()]


def idx_sets() -> list[bytes]:
    """A number that says which of the four files of a set is replaced, and the file."""
    images = bytes([0, 0, 8, 3]) + struct.pack(">3I", 2, 2, 3) + bytes(12)
    labels = bytes([0, 0, 8, 1]) + struct.pack(">I", 2) + bytes([0, 1])
    return [bytes([0]) + images, bytes([1]) + labels, bytes([2]) + images, bytes([3]) + gzip.compress(labels, mtime=0)]


def npz_files() -> list[bytes]:
    x = np.arange(24).reshape(4, 2, 3)
    sets: list[dict[str, Any]] = [
        {"x": x.astype("f4"), "y": LABELS},
        {"x_train": x.astype("u1"), "t_train": LABELS / 2, "x_test": x[:2].astype("u1"), "t_test": LABELS[:2] / 2},
        {"images": np.zeros((2, 3, 4, 3), ">f8", order="F"), "labels": np.array([True, False])},
    ]
    found = []
    for arrays in sets:
        for save in (np.savez, np.savez_compressed):
            packed = io.BytesIO()
            save(packed, **arrays)
            found.append(packed.getvalue())
    pickled = io.BytesIO()
    np.savez(pickled, x=np.array([{}, {}]), y=LABELS[:2], allow_pickle=True)
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("x.npy", b"\x93NUMPY\1\0\x10\0" + b"(" * 15 + b"\n")
    return [*found, pickled.getvalue(), packed.getvalue()]


def tables() -> list[bytes]:
    return [
        b"height,width,kind\n1,2.5,cat\n3,-4e2,dog\n5,6,cat\n",
        b"1;2;0\n3;4;1\n5;6;0\n7;8;1",
        b"\xef\xbb\xbfa\tb\tc\r\n1\t2\t0.5\r\n3\t4\t1.5\r\n\r\n",
        '"a ""b""",ü\n1,0\n2,1\n3,0\n4,1\n'.encode(),
    ]


def packed_tables() -> list[bytes]:
    return [gzip.compress(table, mtime=0) for table in tables()]


def images() -> list[bytes]:
    """Pictures of the size of `picture()`, in several formats; Pillow writes those that are not written here."""
    from PIL import Image

    found = [picture(), picture(2)]
    for kind in ("PNG", "JPEG", "BMP", "PPM", "TIFF", "WEBP"):
        for mode in ("L", "RGB", "1"):
            if (kind, mode) not in {("JPEG", "1"), ("WEBP", "1")}:
                packed = io.BytesIO()
                Image.frombytes("L", (4, 3), bytes(range(0, 240, 20))).convert(mode).save(packed, kind)
                found.append(packed.getvalue())
    return found


def picture(colours: int = 0) -> bytes:
    """A grey (or RGB: 2) PNG image of 4 x 3 pixels."""
    row = bytes([0]) + bytes(range(4 * (3 if colours else 1)))
    header = struct.pack(">2I5B", 4, 3, 8, colours, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(row * 3)), (b"IEND", b"")]
    packed = (struct.pack(">I", len(c)) + k + c + struct.pack(">I", zlib.crc32(k + c)) for k, c in chunks)
    return b"\x89PNG\r\n\x1a\n" + b"".join(packed)


def preparations() -> list[bytes]:
    made = [Preparation(), Preparation(2, (0.5,), (2.0,)), Preparation(0, (1.0, 2.0), (1.0, 0.5))]
    return [json.dumps(preparation.to_json()).encode() for preparation in made]
