from __future__ import annotations

import gzip
import os
import subprocess
import sys
import tracemalloc
import zlib

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from gcnn.data import read_idx, write_idx
from gcnn.errors import DataError, FormatError

DTYPES = {0x08: "u1", 0x09: "i1", 0x0B: "i2", 0x0C: "i4", 0x0D: "f4", 0x0E: "f8"}
in_one_folder = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


def idx(code: int, shape: tuple[int, ...], values: bytes) -> bytes:
    return bytes([0, 0, code, len(shape)]) + b"".join(size.to_bytes(4, "big") for size in shape) + values


@pytest.fixture
def saved(tmp_path):
    """A file with these bytes."""

    def save(content: bytes, name: str = "data"):
        (tmp_path / name).write_bytes(content)
        return tmp_path / name

    return save


def peak(path) -> int:
    """The most memory, in bytes, that was taken while a file was refused."""
    tracemalloc.start()
    try:
        with pytest.raises(FormatError):
            read_idx(path)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_bytes_written_by_hand_are_read_as_the_format_says(saved):
    # 2 x 3 values of 16 bits: big-endian, the last dimension runs fastest.
    path = saved(idx(0x0B, (2, 3), bytes.fromhex("0001 0002 0003 0100 fffe 8000")))
    expected = [[1, 2, 3], [256, -2, -32768]]
    assert read_idx(path).tolist() == read_idx(path, mapped=False).tolist() == expected
    assert read_idx(saved(gzip.compress(path.read_bytes()))).tolist() == expected


@in_one_folder
@given(
    values=st.sampled_from(sorted(DTYPES.values())).flatmap(
        lambda dtype: arrays.arrays(dtype, arrays.array_shapes(max_dims=5, max_side=4, min_side=0))
    ),
    order=st.sampled_from("<>"),
    ending=st.sampled_from(["", ".gz"]),
)
def test_an_array_comes_back_whatever_its_type_shape_and_byte_order(tmp_path, monkeypatch, values, order, ending):
    monkeypatch.setattr(os, "fsync", lambda file: None)  # hundreds of waits for the disk would test nothing
    path = tmp_path / f"values{ending}"
    write_idx(path, values.astype(values.dtype.newbyteorder(order)))
    for mapped in (True, False):
        array = read_idx(path, mapped)
        assert array.dtype == values.dtype.newbyteorder(">")
        np.testing.assert_array_equal(array, values)


@pytest.mark.parametrize(("code", "dtype"), DTYPES.items())
def test_every_type_code_stands_for_its_type(saved, code, dtype):
    values = np.array([1, 100], f">{dtype}")
    array = read_idx(saved(idx(code, (2,), values.tobytes())))
    assert (array.dtype, array.tolist()) == (np.dtype(f">{dtype}"), [1, 100])


def test_as_many_dimensions_as_numpy_has_are_read_and_written(tmp_path):
    most = 64 if np.lib.NumpyVersion(np.__version__) >= "2.0.0" else 32
    values = np.ones((1,) * most, np.uint8)
    write_idx(tmp_path / "deep", values)
    assert read_idx(tmp_path / "deep").shape == values.shape


