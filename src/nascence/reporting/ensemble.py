"""The part of a report that is about an ensemble: its members, and what they are together."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nascence.reporting.contents import Contents
from nascence.reporting.markup import element, number, paragraph, quantity, readable, table
from nascence.reporting.sections import section


def ensemble(run: Contents) -> str:
    """The members, each with its own measures where it is trained, and all together."""
    if run.ensemble is None:
        return ""
    members, metrics = run.ensemble["members"], run.metrics or {}
    name, unit = run.metric["name"], run.metric["unit"]
    trained = {row["index"]: row for row in metrics.get("members", [])}
    text = f"The search ended in {len(members)} networks that answer together, by the mean of what each says."
    if trained:
        mean = sum(row[name] for row in trained.values()) / len(trained)
        text += f" Together they reach {run.result} {readable(name)}; each by itself {mean:.2f} {unit} in the mean."
    elif metrics:
        text += " Only one of them is trained in this run; what is said elsewhere is about that one."
    told = [key for key in ("nll", "ece") if trained and key in metrics]
    rows = [_row(str(row["index"]), row, trained.get(row["index"]), name, unit, told) for row in members]
    if trained:
        whole = {"params": metrics["params"], "flops": metrics["flops"], "architecture": ""}
        rows.append(_row("together", whole, metrics, name, unit, told))
    heads = [_HEADS[key] for key in told]
    listed = table(("index", "parameters", "FLOPs", readable(name), *heads, "architecture"), rows)
    scrolled = element("div", listed, class_="scroll", tabindex=0, role="region", aria_label="members of the ensemble")
    parts = [paragraph(text), scrolled]
    if told:
        parts.append(paragraph(_NOTE, "note"))
    if "disagreement" in metrics and trained:
        differ = f"Two of them call {metrics['disagreement']:.2f} % of the test {run.examples} differently, in the mean"
        parts.append(paragraph(f"{differ} over pairs."))
    return section("The ensemble", *parts)


_HEADS = {"nll": "NLL", "ece": "ECE"}
_NOTE = (
    "NLL: the mean of -log of the probability of the right class, in nats; ECE: how far confidence is from how often it"
    " is right, the mean over 15 bins of confidence. Both on the test part; smaller is better."
)


def _row(
    title: str, about: Mapping[str, Any], own: Mapping[str, Any] | None, name: str, unit: str, told: list[str]
) -> tuple[object, ...]:
    forms = {"nll": lambda value: number(value), "ece": lambda value: f"{value:.2f} %"}
    more = ["" if own is None or own.get(key) is None else forms[key](own[key]) for key in told]
    metric = "" if own is None else f"{own[name]:.2f} {unit}"
    return (title, quantity(about["params"]), quantity(about["flops"]), metric, *more, about["architecture"])


__all__ = ["ensemble"]
