"""A network drawn as boxes in a row, with an arrow for everything that goes into each."""

from __future__ import annotations

from collections.abc import Sequence

from nascence.reporting.charts import INK, PAPER, SOFT
from nascence.reporting.markup import PALETTE, element, escape, svg
from nascence.spaces.base import Drawn

_CHAR, _HEIGHT, _GAP, _LEVEL = 7.6, 38, 44, 30


def diagram(boxes: Sequence[Drawn]) -> str:
    """An SVG. Arrows between neighbours are straight, others go above, the longer the higher."""
    widths = [max(60.0, len(box.label) * _CHAR + 24) for box in boxes]
    xs = [14 + sum(widths[:at]) + _GAP * at for at in range(len(boxes))]
    arrows = [(source, target) for target, box in enumerate(boxes) for source in box.into]
    jumps = sorted((pair for pair in arrows if pair[1] - pair[0] > 1), key=lambda pair: pair[1] - pair[0])
    row = 12 + _LEVEL * len(jumps)
    middle = row + _HEIGHT / 2
    parts = [_straight(xs[a] + widths[a], xs[b], middle) for a, b in arrows if b - a == 1]
    for level, (a, b) in enumerate(jumps, start=1):
        shift = 6 * (level - 1)  # so that arrows into one box have heads of their own
        parts.append(_above(xs[a] + widths[a] / 2, xs[b] + widths[b] / 2 - shift, row, row - _LEVEL * level))
    parts += [
        _box(box.label, x, row, width, SOFT if not box.into or at == len(boxes) - 1 else PALETTE[0])
        for at, (box, x, width) in enumerate(zip(boxes, xs, widths, strict=True))
    ]
    told = [f"{box.label} from {', '.join(boxes[at].label for at in box.into)}" for box in boxes if box.into]
    whole = xs[-1] + widths[-1] + 14
    return svg(round(whole), row + _HEIGHT + 12, f"Network: {'; '.join(told)}", *parts, min_width=round(whole * 0.6))


def _straight(begin: float, end: float, y: float) -> str:
    line = element("path", d=f"M {begin:.1f} {y:.1f} H {end - 7:.1f}", stroke=INK, stroke_width=1.8, fill="none")
    return line + element("polygon", points=f"{end - 1:.1f},{y} {end - 9:.1f},{y - 4} {end - 9:.1f},{y + 4}", fill=INK)


def _above(begin: float, end: float, row: float, top: float) -> str:
    path = f"M {begin:.1f} {row:.1f} V {top:.1f} H {end:.1f} V {row - 8:.1f}"
    line = element("path", d=path, stroke=PALETTE[1], stroke_width=1.8, fill="none", stroke_linejoin="round")
    points = f"{end:.1f},{row - 1:.1f} {end - 4:.1f},{row - 9:.1f} {end + 4:.1f},{row - 9:.1f}"
    return line + element("polygon", points=points, fill=PALETTE[1])


def _box(label: str, x: float, y: float, width: float, colour: str) -> str:
    frame = element("rect", x=x, y=y, width=width, height=_HEIGHT, rx=8, fill=PAPER, stroke=colour, stroke_width=1.8)
    writing = {"font_size": 13, "font_weight": 600, "text_anchor": "middle", "fill": INK}
    return element("g", frame, element("text", escape(label), x=x + width / 2, y=y + _HEIGHT / 2 + 4.5, **writing))


__all__ = ["diagram"]
