from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest


@pytest.fixture(autouse=True)
def run(nascence_command: Any) -> None:
    assert nascence_command("search", "--method", "toy", "--channels", 2, "--depth", 1, "--out", "runs/a").code == 0


def test_list(nascence_command: Any) -> None:
    (entry,) = nascence_command("runs", "list", "--json").json["runs"]
    assert (entry["run"], entry["state"], entry["steps_done"]) == ("runs/a", "finished", 5)
    assert "runs/a" in nascence_command("runs", "list").out
    Path("empty").mkdir()
    assert "no runs in empty" in nascence_command("runs", "list", "empty").out
    assert nascence_command("runs", "list", "nowhere").code == 2


def test_list_before_any_run(nascence_command: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "fresh").mkdir()
    monkeypatch.chdir(tmp_path / "fresh")
    told = nascence_command("runs", "list")
    assert told.code == 0
    assert "There are no runs in runs" in told.out
    shown = nascence_command("runs", "list", "--json")
    assert (shown.code, shown.json) == (0, {"runs": []})
    Path("runs").write_text("mine")
    assert nascence_command("runs", "list").code == 2


def test_list_tells_of_unreadable_runs(nascence_command: Any) -> None:
    Path("runs/b").mkdir()
    Path("runs/b/config.json").write_text("{")
    shown = nascence_command("runs", "list")
    assert shown.code == 0
    assert "unreadable" in shown.out
    assert "not valid JSON" in shown.out


def test_show(nascence_command: Any) -> None:
    shown = nascence_command("runs", "show", "runs/a", "--json").json
    assert shown["config"]["method"] == "toy"
    assert shown["architecture"] == shown["architecture_file"]["architecture"]
    out = nascence_command("runs", "show", "runs/a").out
    assert shown["architecture"] in out
    assert "Settings\n" in out
    assert ["rule", "mix"] in [line.split() for line in out.splitlines()]
    assert "{" not in out
    assert "None" not in out


def test_delete_asks(nascence_command: Any) -> None:
    told = nascence_command("runs", "delete", "runs/a")
    assert told.code == 2
    assert "--yes" in told.err
    assert Path("runs/a").is_dir()
    assert nascence_command("runs", "delete", "runs/a", "--yes", "--json").json == {"deleted": "runs/a"}
    assert not Path("runs/a").exists()


@pytest.mark.parametrize("command", ["show", "resume", "delete"])
def test_what_is_no_run(nascence_command: Any, command: str) -> None:
    Path("photos").mkdir()
    Path("photos/cat.png").write_bytes(b"cat")
    Path("newer").mkdir()
    Path("newer/config.json").write_text('{"format": 3, "nascence": "3.0", "kind": "search"}')
    for path, message in (("photos", "no run directory"), ("nothing", "no run directory"), ("newer", "newer Nascence")):
        told = nascence_command("runs", command, path)
        assert told.code == 2
        assert message in told.err
        assert told.err.count("\n") == 1
    assert Path("photos/cat.png").exists()
