from __future__ import annotations

from pathlib import Path

import pytest
from walk import Walk

from nascence.errors import RunError
from nascence.runs import RunDirectory, delete_run, execute, list_runs, summary, unfinished_stages


def make(path: Path, **config: object) -> RunDirectory:
    return RunDirectory.create(path, {"kind": "search", "method": "m", **config})


def test_lists_runs_at_several_levels_in_order(tmp_path: Path) -> None:
    make(tmp_path / "b")
    make(tmp_path / "compare" / "a")
    make(tmp_path / ".hidden")
    (tmp_path / "photos").mkdir()
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "config.json").write_text("{")
    found = list_runs(tmp_path)
    assert [Path(entry["run"]).name for entry in found] == ["b", "broken", "a"]
    assert [entry["state"] for entry in found] == ["stopped", "unreadable", "stopped"]
    assert "not valid JSON" in found[1]["problem"]
    assert [Path(entry["run"]).name for entry in list_runs(tmp_path / "b")] == ["b"]


def test_list_of_nothing(tmp_path: Path) -> None:
    assert list_runs(tmp_path) == []
    with pytest.raises(RunError, match="no directory"):
        list_runs(tmp_path / "nothing")


def test_summary_follows_the_stages(tmp_path: Path) -> None:
    run = make(tmp_path / "a", seed=2)
    assert summary(run)["state"] == "stopped"
    with run.locked():
        execute(Walk(4), run)
        assert summary(run)["state"] == "running"
    assert unfinished_stages(run) == ["search"]
    run.write_json("architecture.json", {"architecture": "abc"})
    assert summary(run) == {
        **{"run": str(run.path), "kind": "search", "method": "m", "seed": 2, "created": run.config["created"]},
        **{"state": "finished", "stage": "search", "steps_done": 4, "total_steps": 4, "architecture": "abc"},
    }
    run.update_config(training={"epochs": 1})
    assert unfinished_stages(run) == ["training"]
    assert summary(run)["state"] == "stopped"
    run.write_json("metrics.json", {"accuracy": 0.5})
    assert summary(run)["state"] == "finished"
    assert summary(run)["accuracy"] == 0.5


def test_delete(tmp_path: Path) -> None:
    run = make(tmp_path / "a")
    with run.locked(), pytest.raises(RunError, match="Another process"):
        delete_run(run.path)
    assert run.path.is_dir()
    delete_run(run.path)
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "photos").mkdir()
    with pytest.raises(RunError, match="no run directory"):
        delete_run(tmp_path / "photos")
    assert (tmp_path / "photos").is_dir()
