"""The front that a search ended in, drawn and as a table."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from nascence.reporting.charts import Point, scatter_chart
from nascence.reporting.contents import Contents
from nascence.reporting.markup import element, escape, paragraph, quantity, table
from nascence.strategies.pareto import told_apart


def front(run: Contents) -> str:
    """Every other objective against the first, with all that was valued; empty where there is no front."""
    if not run.front:
        return ""
    objectives, rows = run.front["objectives"], run.front["front"]
    first, *others = objectives
    others_valued = list(_valued(run))
    told = " ".join(f"{one['name'].capitalize()}: {one['description'].rstrip('.')}." for one in objectives)
    text = f"Blue: the {len(rows)} networks of which none beats another in everything. Grey: the others of "
    text += f"{len(others_valued)} that were valued. The mark is the knee, or what was picked. {told}"
    charts = [_chart(run, first, other, rows, others_valued) for other in others]
    names = [one["name"] for one in objectives]
    sizes = [name for name in ("params", "flops") if name not in names]
    heads = ("index", *map(_title, objectives), *sizes, "architecture")
    lines = [
        (
            row["index"],
            *map(_shown, row["values"].values()),
            *(_shown(row[name]) for name in sizes),
            row["architecture"],
        )
        for row in rows
    ]
    title = element("h2", escape("The front"), id="the-front")
    pick = "Train another one of them with: nascence train RUN --pick INDEX, or --pick max-params=NUMBER."
    apart = told_apart(run.front)
    notes = [paragraph(note, "note") for note in (text, apart) if note]
    parts = [title, *notes, element("div", *charts, class_="charts"), table(heads, lines)]
    return element("section", *parts, paragraph(pick, "note"), aria_labelledby="the-front")


def _shown(value: float) -> float | int | str:
    """Counts as they are, up to a million; large numbers with a prefix."""
    return quantity(value) if value >= 1e6 else int(value) if value == int(value) else float(value)


def _chart(
    run: Contents,
    first: Mapping[str, Any],
    other: Mapping[str, Any],
    rows: Sequence[Mapping[str, Any]],
    valued: Sequence[Mapping[str, Any]],
) -> str:
    x, y = other["name"], first["name"]
    kept = {row["architecture"] for row in rows}
    points = [
        Point(float(one[x]), float(one[y]), one["architecture"]) for one in valued if one["architecture"] not in kept
    ]
    for row in rows:
        label = f"{row['index']}: {row['architecture']}"
        points.append(Point(float(row["values"][x]), float(row["values"][y]), label, front=True))
        if row["architecture"] == str(run.architecture):
            points.append(Point(float(row["values"][x]), float(row["values"][y]), f"network {row['index']}", mark=True))
    return scatter_chart(f"{y} and {x}", points, _title(other), _title(first))


def _title(objective: Mapping[str, Any]) -> str:
    name, unit = str(objective["name"]), str(objective["unit"])
    return f"{name} ({unit})" if unit and unit not in ("parameters", name) else name


def _valued(run: Contents) -> Iterator[Mapping[str, Any]]:
    """All that the events say was valued; where some were valued a second time, only those, since the front is of them
    and the values of the first time cannot be compared with it."""
    assert run.front is not None
    names = [objective["name"] for objective in run.front["objectives"]]
    again = any("reevaluated" in event for event in run.events)
    for event in run.events:
        for one in event.get("reevaluated" if again else "evaluated") or ():
            if all(isinstance(one.get(name), int | float) and math.isfinite(one[name]) for name in names):
                yield one


__all__ = ["front"]
