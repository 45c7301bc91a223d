"""What is left of the user's own network, part by part."""

from __future__ import annotations

from nascence.reporting.contents import Contents
from nascence.reporting.markup import paragraph, quantity, table
from nascence.reporting.sections import section


def own_network(run: Contents) -> str:
    """A table of what could be chosen, what was, and what was left whole and why; empty for other networks."""
    own = run.record.get("own")
    if not own:
        return ""
    shares = [
        f"{quantity(run.record[name])} of {quantity(own[name])} {unit} ({100 * run.record[name] / own[name]:.0f} %)"
        for name, unit in (("params", "parameters"), ("flops", "FLOPs"))
    ]
    choices = run.record.get("choices") or {}
    rows = [
        (part["part"], part["choice"] or "left whole", choices.get(part["part"], ""), part["whole"] or _others(part))
        for part in own["parts"]
    ]
    return section(
        "What is left of your network",
        paragraph(f"Thinned from {own['model']}: {', '.join(shares)}.", "note"),
        table(("part", "choice", "answer", "together with, or why it was left whole"), rows),
    )


def _others(part: dict[str, object]) -> str:
    layers = part["layers"]
    assert isinstance(layers, list)
    return ", ".join(name for name in layers if name != part["part"])


__all__ = ["own_network"]
