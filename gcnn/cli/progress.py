"""What is seen of a training run while it goes on: a bar in a terminal, one line an epoch elsewhere."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from types import TracebackType
from typing import Any, Self

import click
from rich import progress as bars
from rich.console import Console

from gcnn.data.samples import Batch
from gcnn.history import History
from gcnn.metrics import accuracy
from gcnn.model import Model


class Progress:
    """Follows `gcnn.train`: give it `batches` as `progress` and `epoch_done` as a callback.

    Args:
        epochs: passes over the samples.
        steps: batches of one pass.
        validation: samples to measure accuracy on where `gcnn.train` does not: it measures it only under losses of
            classes, and a network may learn classes by squares.
        quiet: show nothing.
    """

    def __init__(self, epochs: int, steps: int, validation: Batch, quiet: bool) -> None:
        console = Console(highlight=False)
        self.epochs, self.validation = epochs, validation
        self._lines = not quiet and not console.is_terminal
        self._bar = bars.Progress(
            bars.TextColumn("epoch {task.fields[epoch]}/" + str(epochs)),
            bars.BarColumn(),
            bars.TextColumn("{task.fields[state]}"),
            bars.TimeRemainingColumn(elapsed_when_finished=True),
            console=console,
            disable=quiet or self._lines,
        )
        self._task = self._bar.add_task("", total=epochs * steps, epoch=1, state="")

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    def batches(self, batches: Iterable[Any], epoch: int) -> Iterator[Any]:
        """The batches of an epoch, one by one, each moving the bar when it is done."""
        self._bar.update(self._task, epoch=epoch)
        for batch in batches:
            yield batch
            self._bar.advance(self._task)

    def epoch_done(self, epoch: int, model: Model, history: History) -> None:
        """Show the epoch's loss and validation accuracy."""
        if len(history.accuracy) < epoch:
            history.accuracy.append(accuracy(model, *self.validation))
        state = f"loss {history.loss[-1]:.4f}  validation accuracy {history.accuracy[-1]:.2%}"
        self._bar.update(self._task, state=state)
        if self._lines:
            click.echo(f"epoch {epoch:{len(str(self.epochs))}}/{self.epochs}  {state}")
