from __future__ import annotations

import itertools
import re

import pytest
import torch
from trees import SVG, drawn, texts

from nascence.errors import ArchitectureError
from nascence.reporting.cell import arrange, cell_svg, cell_svgs, operation_label
from nascence.spaces import SPACES, CellSpace, Space, get_space

CELL_SPACES = [n for n in SPACES.names() if n[:3] != "toy" and isinstance(get_space(n), CellSpace)]


def sample(name: str, seed: int) -> tuple[Space, object]:
    space = get_space(name)
    return space, space.sample(torch.Generator().manual_seed(seed))


def boxes(markup: str) -> list[tuple[float, float, float, float]]:
    """(left, top, right, bottom) of every label and node."""
    found = []
    for group in drawn(markup, "g"):
        box = group.find(f"{SVG}rect")
        assert box is not None
        x, y, width, height = (float(box.attrib[name]) for name in ("x", "y", "width", "height"))
        found.append((x, y, x + width, y + height))
    return found


@pytest.mark.parametrize("name", CELL_SPACES)
@pytest.mark.parametrize("seed", range(8))
def test_labels_and_nodes_never_overlap_and_stay_inside(name: str, seed: int) -> None:
    for made in cell_svgs(*sample(name, seed)).values():
        _, _, width, height = (float(part) for part in drawn(made, "svg")[0].attrib["viewBox"].split())
        found = boxes(made)
        assert len(found) > 4
        for a, b in itertools.combinations(found, 2):
            assert a[2] <= b[0] or b[2] <= a[0] or a[3] <= b[1] or b[3] <= a[1], (a, b)
        assert all(left >= 0 and right <= width and top >= 0 and bottom <= height for left, top, right, bottom in found)


@pytest.mark.parametrize("name", CELL_SPACES)
def test_every_edge_is_drawn_with_its_operation(name: str) -> None:
    space, architecture = sample(name, 3)
    assert isinstance(space, CellSpace)
    drawings = cell_svgs(space, architecture)
    assert list(drawings) == list(space.kinds)
    for kind, edges in space.edge_operations(architecture).items():
        labels = [g for g in drawn(drawings[kind], "g") if g.attrib.get("class") == "edge-label"]
        shown = sorted(text.text for g in labels for text in g.findall(f"{SVG}text"))
        assert shown == sorted(operation_label(operation) for operation in edges.values())
        told = {title.text for g in labels for title in g.findall(f"{SVG}title")}
        wanted = {f"{op}: {space.shape.edges[at][0]} → {space.shape.edges[at][1]}" for at, op in edges.items()}
        assert told == wanted


def test_none_is_faint_and_dashed() -> None:
    space = get_space("nas-bench-201")
    text = "|none~0|+|nor_conv_3x3~0|none~1|+|skip_connect~0|none~1|none~2|"
    made = cell_svg(space, space.parse(text))
    dashed = [path for path in drawn(made, "path") if "stroke-dasharray" in path.attrib]
    assert len(dashed) == 4
    assert len(drawn(made, "path")) == 6
    assert len({path.attrib["stroke"] for path in drawn(made, "path")}) == 2  # nothing and skip are grey


def test_operations_have_colours_of_their_own() -> None:
    space = get_space("nas-bench-201")
    text = "|nor_conv_1x1~0|+|nor_conv_3x3~0|avg_pool_3x3~1|+|nor_conv_3x3~0|nor_conv_3x3~1|avg_pool_3x3~2|"
    colours = [path.attrib["stroke"] for path in drawn(cell_svg(space, space.parse(text)), "path")]
    assert sorted(colours.count(colour) for colour in set(colours)) == [1, 2, 3]


def test_two_kinds_and_a_concatenated_output() -> None:
    space, architecture = sample("darts", 1)
    normal, reduce = cell_svg(space, architecture), cell_svg(space, architecture, "reduce")
    assert "Normal cell:" in normal
    assert "Reduce cell:" in reduce
    assert "concatenated" in texts(normal)
    with pytest.raises(ArchitectureError, match=r"no cell 'other'; it has: normal, reduce"):
        cell_svg(space, architecture, "other")


def test_arcs_of_one_level_share_no_stretch() -> None:
    edges = {(a, b): "x" for b in range(2, 6) for a in range(b)} | {(0, 1): "x"}
    arcs = arrange(edges)
    assert len(arcs) == len(edges)
    assert all((arc.side == 0) == (arc.target - arc.source == 1) for arc in arcs)
    for a, b in itertools.combinations([arc for arc in arcs if arc.side], 2):
        if (a.side, a.level) == (b.side, b.level):
            assert a.target <= b.source or b.target <= a.source
    assert {arc.side for arc in arcs} == {-1, 0, 1}


def test_a_space_without_cells_has_none() -> None:
    with pytest.raises(ArchitectureError, match="no cells"):
        cell_svgs(*sample("nas-bench-macro", 0))


def test_readable_names() -> None:
    assert [operation_label(name) for name in ("nor_conv_3x3", "skip_connect", "dil_conv_5x5", "none")] == [
        "conv 3×3",
        "skip",
        "dil conv 5×5",
        "none",
    ]


def test_it_stands_alone() -> None:
    made = cell_svg(*sample("nas-bench-201", 2))
    assert 'xmlns="http://www.w3.org/2000/svg"' in made
    for colour in re.findall(r"var\(([^)]*)\)", made):
        assert re.fullmatch(r"--\w+, #[0-9a-f]{6}", colour)  # every variable has a colour to fall back to
