from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import nascence
from nascence.errors import NascenceError, RunError
from nascence.reading import read_json
from nascence.runs import RunDirectory
from nascence.testing import toy_method


@pytest.fixture
def stop_at(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Run something while the toy method fails at its step number ``step``."""

    def stop(step: int, work: Any) -> None:
        advance = toy_method._Walk.advance

        def failing(walk: toy_method._Walk) -> dict[str, Any]:
            if walk.steps_done == step:
                raise NascenceError("stopped here")
            return advance(walk)

        with monkeypatch.context() as patch:
            patch.setattr(toy_method._Walk, "advance", failing)
            with pytest.raises(NascenceError, match="stopped here"):
                work()

    return stop


@pytest.mark.parametrize("step", [0, 3, 9])
def test_a_stopped_search_finds_what_an_undisturbed_one_finds(
    search_toy: Any, stop_at: Any, tmp_path: Path, step: int
) -> None:
    whole = search_toy("whole", steps=10)
    stop_at(step, lambda: search_toy("stopped", steps=10))
    run = RunDirectory.open(tmp_path / "stopped")
    assert not run.has("architecture.json")
    assert nascence.resume(run.path, progress=False) == ["search"]
    record = run.read_json("architecture.json")
    assert {**record, "search_seconds": 0} == {**whole.record, "search_seconds": 0}
    assert run.events() == whole.run.events()
    assert nascence.resume(run.path, progress=False) == []


def test_a_search_killed_just_before_its_result(search_toy: Any, tmp_path: Path) -> None:
    result = search_toy()
    (tmp_path / "run" / "architecture.json").unlink()
    assert nascence.resume(tmp_path / "run", progress=False) == ["search"]
    assert result.run.read_json("architecture.json")["architecture"] == str(result.architecture)


def test_changed_data_are_refused(tmp_path: Path, search_toy: Any, stop_at: Any) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (40, 8, 8, 3), np.uint8)
    np.savez(tmp_path / "mine.npz", x_train=pixels, y_train=np.arange(40) % 4)
    stop_at(1, lambda: search_toy("run", data=str(tmp_path / "mine.npz")))
    np.savez(tmp_path / "mine.npz", x_train=pixels[:39], y_train=np.arange(39) % 4)
    with pytest.raises(RunError, match="changed since"):
        nascence.resume(tmp_path / "run", progress=False)


def test_a_damaged_configuration(search_toy: Any, tmp_path: Path) -> None:
    run = search_toy().run
    (run.path / "architecture.json").unlink()
    config = read_json(run.path / "config.json")
    del config["network"]
    (run.path / "config.json").write_text(json.dumps(config))
    with pytest.raises(RunError, match="'network'"):
        nascence.resume(run.path, progress=False)
    (run.path / "config.json").write_text(json.dumps({**config, "kind": "dance"}))
    with pytest.raises(RunError, match="'dance'"):
        nascence.resume(run.path, progress=False)


def test_a_run_at_work_is_left_alone(search_toy: Any, tmp_path: Path) -> None:
    run = search_toy().run
    (run.path / "architecture.json").unlink()
    with run.locked(), pytest.raises(RunError, match="Another process"):
        nascence.resume(run.path, progress=False)


def test_a_run_that_an_old_version_left_is_resumed(tmp_path: Path) -> None:
    """Written by version 0.1.0 in run format 1, stopped after 4 of 10 steps; it has to work for ever."""
    run = tmp_path / "old"
    shutil.copytree(Path(__file__).parent / "assets" / "stopped-search-format-1", run)
    assert nascence.resume(run, progress=False) == ["search"]
    record = read_json(run / "architecture.json")
    cell = "|avg_pool_3x3~0|+|avg_pool_3x3~0|nor_conv_3x3~1|+|nor_conv_3x3~0|avg_pool_3x3~1|skip_connect~2|"
    assert record["architecture"] == cell
    assert [event["step"] for event in RunDirectory.open(run).events()] == list(range(1, 11))
