"""Finding drivers. Most of it needs none: a folder of .icd files, and what becomes of it."""

from __future__ import annotations

import os
import sys
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import pytest

from gcnn.backends.opencl import icd

pytestmark = pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="not run: drivers are registered otherwise on this system"
)


@pytest.fixture
def system(tmp_path, monkeypatch) -> Path:
    """An empty folder of the system's drivers, with something in place of Intel's; no variable is set."""
    folder = tmp_path / "vendors"
    folder.mkdir()
    monkeypatch.setattr(icd, "SYSTEM", folder)
    monkeypatch.setattr(icd, "_intel", lambda: [icd.Driver(icd.INTEL, "libdl.so.2")])
    for name in icd._VARIABLES:
        monkeypatch.setenv(name, "")
    monkeypatch.setenv("GCNN_CACHE", str(tmp_path / "cache"))
    return folder


def _listed(folder: str) -> list[str]:
    return [file.read_text().strip() for file in sorted(Path(folder).glob("*.icd"))]


def test_a_driver_that_does_not_load_is_reported_and_left_out(system):
    (system / "broken.icd").write_text("libmissing-driver.so.1\n")
    (system / "good.icd").write_text("libc.so.6\n")
    broken, good, _ = icd.prepare()
    assert "libmissing-driver.so.1: cannot open shared object file" in broken.fault
    assert good == icd.Driver("good.icd", "libc.so.6")
    assert _listed(os.environ["OCL_ICD_VENDORS"]) == ["libc.so.6", "libdl.so.2"]


@pytest.mark.parametrize("intel", [[], [icd.Driver(icd.INTEL, "libmissing-intel.so")]])
def test_without_intels_runtime_the_loader_is_left_to_find_the_others(system, monkeypatch, intel):
    (system / "a.icd").write_text("libc.so.6")
    monkeypatch.setattr(icd, "_intel", lambda: intel)
    found = icd.prepare()
    assert [driver.fault is None for driver in found] == [True] + [False] * len(intel)
    assert not os.environ["OCL_ICD_VENDORS"]


@pytest.mark.parametrize("name", icd._VARIABLES)
def test_a_folder_that_the_user_chose_stays(system, tmp_path, monkeypatch, name):
    chosen = tmp_path / "chosen"
    chosen.mkdir()
    (chosen / "own.icd").write_text("libc.so.6")
    (system / "other.icd").write_text("libm.so.6")
    monkeypatch.setenv(name, str(chosen))
    assert [driver.name for driver in icd.prepare()] == ["own.icd"]
    assert os.environ[name] == str(chosen)
    assert name == "OCL_ICD_VENDORS" or not os.environ["OCL_ICD_VENDORS"]


def test_a_folder_of_gcnns_own_inherited_from_a_parent_process_is_made_anew(system, monkeypatch):
    (system / "a.icd").write_text("libc.so.6")
    icd.prepare()
    first = os.environ["OCL_ICD_VENDORS"]
    icd.prepare()
    assert os.environ["OCL_ICD_VENDORS"] == first
    (system / "b.icd").write_text("libm.so.6")
    assert len(icd.prepare()) == 3
    assert os.environ["OCL_ICD_VENDORS"] != first
    assert _listed(first) == ["libc.so.6", "libdl.so.2"]


def test_a_cache_that_cannot_be_written_to_is_replaced_by_a_temporary_folder(system, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("GCNN_CACHE", str(tmp_path / "file"))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    (system / "a.icd").write_text("libc.so.6")
    icd.prepare()
    folder = Path(os.environ["OCL_ICD_VENDORS"])
    assert folder.parent == tmp_path
    assert _listed(str(folder)) == ["libc.so.6", "libdl.so.2"]


def _intel_library() -> Path:
    try:
        distribution("intel-opencl-rt")
    except PackageNotFoundError:
        pytest.skip("not run: intel-opencl-rt is not installed")
    (driver,) = icd._intel()
    return Path(driver.library)


def test_intels_runtime_is_found_by_its_wheel_and_loads():
    library = _intel_library()
    assert library.is_file()
    assert icd._load(icd.Driver("x", str(library))).fault is None


def test_a_library_that_a_driver_lacks_is_named(tmp_path, run_python):
    copy, library = tmp_path / "libintelocl.so", _intel_library()
    if tmp_path.stat().st_dev != library.stat().st_dev:
        pytest.skip("not run: the temporary folder is on another disk, and the library is too large to copy")
    copy.hardlink_to(library)
    # In a process of its own: here all that it needs is loaded already.
    done = run_python(
        "import sys\nfrom gcnn.backends.opencl import icd\nprint(icd._load(icd.Driver('x', sys.argv[1])).fault)",
        str(copy),
    )
    assert "libcommon_clang.so" in done.stdout, done.stderr
    assert "cannot open shared object file" in done.stdout


def test_both_platforms_are_found_in_a_fresh_process(device, run_python):
    if icd._chosen_folder() is not None:
        pytest.skip("not run: OCL_ICD_VENDORS was chosen by the user")
    done = run_python("""
        import os
        from gcnn.backends.opencl import discovery
        assert "LD_LIBRARY_PATH" not in os.environ
        print([entry.name for entry in discovery.devices()])
    """)
    assert device.name in done.stdout, done.stderr
