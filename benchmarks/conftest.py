"""The places that are timed: every device of every backend that works."""

from __future__ import annotations

import pytest

from gcnn.backend import Device, backend_names, get_backend


def _places() -> list[tuple[str, int]]:
    return [
        (name, number)
        for name in backend_names()
        for number, device in enumerate(get_backend(name).devices())
        if isinstance(device, Device)
    ]


@pytest.fixture(params=_places(), ids=lambda place: f"{place[0]}:{place[1]}", scope="session")
def place(request) -> tuple[str, int]:
    """(backend, index of a device)."""
    return request.param
