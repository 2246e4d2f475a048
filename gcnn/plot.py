"""The picture of a training run. Needs matplotlib: pip install "gcnn[plot]"."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, MaxNLocator, NullLocator, PercentFormatter, StrMethodFormatter

from gcnn.files import write_atomically
from gcnn.history import History

TRAINING, VALIDATION, TEST = "#1f6f8b", "#d1495b", "#555555"
DOTS_PER_INCH = 130


def draw_history(history: History, path: str | Path, title: str = "", test_accuracy: float | None = None) -> None:
    """Draw losses and, where there is one, accuracy over the epochs, and write them as one PNG.

    Args:
        history: what `gcnn.train` returned.
        path: the file to write.
        title: a line above both panels.
        test_accuracy: between 0 and 1; drawn as a line across the accuracy panel.
    """
    panels = 2 if history.accuracy else 1
    figure = Figure(figsize=(5.2 * panels, 4.0), dpi=DOTS_PER_INCH, layout="constrained")
    figure.suptitle(title)
    axes: Sequence[Axes] = figure.subplots(1, panels, squeeze=False)[0]
    _losses(axes[0], history)
    if history.accuracy:
        _accuracy(axes[1], history.accuracy, test_accuracy)
    for panel in axes:
        panel.set_xlabel("epoch")
        panel.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        panel.grid(alpha=0.25)
        panel.spines[["top", "right"]].set_visible(False)
        panel.legend(frameon=False)
    picture = io.BytesIO()
    figure.savefig(picture, format="png")
    write_atomically(Path(path), picture.getvalue())


def _losses(panel: Axes, history: History) -> None:
    curves = [
        ("training, with any L2 penalty", history.loss, TRAINING),
        ("validation", history.validation_loss, VALIDATION),
    ]
    for label, values, colour in curves:
        if values:
            panel.plot(range(1, len(values) + 1), values, marker="o", markersize=3, color=colour, label=label)
    if min(history.loss + history.validation_loss) > 0:
        # Losses fall by orders of magnitude; on a linear axis the later epochs would lie on the floor.
        panel.set_yscale("log")
        panel.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        panel.yaxis.set_minor_locator(NullLocator())
        panel.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    panel.set_ylabel("loss")


def _accuracy(panel: Axes, values: Sequence[float], test_accuracy: float | None) -> None:
    epochs = range(1, len(values) + 1)
    panel.plot(epochs, values, marker="o", markersize=3, color=VALIDATION, label=f"validation, last {values[-1]:.1%}")
    if test_accuracy is not None:
        panel.axhline(
            test_accuracy, color=TEST, linestyle="--", linewidth=1, label=f"test, after training {test_accuracy:.1%}"
        )
    panel.yaxis.set_major_formatter(PercentFormatter(xmax=1))
    panel.set_ylabel("accuracy")
