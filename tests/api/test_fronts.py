from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import nascence
from nascence.api.fronts import describe_front, pick
from nascence.costs import CostModel
from nascence.errors import RunError, SettingError, UnknownNameError
from nascence.reading import read_json
from nascence.runs import RunDirectory
from nascence.seeding import generator
from nascence.spaces import NetworkConfig, get_space
from nascence.strategies.found import Found
from nascence.strategies.pareto import Criterion

NB201 = get_space("nas-bench-201")
SMALL: dict[str, Any] = {"channels": 2, "depth": 1, "progress": False}
OBJECTIVES = [
    {"name": name, "unit": unit, "description": name} for name, unit in (("error", "%"), ("latency-ms", "ms"))
]
QUICK = {"population": 4, "generations": 2}


@pytest.fixture
def found(tmp_path: Path) -> nascence.SearchResult:
    return nascence.search("evolution", objectives="naswot,params", out=tmp_path / "run", settings=QUICK, **SMALL)


def test_a_search_keeps_its_front_and_takes_its_knee(found: nascence.SearchResult) -> None:
    front = found.run.read_json("front.json")
    rows = front["front"]
    assert [row["index"] for row in rows] == list(range(len(rows)))
    assert [one["name"] for one in front["objectives"]] == ["naswot", "params"]
    assert front["objectives"][0]["larger_is_better"] is True
    naswot = [row["values"]["naswot"] for row in rows]
    assert naswot == sorted(naswot, reverse=True), "best first"
    assert [row["params"] for row in rows] == [row["values"]["params"] for row in rows]
    assert found.record["architecture"] == rows[front["knee"]]["architecture"]
    assert found.record["front"] == {"size": len(rows), "index": front["knee"]}
    events = [one for event in found.run.events() for one in event["evaluated"]]
    assert len(events) == 12, "every evaluation is kept"
    assert {row["architecture"] for row in rows} <= {one["architecture"] for one in events}


def test_a_stopped_search_ends_in_the_same_front(found: nascence.SearchResult, tmp_path: Path) -> None:
    front = found.run.read_json("front.json")
    (found.run.path / "architecture.json").unlink()
    (found.run.path / "front.json").unlink()
    lines = (found.run.path / "events.jsonl").read_text().splitlines()
    (found.run.path / "checkpoint.pt").unlink()
    assert nascence.resume(found.run.path, progress=False) == ["search"]
    assert RunDirectory.open(found.run.path).read_json("front.json") == front
    assert (found.run.path / "events.jsonl").read_text().splitlines() == lines


def write(path: Path, *values: tuple[float, float]) -> RunDirectory:
    """A run with a front of (error, latency-ms)."""
    texts = [str(NB201.from_index(at)) for at in range(len(values))]
    rows = [
        {
            "index": at,
            "space": "nas-bench-201",
            "architecture": texts[at],
            "values": {"error": error, "latency-ms": latency},
            "params": 1000 * (at + 1),
            "flops": 10,
        }
        for at, (error, latency) in enumerate(values)
    ]
    run = RunDirectory.create(path, {"kind": "search"})
    run.write_json("front.json", {"objectives": OBJECTIVES, "knee": min(1, len(rows) - 1), "front": rows})
    return run


def test_picking(tmp_path: Path) -> None:
    run = write(tmp_path / "a", (3.0, 9.0), (5.0, 4.0), (8.0, 2.0))
    expected = {
        "knee": 1,
        "0": 0,
        "2": 2,
        "max-latency-ms=4": 1,
        "max-latency-ms=100": 0,
        "max-latency-ms=3.9,max-error=8": 2,
        "min-params=1500": 1,
        " max-params = 3e3 , min-params=2001": 2,
        "max-error=8,": 0,
    }
    assert {text: pick(run, text)["index"] for text in expected} == expected


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        ("3", RunError, "indices 0 to 2"),
        ("-1", RunError, "indices 0 to 2"),
        ("max-error=1", RunError, "there is error from 3 to 8"),
        ("max-error=4,max-latency-ms=4", RunError, "error from 3 to 8, latency-ms from 2 to 9"),
        ("max-weight=1", UnknownNameError, "Known: error, flops, latency-ms, params"),
        ("max-error", SettingError, "expected knee"),
        ("error=3", SettingError, "expected knee"),
        ("most-error=3", SettingError, "expected knee"),
        ("max-error=few", SettingError, "'few' is no number"),
        ("", SettingError, "picks nothing"),
    ],
)
def test_what_fits_nothing(tmp_path: Path, text: str, error: type[Exception], message: str) -> None:
    run = write(tmp_path / "a", (3.0, 9.0), (5.0, 4.0), (8.0, 2.0))
    with pytest.raises(error, match=message):
        pick(run, text)


def test_no_front(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="ended in one architecture"):
        pick(RunDirectory.create(tmp_path / "a", {"kind": "search"}), "knee")


def test_training_what_was_picked(found: nascence.SearchResult) -> None:
    path, front = found.run.path, found.run.read_json("front.json")
    rows = front["front"]
    assert len(rows) > 1
    other = next(row for row in rows if row["index"] != front["knee"])
    options: dict[str, Any] = {"epochs": 1, "progress": False}
    before = read_json(path / "architecture.json")
    with pytest.raises(RunError, match="there is params"):
        nascence.train(path, pick="max-params=1", **options)
    assert read_json(path / "architecture.json") == before, "nothing changed"
    trained = nascence.train(path, pick=other["index"], **options)
    record = read_json(path / "architecture.json")
    assert str(trained.architecture) == record["architecture"] == other["architecture"]
    assert (record["params"], record["flops"]) == (other["params"], other["flops"])
    assert record["front"]["index"] == other["index"]
    assert record["choices"] == other["choices"]
    assert record["search_seconds"] == before["search_seconds"]
    assert sum(p.numel() for p in trained.load_model().parameters()) == other["params"]
    again = nascence.train(path, **options)
    assert again.metrics == trained.metrics, "without --pick: what was picked last"
    with pytest.raises(RunError, match="--overwrite"):
        nascence.train(path, pick="knee", **options)
    knee = nascence.train(path, pick="knee", overwrite=True, **options)
    assert str(knee.architecture) == before["architecture"]


def test_objectives_are_a_setting_of_some_methods(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match="toy ends in one architecture"):
        nascence.search("toy", objectives=["error", "params"], out=tmp_path / "a", **SMALL)
    options = {**SMALL, "settings": {**QUICK, "generations": 0}}
    listed = nascence.search("evolution", objectives=["naswot", "flops"], out=tmp_path / "b", **options)
    assert listed.record["settings"]["objectives"] == ["naswot", "flops"]


def test_neighbours_that_cannot_be_told_apart_are_in_the_file() -> None:
    model = CostModel(NB201, NetworkConfig(channels=2, depth=1))
    found = [NB201.sample(generator(at)) for at in range(3)]
    objectives = (Criterion("error", "%", "wrong answers", examples=100), Criterion("params", "parameters", "counted"))
    values = ((10.0, 300.0), (11.0, 200.0), (60.0, 100.0))
    front = Found("front", tuple(found), 0, values, objectives)
    described = describe_front(front, model)
    assert described["indistinct"] == {"objective": "error", "pairs": [[0, 1]]}
    assert described["objectives"][0]["examples"] == 100
    exact = Found("front", tuple(found), 0, values, (objectives[1], objectives[1]))
    assert "indistinct" not in describe_front(exact, model)
