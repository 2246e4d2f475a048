"""What a training run leaves behind in its folder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from gcnn.files import write_atomically
from gcnn.history import History
from gcnn.model import Model


def save_results(folder: Path, model: Model, history: History, facts: dict[str, Any]) -> str | None:
    """Write model.safetensors, network.json, history.json and loss.png.

    Args:
        folder: an existing folder; files of these names are replaced.
        model: the trained model.
        history: its epochs.
        facts: how the run was made and what came of it, for history.json; "title" and "test_accuracy" are drawn.

    Returns:
        Why the picture was not drawn and how to get it, or None where it was.
    """
    model.save(folder / "model.safetensors")
    write_atomically(folder / "network.json", model.network.to_json().encode())
    curves = {
        "loss": history.loss,
        "validation_loss": history.validation_loss,
        "validation_accuracy": history.accuracy,
    }
    write_atomically(folder / "history.json", json.dumps(facts | curves, indent=1).encode())
    try:
        from gcnn.plot import draw_history
    except ImportError as error:
        # An older picture would pass for one of this run.
        (folder / "loss.png").unlink(missing_ok=True)
        return f'loss.png was not drawn: matplotlib does not load ({error}). To get it: pip install "gcnn[plot]"'
    draw_history(history, folder / "loss.png", facts["title"], facts["test_accuracy"])
    return None
