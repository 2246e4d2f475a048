"""Lists of expected failures that are no TOML."""

from __future__ import annotations

import pytest

from gcnn.conformance import expected
from gcnn.errors import FormatError


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"[[expected]\n", "not a TOML document"),
        (b"expected = " + b"[" * 3000, "not a TOML document"),
        (b"expected = " + b"9" * 5000, "not a TOML document"),
        (b"expected = 9223372036854775808", "64 bits"),
        (b"\xff\xfe", "not a text file"),
    ],
)
def test_what_is_no_toml_is_refused_with_the_path_however_it_fails(tmp_path, refuses, content, said):
    path = tmp_path / "expected.toml"
    path.write_bytes(content)
    with refuses(FormatError, str(path), said):
        expected.read(path)
