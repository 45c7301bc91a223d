"""Pieces of HTML and SVG as text. Whatever comes from outside goes through :func:`escape`."""

from __future__ import annotations

import html
import math
from collections.abc import Iterable, Mapping, Sequence

PALETTE = ("#3578d4", "#c26a12", "#2b9457", "#8a5ccf", "#cf4444", "#14909e", "#c24a8c", "#8d6a36")
"""Colours that stand out from both a white and a nearly black page (at least 3 : 1)."""


def escape(value: object) -> str:
    """Text that is safe inside an element and inside a quoted attribute, without characters that XML forbids."""
    text = "".join(char if char >= " " or char in "\t\n" else "\ufffd" for char in str(value))
    return html.escape(text.encode("utf-8", "replace").decode(), quote=True)


def attributes(values: Mapping[str, object]) -> str:
    """`` name="value"`` for every value that is not None; a trailing underscore in a name is dropped."""
    return "".join(
        f' {name.rstrip("_").replace("_", "-")}="{escape(number(value) if isinstance(value, float) else value)}"'
        for name, value in values.items()
        if value is not None
    )


def element(tag: str, /, *children: str, **values: object) -> str:
    """``<tag ...>children</tag>``; the children are markup already."""
    inside, opening = "".join(children), f"<{tag}{attributes(values)}"
    return f"{opening}/>" if not inside and tag in _VOID else f"{opening}>{inside}</{tag}>"


_NO_BREAK = "\u00a0"
_VOID = {"img", "path", "line", "rect", "circle", "polygon", "polyline", "meta"}


def svg(width: float, height: float, label: str, *children: str, min_width: int | None = None) -> str:
    """A drawing that scales with the page, with ``label`` as its text alternative."""
    style = f"max-width:{number(width)}px" + (f";min-width:{min_width}px" if min_width else "")
    return element(
        "svg",
        element("title", escape(label)),
        *children,
        xmlns="http://www.w3.org/2000/svg",
        viewBox=f"0 0 {number(width)} {number(height)}",
        width=f"{number(width)}",
        height=f"{number(height)}",
        style=style,
        role="img",
        aria_label=label,
        font_family="system-ui, sans-serif",
    )


def table(head: Sequence[object], rows: Iterable[Sequence[object]], caption: str | None = None) -> str:
    """A table that scrolls by itself on a narrow page. Numbers are set right."""
    titles = "".join(element("th", escape(title), scope="col") for title in head)
    body = "".join(element("tr", *(_cell(value) for value in row)) for row in rows)
    text = element("caption", escape(caption)) if caption else ""
    whole = element("table", text, element("thead", element("tr", titles)), element("tbody", body))
    return element("div", whole, class_="scroll", tabindex=0, role="region", aria_label=caption or "table")


def _cell(value: object) -> str:
    numeric = isinstance(value, int | float) and not isinstance(value, bool)
    text = f"{value:,}" if isinstance(value, int) and numeric else number(value) if isinstance(value, float) else value
    return element("td", escape(text), class_="number" if numeric else None)


def paragraph(text: str, class_: str | None = None) -> str:
    """Plain text as a paragraph."""
    return element("p", escape(text), class_=class_)


def number(value: float) -> str:
    """A short decimal: four significant digits, never ``1e+02`` where plain digits do."""
    if not math.isfinite(value):
        return str(value)
    if value == int(value) and abs(value) < 1e15:
        return str(int(value))
    text = f"{value:.4g}"
    return f"{value:.0f}" if "e+" in text and abs(value) < 1e9 else text


def quantity(value: float, unit: str = "") -> str:
    """``1.23 M`` with a decimal prefix."""
    for factor, prefix in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= factor:
            return f"{value / factor:.3g}{_NO_BREAK}{prefix}{unit}"
    return f"{number(value)}{_NO_BREAK}{unit}" if unit else number(value)


def duration(seconds: float) -> str:
    """``41 s``, ``3 min 20 s`` or ``2 h 5 min``."""
    if seconds < 59.5:
        return f"{seconds:.2g}{_NO_BREAK}s" if seconds < 10 else f"{seconds:.0f}{_NO_BREAK}s"
    minutes, rest = divmod(round(seconds), 60)
    hours, within = divmod(minutes, 60)
    parts = ((hours, "h"), (within, "min"), (0 if hours else rest, "s"))
    return " ".join(f"{value}{_NO_BREAK}{unit}" for value, unit in parts if value)


def readable(name: str) -> str:
    """A field's name as words: ``train_loss`` is ``train loss``."""
    return name.replace("_", " ").replace("-", " ")


__all__ = [
    "PALETTE",
    "attributes",
    "duration",
    "element",
    "escape",
    "number",
    "paragraph",
    "quantity",
    "readable",
    "svg",
    "table",
]
