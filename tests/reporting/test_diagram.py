"""Boxes and arrows: all are there, and nothing hides behind another."""

import itertools
from xml.etree import ElementTree

from nascence.reporting.diagram import diagram
from nascence.spaces import get_space
from nascence.spaces.base import Drawn

SVG = "{http://www.w3.org/2000/svg}"


def drawn(text, space="sane"):
    return diagram(get_space(space).diagram(get_space(space).parse(text)))


def test_every_box_and_arrow_is_drawn():
    root = ElementTree.fromstring(drawn("gcn,gat,sage|skip,none|l_concat"))
    assert [text.text for text in root.iter(f"{SVG}text")] == ["features", "gcn", "gat", "sage", "l_concat", "classes"]
    assert len(list(root.iter(f"{SVG}polygon"))) == 6  # five in the row and the skip from gcn
    assert root.find(f"{SVG}title").text.startswith("Network: gcn from features; gat from gcn")
    assert "l_concat from gcn, sage" in root.find(f"{SVG}title").text


def test_boxes_do_not_overlap_and_are_inside():
    root = ElementTree.fromstring(drawn("gat_gen_linear,gat_gen_linear,geniepath|skip,skip|l_lstm"))
    spans = sorted(
        (float(box.get("x")), float(box.get("x")) + float(box.get("width"))) for box in root.iter(f"{SVG}rect")
    )
    assert all(before[1] < after[0] for before, after in itertools.pairwise(spans))
    width = float(root.get("viewBox").split()[2])
    assert spans[0][0] > 0
    assert spans[-1][1] < width


def test_jumps_have_levels_of_their_own():
    boxes = (Drawn("a"), Drawn("b", (0,)), Drawn("c", (1,)), Drawn("d", (0, 1, 2)))
    root = ElementTree.fromstring(diagram(boxes))
    tops = [path.get("d").split(" V ")[1].split()[0] for path in root.iter(f"{SVG}path") if " V " in path.get("d")]
    assert len(tops) == len(set(tops)) == 2


def test_the_chains_of_the_benchmark_and_spaces_without_a_drawing():
    assert "join from gcn, sage" in drawn("gcn,gat,sage|first", "nas-bench-graph-chains")
    assert "join from sage" in drawn("gcn,gat,sage|none", "nas-bench-graph-chains")
    assert "<script" not in diagram((Drawn("<script>"),))
    space = get_space("nas-bench-macro")
    assert space.diagram(next(space.enumerate())) is None
