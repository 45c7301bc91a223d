"""Charts as SVG text: lines, points, heat maps. Crisp at any size, for light and dark pages, values on hover."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from nascence.reporting.markup import PALETTE, element, escape, number, quantity, svg

INK, SOFT, GRID, PAPER = "var(--ink, #1c2330)", "var(--soft, #5b6472)", "var(--grid, #dde1e8)", "var(--paper, #ffffff)"


@dataclass(frozen=True)
class Series:
    """One line. Values that are None leave a gap."""

    name: str
    xs: Sequence[float]
    ys: Sequence[float | None]


@dataclass(frozen=True)
class Point:
    """One point of a scatter chart; ``label`` shows on hover, ``mark`` makes it stand out with its label written, and
    ``front`` gives it a colour and a place on the line through all such points."""

    x: float
    y: float
    label: str = ""
    mark: bool = False
    front: bool = False


@dataclass(frozen=True)
class _Axis:
    """Maps values to pixels, on a linear or a logarithmic scale."""

    low: float
    high: float
    start: float
    end: float
    log: bool
    whole: bool = False

    def at(self, value: float) -> float:
        low, high, value = (math.log10(v) if self.log else v for v in (self.low, self.high, value))
        return self.start + (value - low) / (high - low) * (self.end - self.start)

    def ticks(self) -> list[float]:
        if self.log:
            powers = range(math.floor(math.log10(self.low)), math.ceil(math.log10(self.high)) + 1)
            steps = (1, 2, 5) if len(powers) <= 3 else (1,)
            every = max(1, len(powers) // 6)
            found = [s * 10.0**p for p in powers if (p - powers[0]) % every == 0 for s in steps]
            inside = [value for value in found if self.low <= value <= self.high]
            if len(inside) >= 2:
                return inside
        step = nice_step((self.high - self.low) / 5)
        step = max(1.0, step) if self.whole else step
        first = math.ceil(self.low / step - 1e-9)
        return [at * step for at in range(first, math.floor(self.high / step + 1e-9) + 1)]


def nice_step(rough: float) -> float:
    """The smallest of 1, 2, 5 times a power of ten that is at least ``rough``."""
    power = 10.0 ** math.floor(math.log10(rough))
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough * (1 - 1e-9))


def line_chart(
    title: str,
    series: Sequence[Series],
    x_label: str,
    y_label: str = "",
    *,
    log: bool | None = None,
    width: int = 460,
    height: int = 260,
) -> str:
    """Lines over a common axis. ``log``: the vertical scale; None for logarithmic where values span three decades."""
    kept = [Series(s.name, *_finite(s.xs, s.ys)) for s in series]
    xs = [x for s in kept for x in s.xs]
    ys = [y for s in kept for y in s.ys if y is not None]
    if not ys:
        return ""
    log = _wants_log(ys) if log is None else log
    frame = _Frame(xs, ys, width, height, False, log, top=46 if len(kept) > 1 else 26)
    marks = []
    for at, one in enumerate(kept):
        colour = PALETTE[at % len(PALETTE)]
        points = [(frame.x.at(x), frame.y.at(y)) for x, y in zip(one.xs, one.ys, strict=True) if y is not None]
        path = " ".join(f"{number(round(x, 1))},{number(round(y, 1))}" for x, y in points)
        marks.append(
            element("polyline", points=path, fill="none", stroke=colour, stroke_width=2, stroke_linejoin="round")
        )
        radius = 3 if len(points) <= 40 else 6
        for (px, py), x, y in zip(points, one.xs, one.ys, strict=True):
            tip = element("title", escape(f"{one.name}: {number(y or 0)} at {x_label} {number(x)}"))
            hidden = {"fill_opacity": 0} if len(points) > 40 else {}
            marks.append(element("circle", tip, cx=round(px, 1), cy=round(py, 1), r=radius, fill=colour, **hidden))
    legend = _legend([s.name for s in kept]) if len(kept) > 1 else ""
    spoken = "; ".join(f"{s.name} from {number(s.ys[0] or 0)} to {number(s.ys[-1] or 0)}" for s in kept if s.ys)
    return svg(width, height, f"{title}: {spoken}", frame.draw(title, x_label, y_label), legend, *marks)


def scatter_chart(
    title: str,
    points: Sequence[Point],
    x_label: str,
    y_label: str,
    *,
    width: int = 460,
    height: int = 320,
) -> str:
    """Points; scales are logarithmic where the values span more than a decade and a half and are positive."""
    points = [point for point in points if math.isfinite(point.x) and math.isfinite(point.y)]
    if not points:
        return ""
    xs, ys = [point.x for point in points], [point.y for point in points]
    frame = _Frame(xs, ys, width, height, _wants_log(xs, 30), _wants_log(ys, 30))
    marks = []
    line = sorted((point.x, point.y) for point in points if point.front)
    if len(line) > 1:
        path = " ".join(f"{number(round(frame.x.at(x), 1))},{number(round(frame.y.at(y), 1))}" for x, y in line)
        marks.append(element("polyline", points=path, fill="none", stroke=PALETTE[0], stroke_opacity=0.5))
    for point in sorted(points, key=lambda point: (point.mark, point.front)):
        x, y = round(frame.x.at(point.x), 1), round(frame.y.at(point.y), 1)
        tip = element("title", escape(f"{point.label} ({x_label} {quantity(point.x)}, {y_label} {quantity(point.y)})"))
        if not point.mark:
            look = {"r": 4.5, "fill": PALETTE[0]} if point.front else {"r": 3.5, "fill": SOFT, "fill_opacity": 0.38}
            marks.append(element("circle", tip, cx=x, cy=y, **look))
            continue
        marks.append(element("circle", tip, cx=x, cy=y, r=7, fill=PALETTE[4], stroke=PAPER, stroke_width=2))
        anchor, gap = ("end", -12) if x > width * 0.6 else ("start", 12)
        halo: dict[str, Any] = {"paint_order": "stroke", "stroke": PAPER, "stroke_width": 4, "font_weight": 600}
        marks.append(label(point.label, x + gap, max(y - 8, 40), anchor=anchor, **halo))
    spoken = f"{title}: {len(points)} points"
    return svg(width, height, spoken, frame.draw(title, x_label, y_label), *marks)


def heat_map(
    title: str,
    rows: Sequence[str],
    columns: Sequence[str],
    values: Sequence[Sequence[float]],
    texts: Sequence[Sequence[str]],
    *,
    row_label: str = "",
    column_label: str = "",
    cell: int | None = None,
) -> str:
    """Values in [0, 1] as shades, with ``texts`` in the cells where they are large enough."""
    side = cell or max(18, min(46, 560 // max(1, len(columns))))
    shown_rows, shown_columns = [_short(name) for name in rows], [_short(name) for name in columns]
    left = (32 if row_label else 14) + 7 * max(map(len, shown_rows), default=0)
    longest = max(map(len, shown_columns), default=0)
    slanted = longest * 7 > side - 4
    top = 18 + (6 * longest if slanted else 16) + (16 if column_label else 0)
    width = left + side * len(columns) + (round(4.6 * longest) if slanted else 12)
    height = top + side * len(rows) + 12
    marks = [label(column_label, left, 16, colour=SOFT)] if column_label else []
    if row_label:
        marks.append(label(row_label, 12, top + side * len(rows) / 2, anchor="middle", colour=SOFT, turn=-90))
    for at, name in enumerate(shown_columns):
        x, anchor, turn = left + side * (at + 0.5), "start" if slanted else "middle", -50 if slanted else 0
        marks.append(label(name, x, top - 8, anchor=anchor, turn=turn, tip=columns[at]))
    for i, name in enumerate(shown_rows):
        y = top + side * (i + 0.5)
        marks.append(label(name, left - 8, y + 4, anchor="end", tip=rows[i]))
        for j, value in enumerate(values[i]):
            x, text = left + side * j, texts[i][j]
            tip = element("title", escape(f"{rows[i]} / {columns[j]}: {text or 0}"))
            box = {"x": x + 1, "y": top + side * i + 1, "width": side - 2, "height": side - 2, "rx": 3}
            marks.append(element("rect", **box, fill=GRID, fill_opacity=0.45))
            opacity = round(max(0.0, min(1.0, value)) * 0.92, 3)
            marks.append(element("rect", tip, **box, fill=PALETTE[0], fill_opacity=opacity))
            if side >= 24 and text:
                size, colour = (12 if len(text) * 7 < side - 2 else 9), ("#ffffff" if value > 0.55 else INK)
                middle = x + side / 2
                marks.append(label(text, middle, y + size * 0.35, size, "middle", colour, pointer_events="none"))
    return svg(width, height, title, *marks, min_width=min(width, left + 32 * len(columns)))


def label(
    text: str,
    x: float,
    y: float,
    size: int = 12,
    anchor: str = "start",
    colour: str = INK,
    turn: int = 0,
    tip: str | None = None,
    **more: object,
) -> str:
    """Text in a drawing; ``turn`` in degrees; ``tip`` shows on hover."""
    turned = f"rotate({turn} {number(x)} {number(y)})" if turn else None
    inside = (element("title", escape(tip)) if tip is not None else "") + escape(text)
    anchored = None if anchor == "start" else anchor
    place = {"x": round(x, 1), "y": round(y, 1), "font_size": size, "fill": colour}
    return element("text", inside, **place, text_anchor=anchored, transform=turned, **more)


class _Frame:
    """Axes, grid and titles around a chart, with a margin around the values."""

    def __init__(
        self, xs: Sequence[float], ys: Sequence[float], width: int, height: int, log_x: bool, log_y: bool, top: int = 28
    ) -> None:
        self.left, self.right, self.top, self.bottom = 58, width - 14, top, height - 42
        self.x = _Axis(*_margin(xs, log_x, 0.03), self.left, self.right, log_x, all(x == int(x) for x in xs))
        self.y = _Axis(*_margin(ys, log_y, 0.07), self.bottom, self.top, log_y)

    def draw(self, title: str, x_label: str, y_label: str) -> str:
        parts = [label(title, self.left - 44, 16, 13, font_weight=600)]
        for value in self.y.ticks():
            y = round(self.y.at(value), 1)
            parts.append(element("line", x1=self.left, x2=self.right, y1=y, y2=y, stroke=GRID))
            parts.append(label(_tick(value), self.left - 7, y + 4, 11, "end", SOFT))
        for value in self.x.ticks():
            x = round(self.x.at(value), 1)
            parts.append(element("line", x1=x, x2=x, y1=self.bottom, y2=self.bottom + 4, stroke=SOFT))
            parts.append(label(_tick(value), x, self.bottom + 17, 11, "middle", SOFT))
        parts.append(element("line", x1=self.left, x2=self.right, y1=self.bottom, y2=self.bottom, stroke=SOFT))
        text = x_label + (" (logarithmic)" if self.x.log else "")
        parts.append(label(text, (self.left + self.right) / 2, self.bottom + 35, anchor="middle", colour=SOFT))
        text = y_label + (" (logarithmic)" if self.y.log and y_label else "")
        if text:
            middle = (self.top + self.bottom) / 2
            parts.append(label(text, 11, middle, anchor="middle", colour=SOFT, turn=-90))
        return "".join(parts)


def _legend(names: Sequence[str]) -> str:
    parts, x = [], 58.0
    for at, name in enumerate(names):
        parts.append(element("rect", x=x, y=25, width=14, height=4, rx=2, fill=PALETTE[at % len(PALETTE)]))
        parts.append(label(name, x + 19, 31))
        x += 19 + 6.6 * len(name) + 18
    return "".join(parts)


def _finite(xs: Sequence[float], ys: Sequence[float | None]) -> tuple[list[float], list[float | None]]:
    kept = [(x, y) for x, y in zip(xs, ys, strict=True) if y is not None and math.isfinite(y) and math.isfinite(x)]
    return [x for x, _ in kept], [y for _, y in kept]


def _wants_log(values: Sequence[float], ratio: float = 1000) -> bool:
    return min(values) > 0 and max(values) / min(values) >= ratio


def _margin(values: Sequence[float], log: bool, part: float) -> tuple[float, float]:
    low, high = min(values), max(values)
    if log:
        factor = max(high / low, 1.1) ** part
        return low / factor, high * factor
    if low == high:
        gap = abs(low) * 0.1 or 1.0
        return low - gap, high + gap
    return low - part * (high - low), high + part * (high - low)


def _tick(value: float) -> str:
    return quantity(value).replace("\u00a0", "") if abs(value) >= 10_000 else number(value)


def _short(name: str, limit: int = 16) -> str:
    return name if len(name) <= limit else name[: limit - 1] + "…"


__all__ = ["Point", "Series", "heat_map", "label", "line_chart", "nice_step", "scatter_chart"]
