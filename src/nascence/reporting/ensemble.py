"""The part of a report that is about an ensemble: its members, and what they are together."""

from __future__ import annotations

from nascence.reporting.contents import Contents
from nascence.reporting.markup import element, paragraph, quantity, readable, table
from nascence.reporting.sections import section


def ensemble(run: Contents) -> str:
    """The members, each with its own metric where it is trained."""
    if run.ensemble is None:
        return ""
    members, metrics = run.ensemble["members"], run.metrics or {}
    name, unit = run.metric["name"], run.metric["unit"]
    trained = {row["index"]: row[name] for row in metrics.get("members", [])}
    text = f"The search ended in {len(members)} networks that answer together, by the mean of what each says."
    if trained:
        mean = sum(trained.values()) / len(trained)
        text += f" Together they reach {run.result} {readable(name)}; each by itself {mean:.2f} {unit} in the mean."
    elif metrics:
        text += " Only one of them is trained in this run; what is said elsewhere is about that one."
    rows = [
        (
            row["index"],
            quantity(row["params"]),
            quantity(row["flops"]),
            f"{trained[row['index']]:.2f} {unit}" if row["index"] in trained else "",
            row["architecture"],
        )
        for row in members
    ]
    whole = table(("index", "parameters", "FLOPs", readable(name), "architecture"), rows)
    scrolled = element("div", whole, class_="scroll", tabindex=0, role="region", aria_label="members of the ensemble")
    return section("The ensemble", paragraph(text), scrolled)


__all__ = ["ensemble"]
