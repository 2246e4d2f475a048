"""A network as a table for people: one line a layer, then the sums and the memory that training takes."""

from __future__ import annotations

from gcnn.costs import Memory, costs
from gcnn.maps import Maps
from gcnn.network import Network

WIDTH, LEAST = 120, 24
"""Characters of a line, and those of a layer's description that are shown even where the line gets longer."""
GAP = "  "


def summary(network: Network, batch: int, dtype: str) -> str:
    """The table; see `gcnn.costs` for what is counted."""
    counted = costs(network)
    rows = [("", "layer", "output", "parameters", "connections", "forward", "training")]
    rows.append(("", "input", shape_text(network.inputs), "", "", "", ""))
    for number, layer in enumerate(counted.layers):
        numbers = (f"{layer.parameters:,}", f"{layer.connections:,}", _short(layer.forward), _short(layer.training))
        rows.append((str(number), layer.layer, shape_text(layer.outputs), *numbers))
    sums = (f"{counted.parameters:,}", f"{counted.connections:,}", _short(counted.forward), _short(counted.training))
    rows.append(("", f"loss {network.loss.name}, {network.loss.reduction}", "", *sums))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    others = sum(widths) - widths[1] + len(GAP) * (len(widths) - 1)
    widths[1] = min(widths[1], max(LEAST, WIDTH - others))
    lines = [_line(row, widths) for row in rows]
    rule = "-" * max(map(len, lines))
    memory = _memory(counted.memory(batch, dtype), batch, dtype)
    return "\n".join([lines[0], rule, *lines[1:-1], rule, lines[-1], memory])


def shape_text(maps: Maps) -> str:
    """The shape of a value without its sample axis."""
    return " x ".join(map(str, maps.shape)) if maps.uniform else f"{maps.count} maps, {maps.points} points"


def _line(row: tuple[str, ...], widths: list[int]) -> str:
    """Texts from the left, numbers from the right; what is longer than its column is cut."""
    cut = [cell if len(cell) <= w else f"{cell[: w - 3]}..." for cell, w in zip(row, widths, strict=True)]
    cells = [cell.ljust(w) if c < 3 else cell.rjust(w) for c, (cell, w) in enumerate(zip(cut, widths, strict=True))]
    return GAP.join(cells).rstrip()


def _memory(memory: Memory, batch: int, dtype: str) -> str:
    parts = {name: _bytes(getattr(memory, name)) for name in ("parameters", "gradient", "state", "activations")}
    return (
        "forward, training: additions and multiplications for one sample\n"
        f"memory to train with Adam on batches of {batch} in {dtype}: {_bytes(memory.total)}\n  "
        + ", ".join(f"{name} {size}" for name, size in parts.items())
    )


def _short(count: int) -> str:
    """A count to three digits: 834, 12.3 k, 5.51 M."""
    return _scaled(count, 1000, ("", " k", " M", " G", " T", " P"))


def _bytes(count: int) -> str:
    return _scaled(count, 1024, (" B", " KiB", " MiB", " GiB", " TiB", " PiB"))


def _scaled(count: float, step: int, units: tuple[str, ...]) -> str:
    unit = 0
    while count >= 999.5 and unit < len(units) - 1:
        count, unit = count / step, unit + 1
    if unit == 0:
        return f"{count:.0f}{units[0]}"
    return f"{count:.{2 if count < 9.995 else 1 if count < 99.95 else 0}f}{units[unit]}"
