"""The part of a report that is about tuning: what was tried, and with what the network was trained in the end."""

from __future__ import annotations

from nascence.reporting.contents import Contents
from nascence.reporting.markup import element, number, paragraph, readable, table
from nascence.reporting.sections import section


def tuning(run: Contents) -> str:
    """Every trial with its values; empty where nothing was tuned."""
    if not run.tuning:
        return ""
    best = (run.metrics or {}).get("tuning")
    told = f"{len(run.tuning)} trials, each a training by itself, judged by the validation {run.examples} alone."
    if best is not None and best["validation"] is not None:
        told += f" Trial {best['best_trial']} was the best, with {number(best['validation'])} on them; its values made"
        told += " the network of this page, which was trained once more. As the best of several it was also lucky, so"
        told += " that the test value below is the one to believe."
    names = [name for name in run.tuning[0] if name != "seconds"]
    rows = [tuple(_value(event.get(name)) for name in names) for event in run.tuning]
    each = table(tuple(readable(name) for name in names), rows)
    return section("Tuning", paragraph(told, "note"), element("details", element("summary", "Every trial"), each))


def _value(value: object) -> object:
    return "" if value is None else value if isinstance(value, int | float | str) else str(value)


__all__ = ["tuning"]
