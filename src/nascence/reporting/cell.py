"""A cell drawn as a graph: nodes in a row, an arc per edge, its operation on it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from nascence.architecture import Architecture
from nascence.errors import ArchitectureError
from nascence.reporting.charts import INK, PAPER, SOFT
from nascence.reporting.markup import PALETTE, element, escape, readable, svg
from nascence.spaces import CellShape, CellSpace, Space

_RADIUS, _LEVEL, _LABEL_HEIGHT, _CHAR = 17, 44, 22, 6.9
_NOTHING = ("none",)
_UNCHANGED = ("skip_connect",)


@dataclass(frozen=True)
class _Arc:
    """``side`` 0: straight along the row; 1: above; -1: below. ``level``: how far out."""

    source: int
    target: int
    operation: str
    side: int = 0
    level: int = 0


def cell_svgs(space: Space, architecture: Architecture) -> dict[str, str]:
    """One drawing per kind of cell. Raises :class:`ArchitectureError` for a space without cells."""
    cells = space.as_cells
    if cells is None:
        raise ArchitectureError(f"{space.name} has no cells to draw.")
    return {
        kind: _draw(cells, kind, {cells.shape.edges[at]: name for at, name in edges.items()})
        for kind, edges in cells.edge_operations(architecture).items()
    }


def cell_svg(space: Space, architecture: Architecture, kind: str | None = None) -> str:
    """The drawing of one kind of cell, the first unless said otherwise."""
    drawings = cell_svgs(space, architecture)
    if kind is not None and kind not in drawings:
        raise ArchitectureError(f"{space.name} has no cell '{kind}'; it has: {', '.join(drawings)}.")
    return drawings[kind or next(iter(drawings))]


def operation_label(name: str) -> str:
    """``nor_conv_3x3`` is ``conv 3×3``, ``skip_connect`` is ``skip``."""
    text = name.removeprefix("nor_").replace("skip_connect", "skip")
    return readable(text).replace("3x3", "3×3").replace("5x5", "5×5").replace("1x1", "1×1").replace("7x7", "7×7")


def arrange(edges: Mapping[tuple[int, int], str]) -> list[_Arc]:
    """Sides and levels such that no two arcs of one level on one side share a stretch of the row, nor do captions."""
    placed: list[_Arc] = []
    for (source, target), operation in sorted(edges.items(), key=lambda item: (item[0][1] - item[0][0], item[0])):
        if target - source == 1:
            placed.append(_Arc(source, target, operation))
            continue
        options = []
        for side in (1, -1):
            same = [arc for arc in placed if arc.side == side and arc.source < target and source < arc.target]
            crossings = sum(
                (arc.source < source) != (arc.target > target) for arc in same if _crosses(arc, source, target)
            )
            options.append((crossings, 1 + max((arc.level for arc in same), default=0), -side))
        crossings, level, minus_side = min(options)
        placed.append(_Arc(source, target, operation, -minus_side, level))
    return placed


def _crosses(arc: _Arc, source: int, target: int) -> bool:
    return arc.source < source < arc.target < target or source < arc.source < target < arc.target


def _draw(space: CellSpace, kind: str, edges: Mapping[tuple[int, int], str]) -> str:
    shape, arcs = space.shape, arrange(edges)
    names = _node_names(shape)
    widest = max((len(operation_label(arc.operation)) for arc in arcs), default=4)
    gap = 2 * _RADIUS + widest * _CHAR + 44
    above = max((arc.level for arc in arcs if arc.side == 1), default=0)
    below = max((arc.level for arc in arcs if arc.side == -1), default=0)
    row = 22 + _LABEL_HEIGHT + _LEVEL * above + (0 if above else 8)
    height = row + _RADIUS + 26 + _LEVEL * below
    left = 12.0 + _RADIUS + 16
    xs = [left + gap * at for at in range(len(names))]
    parts = []
    if shape.output == "concat":
        xs[-1] = xs[-2] + 130
        height += 26
        parts.append(_concatenation(shape, xs, row, height - 24))
    captions = []
    for arc in sorted(arcs, key=lambda arc: arc.operation not in _NOTHING):
        halves = (_half(shape, names, arc.source), _half(shape, names, arc.target))
        line, caption = _draw_arc(arc, xs[arc.source], xs[arc.target], halves, row, _colour(space, arc.operation))
        parts.append(line)
        captions.append(caption)
    nodes = [_draw_node(names, x, row, shape, at) for at, x in enumerate(xs)]
    width = xs[-1] + _RADIUS + 28
    spoken = ", ".join(f"{operation_label(op)} from {names[a]} to {names[b]}" for (a, b), op in edges.items())
    title = f"{'Cell' if kind == 'cell' else f'{kind.capitalize()} cell'}: {spoken}"
    return svg(round(width), height, title, *parts, *captions, *nodes, min_width=round(width * 0.72))


def _node_names(shape: CellShape) -> list[str]:
    inner = [str(at) for at in range(shape.inputs, shape.inputs + shape.nodes)]
    if shape.output == "last":
        return [*(["in"] if shape.inputs == 1 else [f"in {at}" for at in range(shape.inputs)]), *inner[:-1], "out"]
    return [*(f"in {at}" for at in range(shape.inputs)), *inner, "out"]


def _colour(space: CellSpace, operation: str) -> str:
    if operation in (*_NOTHING, *_UNCHANGED):
        return SOFT
    working = [name for name in space.operations if name not in (*_NOTHING, *_UNCHANGED)]
    return PALETTE[working.index(operation) % len(PALETTE)] if operation in working else INK


def _half(shape: CellShape, names: list[str], at: int) -> float:
    """Half the width of a node: those that the outside sees are wider."""
    return _RADIUS + (7 if at < shape.inputs or names[at] == "out" else 0)


def _draw_arc(arc: _Arc, x1: float, x2: float, halves: tuple[float, float], row: float, colour: str) -> tuple[str, str]:
    """(the arc with its arrow head, its label)."""
    nothing = arc.operation in _NOTHING
    style = {"stroke": colour, "stroke_width": 1.2 if nothing else 2.4, "fill": "none"}
    if nothing:
        style |= {"stroke_dasharray": "3 4", "stroke_opacity": 0.75}
    middle = (x1 + x2) / 2
    if arc.side == 0:
        begin, end, apex = x1 + halves[0], x2 - halves[1] - 7, row
        middle = (begin + end + 7) / 2
        line = element("path", d=f"M {begin:.1f} {row:.1f} H {end:.1f}", **style)
        head = f"{end + 6:.1f},{row:.1f} {end - 4:.1f},{row - 4.5:.1f} {end - 4:.1f},{row + 4.5:.1f}"
    else:
        start_x, end_x = x1 + _RADIUS * 0.55, x2 - _RADIUS * 0.55
        near = row - arc.side * (_RADIUS * 0.84 + 1)
        tip, apex = near - arc.side * 8, row - arc.side * (_LEVEL * arc.level + 10)
        control = apex + (apex - (near + tip) / 2) / 3  # a cubic whose middle is the apex
        lean = min(0.18 * (x2 - x1), 46)
        controls = f"{start_x + lean:.1f} {control:.1f} {end_x - lean:.1f} {control:.1f}"
        curve = f"M {start_x:.1f} {near:.1f} C {controls} {end_x:.1f} {tip:.1f}"
        line = element("path", d=curve, **style)
        wings = (f"{end_x - 5:.1f},{tip - arc.side * 1.5:.1f}", f"{end_x + 4.5:.1f},{tip - arc.side * 2.5:.1f}")
        head = f"{end_x + 1:.1f},{near:.1f} {' '.join(wings)}"
    text = operation_label(arc.operation)
    width = len(text) * _CHAR + 14
    box = {
        "x": round(middle - width / 2, 1),
        "y": apex - _LABEL_HEIGHT / 2,
        "width": round(width, 1),
        "height": _LABEL_HEIGHT,
    }
    frame = {"stroke": colour, "stroke_width": 1, "stroke_opacity": 0.35 if nothing else 0.8}
    writing = {"font_size": 12, "text_anchor": "middle", "fill": SOFT if nothing else INK}
    label = element("rect", **box, rx=_LABEL_HEIGHT / 2, fill=PAPER, **frame)
    label += element(
        "text", escape(text), x=round(middle, 1), y=apex + 4, font_weight=400 if nothing else 500, **writing
    )
    tip_label = element("title", escape(f"{arc.operation}: {arc.source} → {arc.target}"))
    arrow = element("polygon", points=head, fill=colour, fill_opacity=0.75 if nothing else None)
    return line + arrow, element("g", tip_label, label, class_="edge-label")


def _draw_node(names: list[str], x: float, row: float, shape: CellShape, at: int) -> str:
    half = _half(shape, names, at)
    outside = half > _RADIUS
    style = {"stroke": INK, "stroke_width": 1.6, "fill": "var(--node, #eef2f8)" if outside else PAPER}
    box = element(
        "rect", x=x - half, y=row - _RADIUS, width=2 * half, height=2 * _RADIUS, rx=8 if outside else _RADIUS, **style
    )
    text = element(
        "text", escape(names[at]), x=x, y=row + 4.5, font_size=13, font_weight=600, fill=INK, text_anchor="middle"
    )
    return element("g", box, text)


def _concatenation(shape: CellShape, xs: list[float], row: float, bus: float) -> str:
    """All inner nodes joined into the output, as a thin line below the row."""
    style = {"stroke": SOFT, "stroke_width": 1.2, "fill": "none", "stroke_opacity": 0.7}
    inner = xs[shape.inputs : -1]
    parts = [element("path", d=f"M {x:.1f} {row + _RADIUS:.1f} V {bus:.1f}", **style) for x in inner]
    end = row + _RADIUS + 2
    parts.append(element("path", d=f"M {inner[0]:.1f} {bus:.1f} H {xs[-1]:.1f} V {end + 6:.1f}", **style))
    head = f"{xs[-1]:.1f},{end:.1f} {xs[-1] - 4:.1f},{end + 9:.1f} {xs[-1] + 4:.1f},{end + 9:.1f}"
    parts.append(element("polygon", points=head, fill=SOFT))
    text = element(
        "text", "concatenated", x=round(xs[-1] - 12, 1), y=bus - 6, font_size=11, fill=SOFT, text_anchor="end"
    )
    return "".join([*parts, text])


__all__ = ["arrange", "cell_svg", "cell_svgs", "operation_label"]
