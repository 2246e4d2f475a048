"""Files that are replaced whole: permissions, links, devices, what killed processes leave, and what is said when it fails."""

from __future__ import annotations

import errno
import os
import re
import signal
import stat
import subprocess
import sys
import threading

import pytest

from gcnn import files
from gcnn.files import write_atomically

fcntl = pytest.importorskip("fcntl", reason="locks of this kind, links and permissions are not had on Windows")


def names(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o666, 0o777])
def test_a_file_that_is_replaced_keeps_its_permissions_whatever_the_umask(tmp_path, mode):
    path = tmp_path / "file"
    path.write_bytes(b"old")
    path.chmod(mode)
    before = os.umask(0o027)
    try:
        write_atomically(path, b"new")
    finally:
        os.umask(before)
    assert (path.read_bytes(), stat.S_IMODE(path.stat().st_mode)) == (b"new", mode)


def test_a_new_file_gets_what_the_umask_allows(tmp_path):
    before = os.umask(0o027)
    try:
        write_atomically(tmp_path / "file", b"new")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "file").stat().st_mode) == 0o640


def test_a_private_file_is_private_while_it_is_written(tmp_path, monkeypatch):
    path, seen = tmp_path / "file", []
    path.write_bytes(b"old")
    path.chmod(0o600)
    fsync = os.fsync

    def look(descriptor):
        seen.append(stat.S_IMODE(os.fstat(descriptor).st_mode))
        fsync(descriptor)

    monkeypatch.setattr(files.os, "fsync", look)
    write_atomically(path, b"new")
    assert seen[0] == 0o600


@pytest.mark.parametrize("exists", [True, False])
def test_a_symbolic_link_stays_and_points_to_what_was_written(tmp_path, exists):
    (tmp_path / "real").mkdir()
    (tmp_path / "links").mkdir()
    target, link = tmp_path / "real" / "file", tmp_path / "links" / "file"
    if exists:
        target.write_bytes(b"old")
    link.symlink_to("../real/file")
    write_atomically(link, b"new")
    assert link.is_symlink()
    assert target.read_bytes() == b"new"
    assert (names(tmp_path / "real"), names(tmp_path / "links")) == (["file"], ["file"])


def test_a_link_to_itself_is_told_and_stays(tmp_path):
    link = tmp_path / "link"
    link.symlink_to("link")
    with pytest.raises(OSError, match=r"symbolic links.*link"):
        write_atomically(link, b"new")
    assert link.is_symlink()


def test_a_pipe_or_device_is_never_replaced_by_a_file(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)  # who opens it to write waits for ever otherwise
    try:
        with pytest.raises(OSError, match=r"[Nn]ot a regular file.*pipe"):
            write_atomically(pipe, b"new")
    finally:
        os.close(reader)
    assert stat.S_ISFIFO(pipe.stat().st_mode)
    assert names(tmp_path) == ["pipe"]


def test_a_folder_is_told_with_the_remedy(tmp_path):
    with pytest.raises(IsADirectoryError, match="give the name of a file in that folder") as caught:
        write_atomically(tmp_path, b"new")
    assert caught.value.filename == str(tmp_path)


def test_a_file_protected_against_writing_is_not_replaced(tmp_path, monkeypatch):
    path = tmp_path / "file"
    path.write_bytes(b"precious")
    path.chmod(0o400)
    if os.geteuid() == 0:  # root may write everywhere: the answer that others get

        def refuse(at, flags, *more):
            raise PermissionError(errno.EACCES, "Permission denied", str(at))

        monkeypatch.setattr(files.os, "open", refuse)
    with pytest.raises(PermissionError, match=str(path)):
        write_atomically(path, b"new")
    assert (path.read_bytes(), names(tmp_path)) == (b"precious", ["file"])


@pytest.mark.parametrize(
    ("number", "said"),
    [
        (errno.ENOSPC, "No space left on device; make room and save again"),
        (errno.EDQUOT, "make room and save again"),
        (errno.EROFS, "Read-only file system; {folder} must be a folder that you may write to"),
        (errno.EACCES, "Permission denied; {folder} must be a folder that you may write to"),
        (errno.EIO, "Input/output error: "),
    ],
)
@pytest.mark.parametrize("where", ["create", "write", "rename"])
def test_what_went_wrong_is_said_with_the_path_wherever_it_goes_wrong(tmp_path, monkeypatch, number, said, where):
    path = tmp_path / "file"
    path.write_bytes(b"old")

    def fail(*_):
        raise OSError(number, os.strerror(number), "some temporary name")

    place = {"create": (files, "_create"), "write": (files.os, "fsync"), "rename": (files.Path, "replace")}[where]
    monkeypatch.setattr(*place, fail)
    with pytest.raises(OSError, match=re.escape(said.format(folder=tmp_path))) as caught:
        write_atomically(path, b"new")
    monkeypatch.undo()
    assert (caught.value.errno, caught.value.filename) == (number, str(path))
    assert (path.read_bytes(), names(tmp_path)) == (b"old", ["file"])


