"""`gcnn devices`: what every known backend could run on, checked by running it."""

from __future__ import annotations

import os

import click
from rich.console import Console
from rich.table import Table

from gcnn.backend import Device, Unavailable, backend_names, get_backend, quick_check, select
from gcnn.cli.options import debug_option
from gcnn.errors import BackendUnavailable


@click.command(
    epilog="\b\nExamples:\n  gcnn devices\n  GCNN_BACKEND=numpy gcnn devices    what would this setting take?"
)
@debug_option
def devices() -> None:
    """List devices: what works, and why not more.

    Every backend that is installed is asked for its devices; those that do not work come with reason and remedy.

    'works' means that a tiny network was just run there and gave the right answer. The arrow marks what gcnn takes
    when no backend is named: the environment variables GCNN_BACKEND and GCNN_DEVICE decide, and without them the first
    that works of a fixed ranking.
    """
    taken, explanation = _taken()
    table = Table("", "backend", "index", "device", "kind", "dtypes", "check")
    problems: list[str] = []
    for name in backend_names():
        for found in _devices(name):
            if isinstance(found, Unavailable):
                table.add_row("", name, "", found.name, "", "", "[red]not available[/]")
                problems.append(f"{name}, {found.name}: {found.reason}{f'; {found.remedy}' if found.remedy else ''}")
                continue
            fault = quick_check(get_backend(name), found)
            arrow = "→" if taken is not None and (taken.backend, taken.index) == (name, found.index) else ""
            state = "[green]works[/]" if fault is None else "[red]fails[/]"
            table.add_row(arrow, name, str(found.index), found.name, found.kind, ", ".join(found.dtypes), state)
            if fault is not None:
                problems.append(f"{name}, {found.name}: the check failed: {fault}")
    Console(highlight=False).print(table)
    click.echo(explanation)
    for problem in problems:
        click.echo(problem)


def _devices(name: str) -> list[Device | Unavailable]:
    """The devices of a backend, or why it does not load."""
    try:
        return list(get_backend(name).devices())
    except Exception as error:  # noqa: BLE001  # a foreign package may fail in any way; the list must still be shown
        return [Unavailable(name, "(the backend itself)", _reason(error), "")]


def _taken() -> tuple[Device | None, str]:
    """What `select` takes now, and a line that says why."""
    settings = [f"{name}={os.environ[name]}" for name in ("GCNN_BACKEND", "GCNN_DEVICE") if os.environ.get(name)]
    asked = " and ".join(settings) or "auto"
    try:
        backend, device = select()
    except Exception as error:  # noqa: BLE001  # the same
        return None, f"{asked} takes nothing: {_reason(error)}"
    return device, f"{asked} takes {backend.name}, device {device.index} ({device.name})."


def _reason(error: Exception) -> str:
    return str(error) if isinstance(error, BackendUnavailable) else f"{type(error).__name__}: {error}"