def test_plain_files_stay_on_disk_and_cannot_be_changed_through_the_array(saved):
    mapped = read_idx(saved(idx(0x08, (4,), b"abcd")))
    assert isinstance(mapped, np.memmap)
    with pytest.raises(ValueError, match="read-only"):
        mapped[0] = 0
    assert not isinstance(read_idx(saved(idx(0x08, (4,), b"abcd")), mapped=False), np.memmap)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "begins with nothing; expected an IDX file"),
        (b"\0\0\x08", "begins with 00 00 08; expected"),
        (b"\0\1\x08\1" + bytes(8), "begins with 00 01 08 01; expected"),
        (b"PK\3\4" + bytes(8), "begins with 50 4b 03 04; expected"),
        (idx(0x0A, (1,), b"a"), "unknown type code 0x0A; expected one of 0x08, 0x09, 0x0B, 0x0C, 0x0D, 0x0E"),
        (idx(0x08, (), b"a"), "0 dimensions; expected 1 to"),
        (idx(0x08, (1,) * 65, b"a"), "65 dimensions; expected 1 to"),
        (idx(0x08, (1, 2), b"")[:-1], "ends within its header; expected the sizes of 2 dimensions"),
        (idx(0x0B, (2, 2), bytes(7)), "7 bytes follow the header, which declares 8 (2 x 2 values of 2 bytes)"),
        (idx(0x0B, (2, 2), bytes(9)), "9 bytes follow the header, which declares 8"),
        (idx(0x08, (0,), b"a"), "1 bytes follow the header, which declares 0"),
        (idx(0x0E, (2**32 - 1,) * 3, bytes(9)), "more than an array can hold"),
        (idx(0x08, (0, 2**32 - 1, 2**32 - 1), b""), "more than an array can hold"),
    ],
)
def test_what_is_no_whole_idx_file_is_refused_by_path_finding_and_expectation(saved, content, message):
    for packed in (content, gzip.compress(content)):
        path = saved(packed)
        with pytest.raises(FormatError) as caught:
            read_idx(path)
        assert str(caught.value).startswith(f"{path}: ")
        # Compressed files reveal their length only as they are decompressed.
        if packed is content or "bytes follow" not in message:
            assert message in str(caught.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (gzip.compress(idx(0x08, (2, 2), bytes(3))), "ends after 3 of the 4 bytes that it declares (2 x 2 values"),
        (gzip.compress(idx(0x08, (2, 2), bytes(5))), "goes on after the 2 x 2 values of 1 bytes that it declares"),
        (gzip.compress(idx(0x08, (9,), bytes(9)))[:-9], "the compressed data are damaged"),
        (gzip.compress(idx(0x08, (9,), bytes(9))) + b"more", "the compressed data are damaged"),
        (b"\x1f\x8b", "the compressed data are damaged"),
        (gzip.compress(gzip.compress(idx(0x08, (9,), bytes(9)))), "begins with 1f 8b"),
    ],
)
def test_compressed_files_that_are_cut_lengthened_or_packed_twice_are_refused(saved, content, message):
    with pytest.raises(FormatError) as caught:
        read_idx(saved(content))
    assert message in str(caught.value)


def test_a_flipped_bit_in_compressed_data_is_found_by_the_checksum(saved):
    content = bytearray(gzip.compress(idx(0x08, (1000,), os.urandom(1000)), compresslevel=0))
    content[500] ^= 1
    with pytest.raises(FormatError, match="damaged"):
        read_idx(saved(bytes(content)))


def test_a_forged_header_takes_no_memory(saved):
    # 4 GB, which a machine may well have, and would fill before it noticed.
    forged = idx(0x08, (2**16, 2**16), bytes(100))
    assert peak(saved(forged)) < 1 << 20
    assert peak(saved(gzip.compress(forged))) < 1 << 20


def test_a_gzip_bomb_is_left_after_the_declared_size(saved, monkeypatch):
    packer = zlib.compressobj(wbits=31)
    bomb = packer.compress(idx(0x08, (1000,), b""))
    for _ in range(64):
        bomb += packer.compress(bytes(1 << 20))
    path = saved(bomb + packer.flush())
    decompressed = []
    read = gzip.GzipFile.read

    def counted(self, size=-1):
        piece = read(self, size)
        decompressed.append(len(piece))
        return piece

    monkeypatch.setattr(gzip.GzipFile, "read", counted)
    assert peak(path) < 1 << 20
    assert sum(decompressed) == 8 + 1000 + 1


def test_compressed_data_too_large_for_memory_say_that_plain_ones_are_read_piece_by_piece(saved, monkeypatch):
    path = saved(gzip.compress(idx(0x08, (9,), bytes(9))))

    def full(*arguments):
        raise MemoryError

    monkeypatch.setattr("gcnn.data.idx.np.empty", full)
    with pytest.raises(FormatError, match="there is no memory"):
        read_idx(path)