def test_the_folder_is_synced_after_the_rename(tmp_path, monkeypatch):
    path, synced = tmp_path / "file", []
    fsync = os.fsync

    def look(descriptor):
        synced.append((stat.S_ISDIR(os.fstat(descriptor).st_mode), path.exists()))
        fsync(descriptor)

    monkeypatch.setattr(files.os, "fsync", look)
    write_atomically(path, b"new")
    assert synced == [(False, False), (True, True)]


@pytest.mark.parametrize(("number", "raises"), [(errno.EINVAL, False), (errno.EIO, True)])
def test_a_folder_that_cannot_be_synced_is_no_error_but_a_broken_disk_is(tmp_path, monkeypatch, number, raises):
    path, fsync = tmp_path / "file", os.fsync

    def fail(descriptor):
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(number, os.strerror(number))
        fsync(descriptor)

    monkeypatch.setattr(files.os, "fsync", fail)
    if raises:
        with pytest.raises(OSError, match=str(path)):
            write_atomically(path, b"new")
    else:
        write_atomically(path, b"new")
    assert (path.read_bytes(), names(tmp_path)) == (b"new", ["file"])


LEFT = ".file.0123456789abcdef.tmp"


def test_what_a_dead_process_left_is_removed_and_what_a_live_one_writes_is_not(tmp_path):
    left, live = tmp_path / LEFT, tmp_path / ".file.fedcba9876543210.tmp"
    left.write_bytes(b"half")
    with live.open("xb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        write_atomically(tmp_path / "file", b"new")
        assert names(tmp_path) == [live.name, "file"]
    write_atomically(tmp_path / "file", b"newer")
    assert names(tmp_path) == ["file"]


def test_only_temporary_files_of_this_very_file_are_removed(tmp_path):
    others = [
        ".file.json.0123456789abcdef.tmp", ".file.0123456789abcde.tmp", ".file.0123456789abcdeg.tmp",
        "file.0123456789abcdef.tmp", ".file.0123456789abcdef", ".other.0123456789abcdef.tmp",
    ]  # fmt: skip
    for name in others:
        (tmp_path / name).write_bytes(b"mine")
    (tmp_path / LEFT).mkdir()
    (tmp_path / ".file.1123456789abcdef.tmp").symlink_to("elsewhere")
    os.mkfifo(tmp_path / ".file.2123456789abcdef.tmp")  # opening it would wait for ever
    before = names(tmp_path)
    write_atomically(tmp_path / "file", b"new")
    assert names(tmp_path) == sorted([*before, "file"])


def test_where_locks_cannot_tell_nothing_is_removed(tmp_path, monkeypatch):
    def none(*_):
        raise OSError(errno.ENOLCK, "No locks available")

    (tmp_path / LEFT).write_bytes(b"half")
    monkeypatch.setattr(fcntl, "flock", none)
    write_atomically(tmp_path / "file", b"new")
    monkeypatch.setattr(files, "fcntl", None)  # as on Windows
    write_atomically(tmp_path / "file", b"newer")
    assert names(tmp_path) == [LEFT, "file"]
    assert (tmp_path / "file").read_bytes() == b"newer"


def test_a_temporary_file_that_was_removed_before_it_was_locked_is_made_again(tmp_path, monkeypatch):
    flock, taken = fcntl.flock, []

    def late(file, how):
        if not taken:
            taken.extend(tmp_path.iterdir())
            taken[0].unlink()
        flock(file, how)

    monkeypatch.setattr(fcntl, "flock", late)
    write_atomically(tmp_path / "file", b"new")
    assert ((tmp_path / "file").read_bytes(), names(tmp_path)) == (b"new", ["file"])
    assert len(taken) == 1


KILLED = """
import os, sys
from pathlib import Path
from gcnn.files import write_atomically
def killed(descriptor):
    os.kill(os.getpid(), 9)
os.fsync = killed
write_atomically(Path(sys.argv[1]), b"half")
"""


def test_a_process_that_is_killed_while_it_writes_leaves_the_old_file_and_the_next_save_cleans_up(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"old")
    done = subprocess.run([sys.executable, "-c", KILLED, str(path)], check=False)
    assert done.returncode == -signal.SIGKILL
    assert path.read_bytes() == b"old"
    assert len(names(tmp_path)) == 2
    write_atomically(path, b"new")
    assert (path.read_bytes(), names(tmp_path)) == (b"new", ["file"])


def test_many_writers_of_one_file_never_disturb_each_other(tmp_path):
    path, failures = tmp_path / "file", []
    contents = [bytes([number]) * 5000 for number in range(4)]

    def write(content):
        try:
            for _ in range(40):
                write_atomically(path, content)
                assert path.read_bytes() in contents
        except Exception as error:  # noqa: BLE001  # told by the assertion below
            failures.append(error)

    threads = [threading.Thread(target=write, args=[content]) for content in contents]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert names(tmp_path) == ["file"]
