"""Backends and devices that are not there, by argument and by environment."""

from __future__ import annotations

import pytest

import gcnn
from gcnn.errors import BackendUnavailable


@pytest.fixture(autouse=True)
def nobody_chose(monkeypatch):
    monkeypatch.delenv("GCNN_BACKEND", raising=False)
    monkeypatch.delenv("GCNN_DEVICE", raising=False)


@pytest.mark.parametrize(("wrong", "hint"), [("nunpy", "Did you mean 'numpy'?"), ("NumPy", ""), ("abacus", "")])
def test_a_backend_that_is_not_there_is_refused_and_the_near_one_named(network, refuses, monkeypatch, wrong, hint):
    calls = (lambda: network.bind(wrong), lambda: gcnn.get_backend(wrong), lambda: gcnn.select(wrong))
    for call in calls:
        with refuses(BackendUnavailable, f"unknown backend {wrong!r}", "Known: ", "numpy", hint):
            call()
    monkeypatch.setenv("GCNN_BACKEND", wrong)
    with refuses(BackendUnavailable, f"unknown backend {wrong!r}", "numpy", hint):
        network.bind()


@pytest.mark.parametrize("device", ["*H100*", "gpu", "7", "-1"])
def test_a_device_that_nothing_matches_is_refused_and_those_that_are_there_listed(
    network, refuses, monkeypatch, device
):
    there = gcnn.get_backend("numpy").devices()[0].name
    with refuses(BackendUnavailable, f"no device matching {device!r} (device)", f"[0] {there}"):
        network.bind("numpy", device=device)
    monkeypatch.setenv("GCNN_DEVICE", device)
    with refuses(BackendUnavailable, f"no device matching {device!r} (GCNN_DEVICE)", f"[0] {there}"):
        network.bind("numpy")
    with refuses(BackendUnavailable, "backend auto: nothing works", f"no device matching {device!r} (GCNN_DEVICE)"):
        network.bind()


def test_a_device_number_that_is_not_there_is_refused(network, refuses):
    with refuses(BackendUnavailable, "no device matching 7"):
        network.bind("numpy", device=7)


def test_an_argument_outranks_the_environment_even_where_the_environment_is_wrong(network, monkeypatch):
    monkeypatch.setenv("GCNN_BACKEND", "nunpy")
    monkeypatch.setenv("GCNN_DEVICE", "nothing")
    assert network.bind("numpy", device=0).backend == "numpy"


def test_an_object_that_is_no_backend_is_not_registered(refuses):
    known = gcnn.backend_names()
    with refuses(BackendUnavailable, "protocol version None"):
        gcnn.register_backend(object())
    assert gcnn.backend_names() == known


def test_a_backend_for_another_version_of_the_protocol_is_refused(refuses):
    class Old:
        name, api_version = "old", 0

    with refuses(BackendUnavailable, "'old'", "version 0", "Install the release"):
        gcnn.register_backend(Old())
    assert "old" not in gcnn.backend_names()
