from __future__ import annotations

import hashlib
import logging
import os
import socket
import subprocess
import sys

import pytest

from gcnn.data import mnist, open_dataset
from gcnn.data.download import download
from gcnn.errors import FormatError

CONTENT = b"the whole file, and nothing but the file" * 100
CHECKSUM = hashlib.sha256(CONTENT).hexdigest()
REMEDY = "put it into a folder with the others of its set, and give that folder"


@pytest.fixture(autouse=True)
def quiet(monkeypatch):
    pooch = pytest.importorskip("pooch", reason="a core dependency; without it nothing can be downloaded")
    monkeypatch.setattr(pooch.get_logger(), "level", logging.ERROR)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "new" / "folder" / "file.gz"


def refused(kind, url, path, *texts):
    """The download fails with one error of that type, which names everything; what lies in the folder stays as it was."""
    before = {entry.name: entry.read_bytes() for entry in path.parent.iterdir()} if path.parent.is_dir() else {}
    with pytest.raises((OSError, FormatError)) as caught:
        download(url, CHECKSUM, path)
    assert isinstance(caught.value, kind)
    message = str(caught.value)
    assert [text for text in (url, CHECKSUM, REMEDY, *texts) if text not in message] == [], message
    after = {entry.name: entry.read_bytes() for entry in path.parent.iterdir()} if path.parent.is_dir() else {}
    assert after == before


def test_a_file_arrives_whole_and_is_not_downloaded_again(server, path):
    server.files["file.gz"] = CONTENT
    for _ in range(2):
        download(f"{server.url}file.gz", CHECKSUM, path)
        assert path.read_bytes() == CONTENT
    assert server.asked == ["file.gz"]
    assert [entry.name for entry in path.parent.iterdir()] == ["file.gz"]


def test_a_file_with_another_checksum_is_not_kept(server, path):
    server.files["file.gz"] = CONTENT[:-1] + b"!"
    refused(FormatError, f"{server.url}file.gz", path, hashlib.sha256(server.files["file.gz"]).hexdigest())


@pytest.mark.parametrize("cut", [1, len(CONTENT)])
def test_a_connection_that_ends_early_leaves_nothing(server, path, cut):
    server.files["file.gz"], server.cut = CONTENT, cut
    refused(OSError, f"{server.url}file.gz", path, str(path))


def test_a_file_that_the_server_has_not_is_named(server, path):
    refused(OSError, f"{server.url}other.gz", path, "404")


def test_a_refused_connection_is_named(path):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))  # bound, and not listening
        refused(OSError, f"http://127.0.0.1:{unused.getsockname()[1]}/file.gz", path, "refused")


def test_a_name_that_nobody_knows_is_named(path, monkeypatch):
    def unknown(*arguments, **named):
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    refused(OSError, "http://data.example/file.gz", path, "data.example")


def test_a_silent_server_is_given_up(path, monkeypatch):
    monkeypatch.setattr("gcnn.data.download._PATIENCE", 0.05)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        refused(OSError, f"http://127.0.0.1:{silent.getsockname()[1]}/file.gz", path, "read timeout=0.05")


def test_a_folder_that_cannot_be_made_is_named(server, tmp_path):
    server.files["file.gz"] = CONTENT
    (tmp_path / "in the way").write_bytes(b"a file")
    refused(OSError, f"{server.url}file.gz", tmp_path / "in the way" / "file.gz", "in the way")
    assert (tmp_path / "in the way").read_bytes() == b"a file"
    assert server.asked == []


@pytest.mark.skipif(
    os.name != "posix" or os.geteuid() == 0, reason="root may write everywhere; Windows has no such modes"
)
def test_a_folder_that_may_not_be_written_to_is_named(server, tmp_path):
    server.files["file.gz"] = CONTENT
    (tmp_path / "locked").mkdir(mode=0o500)
    refused(OSError, f"{server.url}file.gz", tmp_path / "locked" / "file.gz", "locked")


def test_a_full_disk_leaves_nothing(server, path, monkeypatch):
    def full(*arguments, **named):
        raise OSError(28, "No space left on device")

    server.files["file.gz"] = CONTENT
    monkeypatch.setattr("pooch.core.hash_matches", full)
    refused(OSError, f"{server.url}file.gz", path, "No space left")


def test_what_was_there_stays_until_the_right_file_has_come(server, path):
    path.parent.mkdir(parents=True)
    path.write_bytes(b"an older version")
    (path.parent / "mine.txt").write_bytes(b"of the user")
    refused(OSError, f"{server.url}file.gz", path)
    server.files["file.gz"] = b"wrong"
    refused(FormatError, f"{server.url}file.gz", path)
    server.files["file.gz"] = CONTENT
    download(f"{server.url}file.gz", CHECKSUM, path)
    assert path.read_bytes() == CONTENT
    assert (path.parent / "mine.txt").read_bytes() == b"of the user"


def test_a_set_is_downloaded_into_the_users_cache_and_found_there(offered, server, cache, monkeypatch):
    monkeypatch.setattr(mnist, "MNIST", offered)
    first = open_dataset("mnist")
    assert (len(first.training), len(first.test), first.source) == (30, 12, f"IDX files in {cache / 'mnist'}")
    assert sorted(server.asked) == sorted(server.files)
    assert {path.name: path.read_bytes() for path in (cache / "mnist").iterdir()} == server.files
    again = open_dataset("mnist", download=False)
    assert again.training.fingerprint() == first.training.fingerprint()
    assert len(server.asked) == 4


def test_an_interrupted_download_goes_on_with_the_missing_files(offered, server, cache, monkeypatch):
    monkeypatch.setattr(mnist, "MNIST", offered)
    last = server.files.pop("t10k-labels-idx1-ubyte.gz")
    with pytest.raises(OSError, match="404"):
        open_dataset("mnist")
    assert len(list((cache / "mnist").iterdir())) == 3
    server.files["t10k-labels-idx1-ubyte.gz"] = last
    server.asked.clear()
    open_dataset("mnist")
    assert server.asked == ["t10k-labels-idx1-ubyte.gz"]


TWO_PROCESSES = """
import sys
from gcnn.data import mnist, open_dataset
mnist.SYSTEM_FOLDERS = ()
name, url, *checksums = sys.argv[1:]
mnist.MNIST = mnist.IdxSet(name, url, tuple(checksums), tuple("0123456789"))
print(open_dataset("mnist").training.fingerprint())
"""


@pytest.mark.usefixtures("cache")
def test_a_second_process_finds_what_the_first_downloaded(offered, server, tmp_path):
    home = str(tmp_path / "home")
    environment = os.environ | {"HOME": home, "XDG_CACHE_HOME": f"{home}/.cache", "LOCALAPPDATA": home}
    program = [sys.executable, "-c", TWO_PROCESSES, offered.name, offered.url, *offered.checksums]
    results = [subprocess.run(program, capture_output=True, text=True, env=environment, check=True) for _ in range(2)]
    assert results[0].stdout == results[1].stdout
    assert len(server.asked) == 4
    # A download is announced, for it may take a while.
    assert results[0].stderr.count("Downloading data from") == 4
    assert results[1].stderr == ""
