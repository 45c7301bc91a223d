from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from trees import parse, texts

from nascence.errors import RunError
from nascence.reading import read_json
from nascence.reporting import write_report

SECTIONS = {
    "How the search went": "events.jsonl",
    "Beside random architectures": "random_cloud.json",
    "Training": "training.jsonl",
    "Which classes are confused": "metrics.json",
    "Exported files": "exports.json",
}


class Seen(HTMLParser):
    """Tags, attributes and headings of a page as a browser sees them."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.headings: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs

    def handle_data(self, data: str) -> None:
        if self.tags and self.tags[-1] == "h2":
            self.headings.append(data)


@pytest.fixture
def full(fabricate) -> Path:
    return fabricate(training=True, exports=True, table=True, cloud=True)


def body(page: str) -> str:
    return page.removeprefix("<!doctype html>").strip()


def test_everything_that_the_run_holds_is_shown(full: Path) -> None:
    path = write_report(full)
    assert path == full / "report.html"
    page = path.read_text(encoding="utf-8")
    headings = Seen(page).headings
    assert set(SECTIONS) | {"The network", "What the benchmark table says", "To do it again"} <= set(headings)


@pytest.mark.parametrize("section", SECTIONS)
def test_a_section_without_its_file_is_left_out(full: Path, section: str) -> None:
    (full / SECTIONS[section]).unlink()
    headings = Seen(write_report(full, cloud_size=0).read_text(encoding="utf-8")).headings
    assert section not in headings
    assert "The network" in headings


def test_the_page_is_well_formed_and_loads_nothing(full: Path) -> None:
    page = write_report(full).read_text(encoding="utf-8")
    parse(body(page))
    seen = Seen(page)
    assert not {"script", "link", "img", "iframe", "object", "embed", "base", "form"} & set(seen.tags)
    assert not [pair for pair in seen.attributes if pair[0] in ("src", "href", "srcset", "action", "data")]
    assert not [name for name, _ in seen.attributes if name.startswith("on")]
    assert set(re.findall(r"https?://[^\"'\s<)]*", page)) == {"http://www.w3.org/2000/svg"}
    assert "@import" not in page
    assert "url(" not in page


def test_names_of_classes_are_text_and_nothing_else(full: Path) -> None:
    page = write_report(full).read_text(encoding="utf-8")
    assert "<script" not in page
    assert "<script>alert(1)</script>" in texts(body(page))
    assert "a <run>" in texts(body(page))


def test_light_dark_print_and_narrow_are_provided_for(full: Path) -> None:
    page = write_report(full).read_text(encoding="utf-8")
    for rule in ("prefers-color-scheme: dark", "@media print", "max-width: 560px", "overflow-x: auto"):
        assert rule in page
    assert ("lang", "en") in Seen(page).attributes
    assert ("name", "viewport") in Seen(page).attributes


def luminance(colour: str) -> float:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(first: str, second: str) -> float:
    low, high = sorted((luminance(first), luminance(second)))
    return (high + 0.05) / (low + 0.05)


def test_text_is_readable_on_every_ground(full: Path) -> None:
    from nascence.reporting.markup import PALETTE

    page = write_report(full).read_text(encoding="utf-8")
    themes = [
        dict(re.findall(r"--(\w+): (#[0-9a-f]{6})", block)) for block in re.findall(r":root \{(.*?)\}", page, re.S)
    ]
    themes = [theme for theme in themes if theme]
    assert len(themes) == 3
    for theme in themes:
        for text in ("ink", "soft", "accent"):
            assert min(contrast(theme[text], theme["paper"]), contrast(theme[text], theme["page"])) >= 4.5
        assert contrast(theme["ink"], theme["node"]) >= 4.5
        assert min(contrast(colour, theme["paper"]) for colour in PALETTE) >= 3


def test_every_drawing_has_a_text_alternative(full: Path) -> None:
    tree = parse(body(write_report(full).read_text(encoding="utf-8")))
    drawings = list(tree.iter("{http://www.w3.org/2000/svg}svg"))
    assert len(drawings) >= 5
    assert all(drawing.attrib["role"] == "img" and drawing.attrib["aria-label"] for drawing in drawings)
    ids = [element.attrib["id"] for element in tree.iter() if "id" in element.attrib]
    assert len(ids) == len(set(ids))


def test_the_cloud_is_made_once_and_kept(fabricate) -> None:
    path = fabricate()
    write_report(path, cloud_size=4, score_seconds=0)
    kept = read_json(path / "random_cloud.json")
    assert len(kept["points"]) == 4
    kept["points"] = kept["points"][:2]
    (path / "random_cloud.json").write_text(json.dumps(kept))
    page = write_report(path, cloud_size=4, score_seconds=0).read_text(encoding="utf-8")
    assert "Grey: 2 random architectures" in page


def test_points_of_the_caller_come_first(full: Path) -> None:
    found = {"architecture": "x", "params": 10, "flops": 20, "scores": {}}
    page = write_report(full, cloud={"found": found, "points": [found] * 3, "seed": 1}).read_text(encoding="utf-8")
    assert "Grey: 3 random architectures" in page


def test_another_place_and_the_same_bytes(full: Path, tmp_path: Path) -> None:
    first = write_report(full, tmp_path / "deep" / "r.html")
    assert first == tmp_path / "deep" / "r.html"
    assert not (full / "report.html").exists()
    assert write_report(full).read_bytes() == first.read_bytes()


def test_no_report_of_what_is_no_run(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="no run directory"):
        write_report(tmp_path / "nothing")
    assert list(tmp_path.iterdir()) == []
