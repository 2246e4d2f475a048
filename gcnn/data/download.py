"""Downloading a file once: compared with its checksum before it is there, so that nobody finds half of it."""

from __future__ import annotations

from pathlib import Path

from gcnn.errors import FormatError

_PATIENCE = 30.0
"""Seconds without an answer, after which the network counts as gone."""


def download(url: str, sha256: str, path: Path) -> None:
    """Bring the file at `url` to `path`, whose folder is made where there is none.

    A file that is there already stays if it has the checksum; another is replaced once the right one has come.

    Args:
        url: an http or https address.
        sha256: what the file must have, in hexadecimal digits.
        path: where it goes, under that name only once it is whole.

    Raises:
        FormatError: what came has another checksum.
        OSError: nothing came, or the folder cannot be written to.
    """
    # Loads an HTTP client, which only those who download should wait for.
    import pooch  # type: ignore[import-untyped] # has no annotations

    remedy = "Or get the file in another way, put it into a folder with the others of its set, and give that folder."
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # A server that compresses on the way would make another file of what is compressed already. An answer that is
        # read at once, not streamed, leaves no connection open where it is refused; the files are some 30 MB at most.
        downloader = pooch.HTTPDownloader(timeout=_PATIENCE, headers={"Accept-Encoding": "identity"}, stream=False)
        pooch.retrieve(url, f"sha256:{sha256}", path.name, path.parent, downloader=downloader)
    except OSError as error:  # also what the HTTP client raises
        raise OSError(
            f"{url} could not be downloaded to {path}: {error}. Expected the file with SHA-256 {sha256}. "
            f"Try again where there is a network and the folder may be written to. {remedy}"
        ) from error
    except ValueError as error:
        raise FormatError(
            f"{url} is not the file that was expected, or not all of it: {error} Try again. {remedy}"
        ) from error
