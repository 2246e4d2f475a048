"""The picture of a training."""

from __future__ import annotations

import pytest
from matplotlib.figure import Figure

from gcnn.history import History
from gcnn.plot import draw_history


@pytest.mark.parametrize("epochs", [1, 2, 3, 30])
def test_epochs_are_counted_in_whole_numbers_however_few_there_are(tmp_path, monkeypatch, epochs):
    drawn, save = [], Figure.savefig
    monkeypatch.setattr(
        Figure, "savefig", lambda figure, *rest, **more: (drawn.append(figure), save(figure, *rest, **more))
    )
    curve = [1 / n for n in range(1, epochs + 1)]
    draw_history(History(loss=curve, validation_loss=curve, accuracy=curve), tmp_path / "loss.png", test_accuracy=0.5)
    for panel in drawn[0].axes:
        low, high = panel.get_xlim()
        ticks = [tick for tick in panel.get_xticks() if low <= tick <= high]
        assert ticks == [int(tick) for tick in ticks]
        assert ticks
