from __future__ import annotations

import pytest
from trees import parse, texts

from nascence.reporting.markup import duration, element, escape, number, quantity, svg, table

NASTY = "<script>alert('1')</script> & \"q\"\x00\x1b\ud800"


def test_nothing_dangerous_survives() -> None:
    text = escape(NASTY)
    assert not set("<>\"'\x00\x1b\ud800") & set(text)
    tree = parse(element("p", text, title=NASTY))
    assert tree[0].text == tree[0].attrib["title"]
    assert (tree[0].text or "").startswith("<script>alert('1')</script> & \"q\"")


def test_attributes_drop_none_and_keep_names_apart() -> None:
    made = element("rect", x=1.0, stroke_width=2, class_="a", name="n", fill=None)
    assert made == '<rect x="1" stroke-width="2" class="a" name="n"/>'


def test_empty_elements_that_need_an_end_have_one() -> None:
    assert element("td") == "<td></td>"


def test_a_drawing_has_a_text_alternative() -> None:
    root = parse(svg(10, 20, "what <it> shows"))[0]
    assert root.attrib["aria-label"] == "what <it> shows"
    assert root.attrib["role"] == "img"
    assert root.attrib["viewBox"] == "0 0 10 20"


def test_tables_scroll_by_themselves_and_escape() -> None:
    made = table(("a", "<b>"), [(1234567, NASTY), (0.12345, True)], caption="c & d")
    root = parse(made)[0]
    assert root.attrib["class"] == "scroll"
    assert "1,234,567" in texts(made)
    assert "0.1235" in texts(made)
    assert "<b>" in texts(made)
    assert "c & d" in texts(made)
    assert [cell.attrib.get("class") for cell in root.iter("td")] == ["number", None, "number", None]


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.0, "0"), (1.0, "1"), (1234.5678, "1235"), (123456.7, "123457"), (1.5e-7, "1.5e-07"), (float("inf"), "inf")],
)
def test_numbers(value: float, text: str) -> None:
    assert number(value) == text


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [(950, "", "950"), (1500, "", "1.5 k"), (2.9e6, "FLOPs", "2.9 MFLOPs"), (3e9, "", "3 G"), (2e12, "", "2 T")],
)
def test_quantities(value: float, unit: str, text: str) -> None:
    assert quantity(value, unit).replace("\u00a0", " ") == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(3.456, "3.5 s"), (59.4, "59 s"), (60, "1 min"), (84.2, "1 min 24 s"), (7500, "2 h 5 min")],
)
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds).replace("\u00a0", " ") == text
