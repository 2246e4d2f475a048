"""Fixtures: a set of IDX files in small, a server that offers it, and no data of this machine in sight."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from gcnn.data import mnist, write_idx
from gcnn.data.mnist import TEST, TRAINING, IdxSet


@pytest.fixture
def write_set() -> Callable[..., Path]:
    """Write four IDX files into a folder: 30 training and 12 test images of 5 x 4, ten classes; changes by file name."""

    def write(folder: Path, ending: str = "", **changes: np.ndarray) -> Path:
        rng = np.random.default_rng(0)
        folder.mkdir(parents=True, exist_ok=True)
        for (images, labels), count in ((TRAINING, 30), (TEST, 12)):
            arrays = {
                images: rng.integers(0, 256, (count, 5, 4), np.uint8),
                labels: np.arange(count, dtype=np.uint8) % 10,
            }
            for stem, array in arrays.items():
                write_idx(folder / f"{stem}{ending}", changes.get(stem.split("-idx")[0].replace("-", "_"), array))
        return folder

    return write


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's cache folder, which is not there yet; nothing else of this machine is looked at."""
    folder = tmp_path / "cache"
    monkeypatch.setattr(mnist, "user_cache_path", lambda *names, **options: folder / "gcnn")
    monkeypatch.setattr(mnist, "SYSTEM_FOLDERS", ())
    monkeypatch.delenv(mnist.FOLDER_VARIABLE, raising=False)
    for proxy in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(proxy, raising=False)
    return folder / "gcnn" / "data"


class Server(ThreadingHTTPServer):
    """Offers `files` by name; `asked` is what was asked for. `cut` bytes at the end are promised and not sent."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.files: dict[str, bytes] = {}
        self.asked: list[str] = []
        self.cut = 0
        self.url = f"http://127.0.0.1:{self.server_port}/"


class _Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:  # the name that http.server calls
        name = self.path.lstrip("/")
        self.server.asked.append(name)
        if name not in self.server.files:
            self.send_error(404)
            return
        content = self.server.files[name]
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content[: len(content) - self.server.cut])

    def log_message(self, *arguments: object) -> None:
        """Say nothing."""


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield running
        running.shutdown()
        thread.join()


@pytest.fixture
def offered(server: Server, tmp_path: Path, write_set: Callable[..., Path]) -> IdxSet:
    """A small set under the name of MNIST, which the server offers."""
    folder = write_set(tmp_path / "offered", ".gz")
    server.files = {path.name: path.read_bytes() for path in folder.iterdir()}
    checksums = [hashlib.sha256(server.files[f"{stem}.gz"]).hexdigest() for stem in TRAINING + TEST]
    return IdxSet("mnist", server.url, tuple(checksums), tuple("0123456789"))
