"""Finding OpenCL drivers, those from PyPI too, without root and without LD_LIBRARY_PATH.

The ICD loader that comes with pyopencl (ocl-icd, like most on Linux) reads one folder of .icd files, each naming a
driver's library. Intel's CPU runtime from PyPI lies in no such folder: its own .icd file names a path that does not exist.
So a folder of our own, in the user's cache, lists the system's drivers and Intel's, and OCL_ICD_VENDORS points there before
the loader first looks. Whoever has set that variable is left alone.
"""

from __future__ import annotations

import atexit
import ctypes
import os
import re
import secrets
import shutil
import sys
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from gcnn.backends.accelerated.cache import cache_folder, key

SYSTEM = Path("/etc/OpenCL/vendors")
_VARIABLES = ("OCL_ICD_VENDORS", "OPENCL_VENDOR_PATH", "OCL_ICD_FILENAMES")
INTEL = "intel-cpu.icd"
"""What the CPU runtime of Intel's wheel is called here."""
_INTEL_PACKAGE, _INTEL_LIBRARY = "intel-opencl-rt", "libintelocl.so"
_MISSING = re.compile(r"^(\S+): cannot open shared object file")


@dataclass(frozen=True)
class Driver:
    """What an .icd file names.

    Attributes:
        name: the file's name.
        library: a path, or a name that the system's linker finds.
        fault: why it does not load; `None` where it does.
    """

    name: str
    library: str
    fault: str | None = None


def prepare() -> list[Driver]:
    """Load all drivers, and point the ICD loader at them. To be called before the first look at the platforms."""
    if not sys.platform.startswith("linux"):
        return []  # elsewhere drivers are registered by their installers
    chosen = _chosen_folder()
    if chosen is not None:
        return [_load(driver) for driver in _listed(chosen)]
    loaded = [_load(driver) for driver in (*_listed(SYSTEM), *_intel())]
    working = [driver for driver in loaded if driver.fault is None]
    # Without Intel's the loader finds all by itself, also what wheels put beside pyopencl's copy of it.
    if any(driver.name == INTEL for driver in working):
        os.environ["OCL_ICD_VENDORS"] = str(_vendors_folder(working))
    return loaded


def _chosen_folder() -> Path | None:
    """The folder or file that the user has chosen; our own, inherited from a parent process, does not count."""
    given = next((os.environ[name] for name in _VARIABLES if os.environ.get(name)), None)
    return None if given is None or Path(given).name.startswith("gcnn-icd-") else Path(given)


def _listed(place: Path) -> Iterable[Driver]:
    """The drivers of a folder of .icd files, or of one such file."""
    for file in sorted(place.glob("*.icd")) if place.is_dir() else [place] * (place.suffix == ".icd"):
        try:
            yield Driver(file.name, file.read_text().strip().partition("\n")[0])
        except OSError as error:
            yield Driver(file.name, str(file), f"cannot be read: {error.strerror}")


def _intel() -> list[Driver]:
    """Intel's CPU runtime, where its wheel is installed in this environment."""
    try:
        files = distribution(_INTEL_PACKAGE).files or []
    except PackageNotFoundError:
        return []
    found = [Path(str(file.locate())).resolve() for file in files if file.name == _INTEL_LIBRARY]
    return [Driver(INTEL, str(path)) for path in found]


def _load(driver: Driver) -> Driver:
    """Load a driver's library, to know why where it fails: the ICD loader leaves it out silently.

    Intel's libraries find each other by their own run paths in the releases tried (2024.2, 2026.2). Where one does not, it
    is looked for beside the driver and loaded first, which the linker accepts. They stay local to the driver, so that
    Intel's mathematics takes no one else's place.
    """
    if driver.fault is not None:
        return driver
    tried: set[str] = set()
    while True:
        try:
            ctypes.CDLL(driver.library)
        except OSError as error:
            missing = _MISSING.match(str(error))
            beside = Path(driver.library).parent / missing[1] if missing else None
            if beside is None or missing is None or missing[1] in tried or not beside.is_file():
                return Driver(driver.name, driver.library, str(error))
            tried.add(missing[1])
            try:
                ctypes.CDLL(str(beside))
            except OSError as deeper:
                return Driver(driver.name, driver.library, str(deeper))
        else:
            return driver


def _vendors_folder(drivers: list[Driver]) -> Path:
    """A folder that lists these drivers, whole as soon as it is there; one for every list, so that nothing is changed."""
    name = "gcnn-icd-" + key(part for driver in drivers for part in (driver.name, driver.library))[:16]
    parent = cache_folder() / "opencl"
    if (parent / name).is_dir():
        return parent / name
    try:
        parent.mkdir(parents=True, exist_ok=True)
        temporary = parent / f".{name}.{secrets.token_hex(8)}"
        temporary.mkdir()
    except OSError:
        # A cache that cannot be written to: a folder for this process.
        folder = Path(tempfile.mkdtemp(prefix="gcnn-icd-"))
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
        return _fill(folder, drivers)
    _fill(temporary, drivers)
    try:
        temporary.rename(parent / name)
    except OSError:  # another process was faster
        shutil.rmtree(temporary, ignore_errors=True)
    return parent / name


def _fill(folder: Path, drivers: list[Driver]) -> Path:
    for number, driver in enumerate(drivers):
        (folder / f"{number:02}-{driver.name}").write_text(driver.library + "\n")
    return folder
