"""What is seen of a training while it goes on: a bar in a terminal, lines elsewhere, JSON for programs, or nothing."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from types import TracebackType
from typing import Any, Self

import click
from rich import progress as bars
from rich.console import Console

from gcnn.history import History
from gcnn.model import Model


class Display:
    """Shows nothing; give `gcnn.train` its `batches` as `progress` and its `epoch_done` as a callback."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop showing."""

    def say(self, text: str) -> None:
        """A line for people."""

    def event(self, name: str, **facts: Any) -> None:
        """Something that happened, for programs."""

    def begin(self, epochs: int, steps: int, done: int) -> None:
        """Training begins: of `epochs` passes of `steps` steps, so many steps are done."""

    def batches(self, batches: Iterable[Any], epoch: int) -> Iterable[Any]:
        """The batches of an epoch, one by one."""
        return batches

    def epoch_done(self, epoch: int, model: Model, history: History) -> None:
        """An epoch is complete."""

    def result(self, text: str) -> None:
        """The line that remains when everything else is quiet."""
        click.echo(text)


class Lines(Display):
    """A line an epoch."""

    def begin(self, epochs: int, steps: int, done: int) -> None:
        self._epochs = epochs

    def say(self, text: str) -> None:
        click.echo(text)

    def epoch_done(self, epoch: int, model: Model, history: History) -> None:
        click.echo(f"epoch {epoch:{len(str(self._epochs))}}/{self._epochs}  {_state(history)}")


class Bar(Display):
    """A bar that moves with every step, and the last epoch's figures beside it."""

    def __init__(self) -> None:
        self._bar = bars.Progress(
            bars.TextColumn("epoch {task.fields[epoch]}/{task.fields[epochs]}"),
            bars.BarColumn(),
            bars.TextColumn("{task.fields[state]}"),
            bars.TimeRemainingColumn(elapsed_when_finished=True),
            console=Console(highlight=False),
        )

    def say(self, text: str) -> None:
        click.echo(text)

    def begin(self, epochs: int, steps: int, done: int) -> None:
        self._task = self._bar.add_task("", total=epochs * steps, completed=done, epochs=epochs, epoch=1, state="")
        self._bar.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    def batches(self, batches: Iterable[Any], epoch: int) -> Iterator[Any]:
        self._bar.update(self._task, epoch=epoch)
        for batch in batches:
            yield batch
            self._bar.advance(self._task)

    def epoch_done(self, epoch: int, model: Model, history: History) -> None:
        self._bar.update(self._task, state=_state(history))


class JsonLines(Display):
    """One JSON object a line on standard output, and nothing else."""

    def event(self, name: str, **facts: Any) -> None:
        click.echo(json.dumps({"event": name} | facts))

    def epoch_done(self, epoch: int, model: Model, history: History) -> None:
        curves = {
            "loss": history.loss,
            "validation_loss": history.validation_loss,
            "validation_accuracy": history.accuracy,
            "seconds": history.seconds,
        }
        self.event("epoch", epoch=epoch, **{name: curve[-1] for name, curve in curves.items() if curve})

    def result(self, text: str) -> None:
        """Programs read the events."""


def make_display(quiet: bool, as_json: bool) -> Display:
    """The display that was asked for; without a wish, a bar in a terminal and lines elsewhere."""
    if as_json:
        return JsonLines()
    if quiet:
        return Display()
    return Bar() if Console().is_terminal else Lines()


def _state(history: History) -> str:
    parts = [f"loss {history.loss[-1]:.4f}"]
    if history.accuracy:
        parts.append(f"validation accuracy {history.accuracy[-1]:.2%}")
    elif history.validation_loss:
        parts.append(f"validation loss {history.validation_loss[-1]:.4f}")
    return "  ".join(parts)


def display_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """--quiet and --json."""
    command = click.option("--json", "as_json", is_flag=True, help="One JSON object a line, for programs.")(command)
    return click.option("--quiet", is_flag=True, help="Print the result and nothing else.")(command)
