from __future__ import annotations

import re

import pytest
from trees import drawn, parse, texts

from nascence.reporting.charts import Point, Series, heat_map, line_chart, nice_step, scatter_chart

NASTY = "<script>&\"'"


def ticks(markup: str) -> list[str]:
    return [element.text or "" for element in drawn(markup, "text") if element.attrib["font-size"] == "11"]


def inside(markup: str) -> bool:
    """Whether every point lies within the drawing."""
    _, _, width, height = (float(part) for part in drawn(markup, "svg")[0].attrib["viewBox"].split())
    circles = [(float(c.attrib["cx"]), float(c.attrib["cy"])) for c in drawn(markup, "circle")]
    assert circles
    return all(0 < x < width and 0 < y < height for x, y in circles)


@pytest.mark.parametrize(("rough", "step"), [(0.9, 1), (1.1, 2), (3, 5), (7, 10), (0.03, 0.05), (1, 1), (250, 500)])
def test_steps_are_round(rough: float, step: float) -> None:
    assert nice_step(rough) == pytest.approx(step)


def test_lines_go_up_where_values_do() -> None:
    made = line_chart("t", [Series("a", [1, 2, 3], [0.0, 5.0, 10.0])], "step")
    heights = [float(c.attrib["cy"]) for c in drawn(made, "circle")]
    assert heights == sorted(heights, reverse=True)
    assert [c[0].text for c in drawn(made, "circle")][2] == "a: 10 at step 3"
    assert inside(made)


def test_whole_numbers_have_whole_ticks() -> None:
    made = line_chart("t", [Series("a", [1, 2], [0.0, 1.0])], "epoch")
    assert "1.5" not in ticks(made)
    assert {"1", "2"} <= set(ticks(made))


def test_gaps_and_what_is_not_finite_are_left_out() -> None:
    made = line_chart("t", [Series("a", [1, 2, 3, 4], [1.0, None, float("nan"), 2.0])], "step")
    assert len(drawn(made, "circle")) == 2
    assert line_chart("t", [Series("a", [1, 2], [None, None])], "step") == ""
    assert line_chart("t", [], "step") == ""


@pytest.mark.parametrize("values", [[3.0, 3.0], [0.0, 0.0], [-5.0, -5.0], [1e-9, 1e9], [-1e12, 1e12], [7.0]])
def test_any_range_can_be_drawn(values: list[float]) -> None:
    made = line_chart("t", [Series("a", list(range(len(values))), list(values))], "step")
    assert inside(made)
    assert "nan" not in made


def test_three_decades_are_logarithmic() -> None:
    made = line_chart("t", [Series("a", [1, 2, 3], [1.0, 100.0, 10000.0])], "step")
    heights = [float(c.attrib["cy"]) for c in drawn(made, "circle")]
    assert heights[0] - heights[1] == pytest.approx(heights[1] - heights[2], abs=0.3)


def test_several_lines_have_a_legend_and_different_colours() -> None:
    made = line_chart("t", [Series(f"line {i}", [1, 2], [i, i + 1.0]) for i in range(3)], "step")
    assert {f"line {i}" for i in range(3)} <= set(texts(made))
    assert len({line.attrib["stroke"] for line in drawn(made, "polyline")}) == 3


def test_the_marked_point_is_on_top_and_named() -> None:
    points = [Point(1, 1, "found", mark=True), Point(2, 5, "other"), Point(float("inf"), 1), Point(3, 4, NASTY)]
    made = scatter_chart("t", points, "params", "score")
    circles = drawn(made, "circle")
    assert len(circles) == 3
    assert (circles[-1][0].text or "").startswith("found (params 1, score 1")
    assert "found" in [text.text for text in drawn(made, "text")]
    assert any((circle[0].text or "").startswith(NASTY) for circle in circles)
    assert inside(made)


def test_no_points_no_chart() -> None:
    assert scatter_chart("t", [], "x", "y") == ""
    assert scatter_chart("t", [Point(1, float("nan"))], "x", "y") == ""


def test_a_heat_map_has_a_cell_a_value_and_shades_in_order() -> None:
    made = heat_map("t", ["r0", "r1"], ["c0", "c1", "c2"], [[0, 0.5, 1], [1, 0, 0]], [["", "5", "10"], ["9", "", ""]])
    shades = [float(r.attrib["fill-opacity"]) for r in drawn(made, "rect") if len(r)]
    assert len(shades) == 6
    assert shades[0] < shades[1] < shades[2] == shades[3]
    assert drawn(made, "rect")[3][0].text == "r0 / c1: 5"
    assert {"5", "10", "9"} <= set(texts(made))


def test_long_names_are_cut_but_told_on_hover() -> None:
    name = "a very long name of a class indeed"
    made = heat_map("t", [name], [name], [[1.0]], [["1"]], row_label="is", column_label="was called")
    assert name in texts(made)
    assert any(text.endswith("…") and len(text) == 16 for text in texts(made))
    assert "rotate(-50" in made


@pytest.mark.parametrize("count", [1, 3, 10, 30])
def test_every_chart_is_well_formed_and_loads_nothing(count: int) -> None:
    names = [f"{NASTY}{i}" for i in range(count)]
    shades = [[1.0] * count] * count
    charts = [
        heat_map(NASTY, names, names, shades, [["1"] * count] * count, row_label=NASTY, column_label=NASTY),
        line_chart(NASTY, [Series(name, [1, 2], [1, 2]) for name in names], NASTY, NASTY),
        scatter_chart(NASTY, [Point(i, i, NASTY, mark=i == 0) for i in range(count)], NASTY, NASTY),
    ]
    for made in charts:
        parse(made)
        assert "<script" not in made
        assert set(re.findall(r"https?://[^\"']*", made)) == {"http://www.w3.org/2000/svg"}
        assert not re.search(r"\b(href|src)=", made)
