"""A search by gradients: mixing weights over time, one picture a cell, and how its architecture changed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from nascence.reporting.cell import operation_label
from nascence.reporting.charts import GRID, INK, SOFT, Series, line_chart
from nascence.reporting.contents import Contents, Event
from nascence.reporting.markup import PALETTE, element, escape, number, paragraph, readable, svg
from nascence.spaces import CellSpace, get_space

_WIDE, _HIGH, _GAP, _MOST_COLUMNS = 190, 96, 14, 5


def epochs_of(events: Sequence[Event]) -> list[Event]:
    """The events that close an epoch of a search by gradients: those with mixing weights."""
    return [event for event in events if isinstance(event.get("weights"), Mapping)]


def mixing(run: Contents) -> Iterable[str]:
    """Alarm, weights over time, and what a table says of each epoch's architecture."""
    space, epochs = get_space(run.architecture.space), epochs_of(run.events)
    if not epochs or not isinstance(space, CellSpace):
        return
    if run.record.get("collapse"):
        yield paragraph(str(run.record["collapse"]), "warning")
    for kind in epochs[-1]["weights"]:
        name = "Mixing weights over time" + (f", {kind} cell" if len(space.kinds) > 1 else "")
        yield element("h3", escape(name))
        drawing = weights_chart(space, kind, epochs)
        yield element("div", drawing, class_="scroll", tabindex=0, role="region", aria_label=name)
    yield paragraph("One panel an edge, epochs from left to right; mean weights, 0 to the largest.", "note")
    known = run.trajectory
    if known and len(known.get("values", [])) > 1:
        title = f"{readable(known['column'])} of each epoch's architecture"
        yield line_chart(title, [Series("table", known["epochs"], known["values"])], "epoch", log=False)
        yield paragraph(f"From {known['source']}: for the reader only, the search did not see it.", "note")


def weights_chart(space: CellSpace, kind: str, epochs: Sequence[Event]) -> str:
    """A panel per edge with a line per operation, all to one scale."""
    over_time = [event["weights"][kind] for event in epochs]
    names = [operation_label(name) for name in space.operations]
    used = [at for at in range(len(names)) if any(row[at] for rows in over_time for row in rows)]
    top = max((weight for rows in over_time for row in rows for weight in row), default=1.0) or 1.0
    edges = space.shape.edges
    columns = min(_MOST_COLUMNS, len(edges))
    lines = -(-len(edges) // columns)
    legend, right = [], 0.0
    for at in used:
        legend.append(element("rect", x=right, y=4, width=11, height=11, fill=PALETTE[at % len(PALETTE)]))
        legend.append(element("text", escape(names[at]), x=right + 15, y=14, font_size=12, fill=INK))
        right += 30 + 7.2 * len(names[at])
    panels = []
    for edge, (source, target) in enumerate(edges):
        x, y = (edge % columns) * (_WIDE + _GAP), 30 + (edge // columns) * (_HIGH + 30)
        series = {at: [rows[edge][at] for rows in over_time] for at in used}
        panels.append(_panel(f"{target}<-{source}", series, names, x, y, top))
    width = max(columns * (_WIDE + _GAP), right)
    spoken = f"Mixing weights of the {kind} cell over {len(epochs)} epochs, largest {number(top)}"
    return svg(round(width), 30 + lines * (_HIGH + 30), spoken, *legend, *panels, min_width=round(0.6 * width))


def _panel(
    title: str, series: Mapping[int, Sequence[float]], names: Sequence[str], x: float, y: float, top: float
) -> str:
    parts = [element("rect", x=x, y=y + 16, width=_WIDE, height=_HIGH, fill="none", stroke=GRID)]
    parts.append(element("text", escape(title), x=x, y=y + 11, font_size=11, fill=SOFT))
    for at, values in series.items():
        step = _WIDE / max(1, len(values) - 1)
        points = " ".join(
            f"{x + step * n:.1f},{y + 16 + _HIGH * (1 - max(0.0, value) / top):.1f}" for n, value in enumerate(values)
        )
        tip = element("title", escape(f"{title} {names[at]}: {number(values[0])} to {number(values[-1])}"))
        colour: dict[str, Any] = {"stroke": PALETTE[at % len(PALETTE)], "fill": "none", "stroke_width": 1.8}
        parts.append(element("g", tip, element("polyline", points=points, **colour)))
    return "".join(parts)


__all__ = ["epochs_of", "mixing", "weights_chart"]
