"""A trained network stays until the one that replaces it is there."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
import torch

import nascence
from nascence.errors import NascenceError, RunError
from nascence.runs import Interrupted, RunDirectory, list_runs, retraining, unfinished_stages
from nascence.training import Training

SMALL: dict[str, Any] = {"channels": 2, "depth": 1, "progress": False}


@pytest.fixture
def run(tmp_path: Path) -> RunDirectory:
    found = nascence.search("toy", out=tmp_path / "a", **SMALL)
    nascence.train(found.run.path, epochs=1, progress=False)
    return RunDirectory.open(found.run.path)


def again(run: RunDirectory, **settings: Any) -> Any:
    return nascence.train(run.path, progress=False, overwrite=True, **{"epochs": 2, **settings})


def contents(run: RunDirectory) -> dict[str, bytes]:
    names = ("model.pt", "metrics.json", "training.jsonl", "config.json", "architecture.json")
    return {name: (run.path / name).read_bytes() for name in names}


def test_a_training_that_diverges_leaves_the_old_network(run: RunDirectory) -> None:
    before = contents(run)
    with pytest.raises(NascenceError, match=r"smaller learning rate.*trained before is still there"):
        again(run, learning_rate=1e30)
    assert contents(run) == before
    assert not (run.path / retraining.FOLDER).exists()
    assert unfinished_stages(RunDirectory.open(run.path)) == []


def stop_at(monkeypatch: pytest.MonkeyPatch, epoch: int) -> None:
    real = Training.advance

    def advance(self: Training) -> dict[str, Any]:
        if self.steps_done == epoch:
            raise KeyboardInterrupt
        return real(self)

    monkeypatch.setattr(Training, "advance", advance)


def test_one_that_is_stopped_goes_on_and_then_takes_its_place(
    run: RunDirectory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = contents(run)
    with monkeypatch.context() as patch:
        stop_at(patch, 1)
        with pytest.raises((KeyboardInterrupt, Interrupted)):
            again(run, epochs=3)
    assert contents(run) == before
    stopped = RunDirectory.open(run.path)
    assert unfinished_stages(stopped) == ["training"]
    assert list_runs(tmp_path)[0]["state"] == "stopped"
    with pytest.raises(
        RunError, match=r"other settings \(epochs 3 there.*\); continue it with 'nascence runs resume .*/a'"
    ):
        nascence.train(run.path, epochs=2, progress=False)
    assert nascence.resume(run.path, progress=False) == ["training"]
    result = RunDirectory.open(run.path)
    assert result.read_json("metrics.json")["epochs"] == 3
    assert result.config["training"]["settings"]["epochs"] == 3
    assert len((run.path / "training.jsonl").read_text().splitlines()) == 3
    assert not (run.path / retraining.FOLDER).exists()
    other = nascence.search("toy", out=tmp_path / "b", **SMALL)
    nascence.train(other.run.path, epochs=3, progress=False)
    one, two = (torch.load(path / "model.pt", weights_only=True) for path in (run.path, other.run.path))
    assert all(torch.equal(one[name], two[name]) for name in one)


@pytest.mark.parametrize("moves", [0, 3, 5])
def test_a_kill_while_it_takes_its_place_is_no_loss(
    run: RunDirectory, monkeypatch: pytest.MonkeyPatch, moves: int
) -> None:
    real, done = os.replace, []

    def replace(source: Any, target: Any) -> None:
        if retraining.FOLDER in str(source) and ".tmp" not in str(source):
            if len(done) == moves:
                raise KeyboardInterrupt
            done.append(target)
        real(source, target)

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", replace)
        with pytest.raises(KeyboardInterrupt):
            again(run)
    settled = RunDirectory.open(run.path)
    assert settled.config["training"]["settings"]["epochs"] == 2
    assert settled.read_json("metrics.json")["epochs"] == 2
    assert not (run.path / retraining.FOLDER).exists()
    assert unfinished_stages(settled) == []


def test_reports_and_exports_do_not_speak_of_another_network(run: RunDirectory) -> None:
    nascence.export(run.path, "python")
    (run.path / "report.html").write_text("an old report")
    again(run)
    assert not (run.path / "exports.json").exists()
    assert "2 epochs" in (run.path / "report.html").read_text()
    nascence.export(run.path, "python")
    assert "model.py" in (run.path / "report.html").read_text()


def test_nothing_goes_through_a_link_in_its_place(run: RunDirectory, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (run.path / retraining.FOLDER).symlink_to(tmp_path / "elsewhere")
    again(run)
    assert list((tmp_path / "elsewhere").iterdir()) == []
    assert RunDirectory.open(run.path).read_json("metrics.json")["epochs"] == 2
