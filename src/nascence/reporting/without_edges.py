"""The part of a report that says how much the graph helps."""

from __future__ import annotations

from nascence.reporting.contents import Contents
from nascence.reporting.markup import paragraph, quantity, readable, table
from nascence.reporting.sections import section


def without_edges(run: Contents) -> str:
    """The network beside one of equal width that looks at every node by itself; empty where there is none."""
    metrics = run.metrics or {}
    alone = metrics.get("without_edges")
    if alone is None:
        return ""
    name, unit = readable(run.metric["name"]), run.metric["unit"]
    value = metrics[run.metric["name"]]
    gain = value - alone["value"]
    verdict = f"The edges are worth {gain:+.2f} points of {name}."
    if gain <= 0:
        verdict += " A network without the graph is as good: its edges may say nothing about the classes."
    note = (
        f"A network of equal width that looks at every one of the {run.examples} by itself was trained the same way,"
        " once, on the same split: a difference of a point or two may be chance."
    )
    rows = [
        ("with edges", f"{value:.2f} {unit}", quantity(metrics["params"]) if "params" in metrics else ""),
        ("without", f"{alone['value']:.2f} {unit}", quantity(alone["params"])),
    ]
    shown = table(("network", f"test {name}", "parameters"), rows)
    return section("How much the graph helps", paragraph(verdict), shown, paragraph(note, "note"))


__all__ = ["without_edges"]
