from __future__ import annotations

import json

import pytest

from nascence.errors import ArchitectureError, RunError
from nascence.reporting.contents import Contents


def test_what_is_not_there_is_empty(fabricate) -> None:
    run = Contents.read(fabricate(events=[]))
    assert run.metrics is None
    assert run.cloud is None
    assert (run.exports, list(run.events), list(run.training)) == ({}, [], [])
    assert run.signature is not None
    assert run.signature.input_shape == (1, 8, 8)


def test_what_is_there_is_read(fabricate) -> None:
    run = Contents.read(fabricate(training=True, exports=True, cloud=True))
    assert run.metrics is not None
    assert run.metrics["accuracy"] == 94.0
    assert len(run.events) == 2
    assert len(run.training) == 3
    assert run.class_names[1] == "<script>alert(1)</script>"
    assert json.loads(run.canonical_json()) == run.config


def test_a_torn_last_line_is_left_out(fabricate) -> None:
    path = fabricate()
    with open(path / "events.jsonl", "a") as file:
        file.write('{"round": 1, "dr')
    assert len(Contents.read(path).events) == 2


def test_an_unfinished_search_says_how_to_go_on(fabricate) -> None:
    path = fabricate()
    (path / "architecture.json").unlink()
    with pytest.raises(RunError, match="nascence runs resume"):
        Contents.read(path)


def test_what_is_no_run_is_refused(tmp_path) -> None:
    with pytest.raises(RunError, match="no run directory"):
        Contents.read(tmp_path / "missing")


@pytest.mark.parametrize("name", ["metrics.json", "exports.json"])
def test_damaged_files_are_named(fabricate, name: str) -> None:
    path = fabricate(training=True, exports=True)
    (path / name).write_text("[1, 2]")
    with pytest.raises(RunError, match=name):
        Contents.read(path)


def test_a_foreign_architecture_is_refused(fabricate) -> None:
    path = fabricate()
    (path / "architecture.json").write_text('{"space": "nas-bench-201", "architecture": "nonsense"}')
    with pytest.raises(ArchitectureError, match="nonsense"):
        Contents.read(path)
