"""A search by gradients: mixing weights over time, one picture a choice group, and how its architecture changed."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from nascence.reporting.cell import operation_label
from nascence.reporting.charts import GRID, INK, SOFT, Series, line_chart
from nascence.reporting.contents import Contents, Event
from nascence.reporting.markup import PALETTE, element, escape, number, paragraph, readable, svg
from nascence.spaces import Space, get_space
from nascence.supernets.groups import ChoiceGroup

_WIDE, _HIGH, _GAP, _MOST_COLUMNS = 190, 96, 14, 5
_MOST_PANELS = 40


def epochs_of(events: Sequence[Event]) -> list[Event]:
    """The events that close an epoch of a search by gradients: those with mixing weights."""
    return [event for event in events if isinstance(event.get("weights"), Mapping)]


def mixing(run: Contents) -> Iterable[str]:
    """Alarm, weights over time, and what a table says of each epoch's architecture."""
    space, epochs = get_space(run.architecture.space), epochs_of(run.events)
    if not epochs or not space.groups:
        return
    if run.record.get("collapse"):
        yield paragraph(str(run.record["collapse"]), "warning")
    for groups in _together(space, set(epochs[-1]["weights"])):
        name = "Mixing weights over time" + (f", {_title(space, groups)}" if len(space.groups) > 1 else "")
        yield element("h3", escape(name))
        drawing = weights_chart(_title(space, groups), groups, epochs)
        yield element("div", drawing, class_="scroll", tabindex=0, role="region", aria_label=name)
        rows = sum(len(group.rows) for group in groups)
        if rows > _MOST_PANELS:
            yield paragraph(f"The first {_MOST_PANELS} of {rows} choices.", "note")
    each = "an edge" if space.as_cells is not None else "a choice"
    yield paragraph(f"One panel {each}, epochs from left to right; mean weights, 0 to the largest.", "note")
    known = run.trajectory
    if known and len(known.get("values", [])) > 1:
        title = f"{readable(known['column'])} of each epoch's architecture"
        yield line_chart(title, [Series("table", known["epochs"], known["values"])], "epoch", log=False)
        yield paragraph(f"From {known['source']}: for the reader only, the search did not see it.", "note")


def _together(space: Space, told: Collection[str]) -> list[list[ChoiceGroup]]:
    """The groups that events tell of, one picture each; of spaces without cells those with equal options share one."""
    pictures: dict[Any, list[ChoiceGroup]] = {}
    for group in space.groups:
        if group.name in told:
            pictures.setdefault(group.name if space.as_cells is not None else group.options, []).append(group)
    return list(pictures.values())


def _title(space: Space, groups: Sequence[ChoiceGroup]) -> str:
    if space.as_cells is not None:
        return f"{groups[0].name} cell"
    return readable(groups[0].name) + (f" and {len(groups) - 1} more" if len(groups) > 1 else "")


def weights_chart(title: str, groups: Sequence[ChoiceGroup], epochs: Sequence[Event]) -> str:
    """A panel per row of groups of equal options, with a line per option, all to one scale."""
    over_time = [
        list(itertools.chain.from_iterable(event["weights"][group.name] for group in groups))[:_MOST_PANELS]
        for event in epochs
    ]
    names = [operation_label(name) for name in groups[0].options]
    used = [at for at in range(len(names)) if any(row[at] for values in over_time for row in values)]
    top = max((weight for values in over_time for row in values for weight in row), default=1.0) or 1.0
    rows = [row for group in groups for row in group.rows][:_MOST_PANELS]
    columns = min(_MOST_COLUMNS, len(rows))
    lines = -(-len(rows) // columns)
    legend, right = [], 0.0
    for at in used:
        legend.append(element("rect", x=right, y=4, width=11, height=11, fill=PALETTE[at % len(PALETTE)]))
        legend.append(element("text", escape(names[at]), x=right + 15, y=14, font_size=12, fill=INK))
        right += 30 + 7.2 * len(names[at])
    panels = []
    for place, row in enumerate(rows):
        x, y = (place % columns) * (_WIDE + _GAP), 30 + (place // columns) * (_HIGH + 30)
        series = {at: [values[place][at] for values in over_time] for at in used}
        panels.append(_panel(row, series, names, x, y, top))
    width = max(columns * (_WIDE + _GAP), right)
    spoken = f"Mixing weights of the {title} over {len(epochs)} epochs, largest {number(top)}"
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
