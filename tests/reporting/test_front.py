from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from nascence.reading import read_json
from nascence.reporting.contents import Contents
from nascence.reporting.front import front
from nascence.reporting.report import page
from nascence.spaces import get_space

MACRO = get_space("nas-bench-macro")
ERROR = {"name": "error", "unit": "%", "description": "held out <b>", "larger_is_better": False}
PARAMS = {"name": "params", "unit": "parameters", "description": "counted", "larger_is_better": False}
LATENCY = {"name": "latency-ms", "unit": "ms", "description": "looked up", "larger_is_better": False}


def run(fabricate: Any, *objectives: dict[str, Any], at: int | None = None) -> Path:
    """A run with a front of three, and five that were valued, one of them outside the budget."""
    texts = ["00000000", "11111111", "22222222", "01010101", "20202020"]
    values = [(9.0, 100.0, 1.0), (5.0, 200.0, 2.0), (2.0, 300.0, 3.0), (9.5, 250.0, 4.0), (8.0, 290.0, 5.0)]
    names = [one["name"] for one in objectives]
    valued = [
        {"architecture": text, **dict(zip(names, own, strict=False))} for text, own in zip(texts, values, strict=True)
    ]
    events = [{"generation": 0, "evaluated": [*valued, {"architecture": "11112222", "violation": 0.3}]}]
    path: Path = fabricate("nas-bench-macro", events=events)
    rows = [
        {
            "index": index,
            **MACRO.parse(texts[place]).to_dict(),
            "values": dict(zip(names, values[place], strict=False)),
            "params": int(values[place][1]),
            "flops": 7,
        }
        for index, place in enumerate((2, 1, 0))
    ]
    (path / "front.json").write_text(json.dumps({"objectives": objectives, "knee": 1, "front": rows}))
    if at is not None:
        record = read_json(path / "architecture.json")
        record |= {**MACRO.parse(rows[at]["architecture"]).to_dict(), "front": {"size": 3, "index": at}}
        (path / "architecture.json").write_text(json.dumps(record))
    return path


def test_no_front_no_section(fabricate: Any) -> None:
    assert front(Contents.read(fabricate())) == ""


def test_the_drawing_and_the_table(fabricate: Any) -> None:
    drawn = front(Contents.read(run(fabricate, ERROR, PARAMS, at=1)))
    assert drawn.count("<svg") == 1
    assert drawn.count("<circle") == 5 + 1, "all that was valued, and the mark"
    assert drawn.count("<polyline") == 1
    assert "2: 00000000 (params 100, error (%) 9)" in drawn, "values on hover"
    assert "network 1" in drawn
    assert "the 3 networks" in drawn
    assert "others of 5" in drawn
    assert "held out &lt;b&gt;" in drawn
    assert drawn.count("<tr>") == 1 + 3


def test_where_some_were_valued_again_only_those_are_drawn(fabricate: Any) -> None:
    path = run(fabricate, ERROR, PARAMS)
    again = [{"architecture": "11111111", "error": 4.0, "params": 200.0}]
    with (path / "events.jsonl").open("a") as file:
        file.write(json.dumps({"reevaluated": again}) + "\n")
    drawn = front(Contents.read(path))
    assert drawn.count("<circle") == 3, "nothing of the first values"
    assert "others of 1" in drawn


def test_every_objective_against_the_first(fabricate: Any) -> None:
    drawn = front(Contents.read(run(fabricate, ERROR, PARAMS, LATENCY)))
    assert drawn.count("<svg") == 2
    assert "latency-ms (ms)" in drawn
    assert "network 1" not in drawn, "what is trained stands beside the front"


@pytest.mark.parametrize("at", [0, 2])
def test_it_is_a_part_of_the_page(fabricate: Any, at: int) -> None:
    text = page(Contents.read(run(fabricate, ERROR, PARAMS, at=at)), None)
    assert "The front</h2>" in text
    assert f"network {at}" in text


def test_a_picked_network_is_picked_again(fabricate: Any) -> None:
    path = run(fabricate, ERROR, PARAMS, at=2)
    config = read_json(path / "config.json")
    config["training"] = {"preset": None, "seed": 7, "settings": {}}
    config["settings"] = {"objectives": ["error", "params"]}
    (path / "config.json").write_text(json.dumps(config))
    text = page(Contents.read(path), None)
    assert "--pick 2" in text
    assert "--set objectives=error,params" in text