@in_one_folder
@given(data=st.data())
def test_damaged_files_give_an_array_or_a_format_error_and_nothing_else(tmp_path, data):
    whole = idx(0x0B, (2, 3), bytes(range(12)))
    damaged = bytearray(gzip.compress(whole, mtime=0) if data.draw(st.booleans()) else whole)
    for _ in range(data.draw(st.integers(1, 4))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    content = bytes(damaged[: data.draw(st.integers(0, len(damaged)))]) + data.draw(st.binary(max_size=3))
    path = tmp_path / "damaged"
    path.write_bytes(content)
    try:
        array = read_idx(path)
    except FormatError as error:
        assert str(error).startswith(f"{path}: ")  # noqa: PT017 # most examples raise, and some do not
    else:
        assert array.nbytes <= len(content) * 1032


@in_one_folder
@given(start=st.sampled_from([b"", b"\0\0\x08\1", b"\0\0\x0e\2", b"\x1f\x8b\x08\0"]), content=st.binary(max_size=80))
def test_any_bytes_after_a_valid_start_are_read_or_refused(tmp_path, start, content):
    path = tmp_path / "any"
    path.write_bytes(start + content)
    try:
        read_idx(path)
    except FormatError as error:
        assert str(error).startswith(f"{path}: ")  # noqa: PT017 # most examples raise, and some do not


def test_a_missing_file_and_a_folder_are_errors_of_the_system(tmp_path):
    with pytest.raises(FileNotFoundError):
        read_idx(tmp_path / "nothing")
    with pytest.raises(OSError, match="directory"):
        read_idx(tmp_path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_pipe_is_refused_and_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(FormatError, match="not a regular file"):
        read_idx(tmp_path / "pipe")


@pytest.mark.parametrize("values", [np.zeros(2, bool), np.zeros(2, np.int64), np.zeros(2, "u2"), np.zeros(2, complex)])
def test_types_that_the_format_has_not_are_not_written(tmp_path, values):
    with pytest.raises(DataError, match=f"{values.dtype}.*uint8, int8, int16, int32, float32, float64"):
        write_idx(tmp_path / "x", values)
    assert list(tmp_path.iterdir()) == []


def test_a_single_number_is_not_written(tmp_path):
    with pytest.raises(DataError, match=r"shape \(\); IDX files have at least one dimension"):
        write_idx(tmp_path / "x", np.zeros((), np.uint8))


def test_equal_arrays_give_equal_files_and_an_older_one_is_replaced(tmp_path):
    for name in ("a.gz", "b.gz"):
        (tmp_path / name).write_bytes(b"older")
        write_idx(tmp_path / name, np.arange(9, dtype=np.int16))
    assert (tmp_path / "a.gz").read_bytes() == (tmp_path / "b.gz").read_bytes() != b"older"
    # No flags, and no time of writing.
    assert (tmp_path / "a.gz").read_bytes().startswith(b"\x1f\x8b\x08\0\0\0\0\0")


LARGER_THAN_MEMORY = """
import resource, sys
import numpy as np
from gcnn.data import open_dataset

LIMIT = 512 << 20
resource.setrlimit(resource.RLIMIT_DATA, (LIMIT, LIMIT))
dataset = open_dataset(sys.argv[1])
samples = dataset.training
assert len(samples) * 784 > 4 * LIMIT
for rows in (slice(0, 64), np.linspace(0, len(samples) - 1, 64).astype(int), slice(-64, None)):
    x, t = samples[rows]
    assert x.shape == (64, 1, 28, 28) and x.dtype == np.float32, (x.shape, x.dtype)
assert x[-1].max() == 1.0 and t[-1] == 9
try:
    np.ones(2 * LIMIT, np.uint8)
except MemoryError:
    # Not ru_maxrss, which begins with what the parent of a process had in use.
    peak = next(line for line in open("/proc/self/status") if line.startswith("VmHWM"))
    print(int(peak.split()[1]) << 10)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="other systems do not limit the memory of a process by RLIMIT_DATA")
def test_batches_are_read_from_a_set_four_times_larger_than_the_memory_allowed(tmp_path):
    count = 3_000_000  # 2.35 GB of images, in sparse files that take no room on the disk
    for part, samples in (("train", count), ("t10k", 10)):
        for kind, size in (("images-idx3", (samples, 28, 28)), ("labels-idx1", (samples,))):
            with (tmp_path / f"{part}-{kind}-ubyte").open("wb") as file:
                file.write(idx(0x08, size, b""))
                file.truncate(file.tell() + int(np.prod(size)))
                file.seek(-1, os.SEEK_END)
                file.write(b"\xff" if "images" in kind else b"\x09")
    program = [sys.executable, "-c", LARGER_THAN_MEMORY, str(tmp_path)]
    environment = os.environ | {"OPENBLAS_NUM_THREADS": "1"}
    done = subprocess.run(program, capture_output=True, text=True, env=environment, timeout=300, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    # The interpreter, NumPy and the labels; no images but those asked for.
    assert int(done.stdout) < 512 << 20
