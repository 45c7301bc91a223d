"""Presets, the alarm and the trajectory of a search by gradients, from the outside."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import nascence
from nascence.api.tables import trajectory
from nascence.errors import SettingError, UnknownNameError
from nascence.methods import METHODS
from nascence.methods.darts import DARTS
from nascence.reading import read_json
from nascence.reporting import write_report
from nascence.runs import RunDirectory
from nascence.spaces import get_space

TINY = {
    "channels": 2,
    "depth": 1,
    "settings": {
        "epochs": 2,
        "warmup_epochs": 0,
        "batch_size": 8,
        "train_images": 16,
        "valid_images": 16,
        "check_images": 8,
        "channels": 2,
        "depth": 1,
        "image_size": 4,
    },
}


def search(out: Path, method: str = "darts", **options: Any) -> nascence.SearchResult:
    return nascence.search(method, out=out, **{"progress": False, **TINY, **options})


def test_the_laptop_preset_is_taken_and_settings_come_first(tmp_path: Path, capsys: Any) -> None:
    result = search(tmp_path / "a", progress=True)
    laptop = DARTS.PRESETS["laptop"]
    settings = result.record["settings"]
    assert settings["architecture_learning_rate"] == laptop["architecture_learning_rate"]
    assert (settings["epochs"], settings["train_images"]) == (2, 16)
    assert result.run.config["preset"] == "laptop"
    assert "Preset laptop of darts (there are also: paper)" in capsys.readouterr().err


def test_the_paper_preset_says_how_long_it_takes(tmp_path: Path, capsys: Any) -> None:
    result = search(tmp_path / "a", progress=True, preset="paper")
    assert result.record["settings"]["architecture_learning_rate"] == 3e-4
    said = capsys.readouterr().err
    assert "Preset paper of darts" in said
    assert "expected to take" in said
    assert "on this machine" in said


def test_unknown_presets(tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match="Known: laptop, laptop-darts, laptop-sane, paper"):
        search(tmp_path / "a", preset="laptob")
    with pytest.raises(SettingError, match="has no presets"):
        nascence.search("random", out=tmp_path / "a", preset="paper", progress=False)
    assert not (tmp_path / "a").exists()


def test_a_comparison_takes_presets_where_there_are_any(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr(DARTS, "PRESETS", {"laptop": TINY["settings"], "quick": {**TINY["settings"], "epochs": 1}})
    size = {"channels": 2, "depth": 1, "seeds": 1}
    result = nascence.compare(["toy", "darts"], out=tmp_path / "c", preset="quick", **size)
    assert {row["name"] for row in result["rows"]} >= {"toy", "darts"}
    (path,) = (tmp_path / "c" / "darts").glob("**/config.json")
    config = read_json(path)
    assert config["preset"] == "quick"
    assert config["settings"]["epochs"] == 1
    with pytest.raises(SettingError, match="None of these methods has presets"):
        nascence.compare(["toy"], out=tmp_path / "d", preset="quick", **size)
    with pytest.raises(UnknownNameError, match="preset of darts"):
        nascence.compare(["toy", "darts"], out=tmp_path / "d", preset="quack", **size)


def test_a_stopped_search_goes_on_to_the_same_end(tmp_path: Path) -> None:
    whole = search(tmp_path / "whole", "drnas")
    run = RunDirectory.create(tmp_path / "part", {**whole.run.config})
    strategy = nascence.api.searching.PreparedSearch(run.config, nascence.api.inputs.load_source(run.config)).strategy
    from nascence.runs import SEARCH
    from nascence.runs.execution import _save

    event = strategy.advance()
    (run.path / "events.jsonl").write_text(json.dumps(event) + "\n")
    _save(strategy, run, SEARCH, 1.0, 1)
    nascence.resume(tmp_path / "part", progress=False)
    finished = RunDirectory.open(tmp_path / "part")
    assert finished.events() == whole.run.events()
    assert finished.read_json("architecture.json")["architecture"] == str(whole.architecture)


def test_a_collapse_is_told_everywhere_and_nothing_fails(tmp_path: Path, capsys: Any, monkeypatch: Any) -> None:
    only = ",".join(name for name in get_space("nas-bench-201").operations if name not in ("none", "skip_connect"))
    settings = {**TINY["settings"], "exclude": only}
    result = search(tmp_path / "a", progress=True, settings=settings)
    assert result.record["collapsed"] is True
    assert result.record["collapse"].startswith("The search collapsed")
    warned = [event for event in result.run.events() if "warning" in event]
    assert len(warned) == 1, "once"
    assert warned[0]["collapsed"]
    assert f"{warned[0]['warning']}\n" in capsys.readouterr().err
    page = write_report(tmp_path / "a", cloud_size=0).read_text()
    assert "The search collapsed" in page


def test_a_search_that_did_not_collapse_says_so(tmp_path: Path) -> None:
    settings = {**TINY["settings"], "exclude": "none,skip_connect,avg_pool_3x3"}
    assert search(tmp_path / "a", settings=settings).record["collapsed"] is False


def test_what_the_table_says_of_each_epoch(tmp_path: Path) -> None:
    space = get_space("nas-bench-201")
    texts = [str(architecture) for architecture in space.enumerate()]
    (tmp_path / "tables").mkdir()
    columns = {"arch": texts, "cifar10_test_acc_200ep": [float(at) for at in range(len(texts))]}
    pq.write_table(pa.table(columns), tmp_path / "tables" / "nas-bench-201.parquet")
    result = search(tmp_path / "a", data_dir=tmp_path)
    told = result.run.read_json("trajectory.json")
    ends = [event for event in result.run.events() if "architecture" in event]
    assert told["epochs"] == [event["epoch"] for event in ends] == [1, 2]
    assert told["values"] == [float(texts.index(event["architecture"])) for event in ends]
    assert told["column"] == "cifar10_test_acc_200ep"
    assert "of each epoch" in write_report(tmp_path / "a", cloud_size=0).read_text()
    assert trajectory({1: space.parse(texts[0])}, tmp_path / "nowhere") is None


def test_the_list_of_methods_has_presets() -> None:
    assert {"paper", "laptop"} <= set(METHODS.get("drnas").PRESETS)


def test_nested_settings_are_the_flat_ones(tmp_path: Path) -> None:
    nested = {"data": {"batch_size": 8}, "network.channels": 2, "weights.learning_rate": 0.03}
    left = {name: value for name, value in TINY["settings"].items() if name not in ("batch_size", "channels")}
    flat = search(tmp_path / "a", settings={**TINY["settings"], "learning_rate": 0.03})
    other = search(tmp_path / "b", settings={**left, **nested})
    assert other.run.config["settings"] == flat.run.config["settings"]
    assert other.run.config["settings"]["learning_rate"] == 0.03
    assert other.architecture == flat.architecture
    with pytest.raises(SettingError, match="given twice"):
        search(tmp_path / "c", settings={**TINY["settings"], **nested})
    with pytest.raises(SettingError, match="given twice"):
        search(tmp_path / "c", settings={**left, **nested}, learning_rate=0.1)
    assert not (tmp_path / "c").exists()
