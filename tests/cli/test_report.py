from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import nascence.reporting


@pytest.fixture(autouse=True)
def run(nascence_command: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A finished search, and a report that holds the name of its run."""

    def write_report(run: Path, out: Path) -> Path:
        out.write_text(str(run))
        return out

    monkeypatch.setattr(nascence.reporting, "write_report", write_report, raising=False)
    assert nascence_command("search", "--method", "toy", "--channels", 2, "--depth", 1, "--out", "a").code == 0


def test_the_report_lies_in_the_run_and_is_made_anew(nascence_command: Any) -> None:
    for _ in range(2):
        assert nascence_command("report", "a", "--json").json == {"run": "a", "path": "a/report.html"}
    assert Path("a/report.html").read_text() == "a"
    assert "a/report.html" in nascence_command("report", "a").out


def test_a_file_elsewhere_is_kept_unless_asked(nascence_command: Any) -> None:
    Path("mine.html").write_text("mine")
    told = nascence_command("report", "a", "--out", "mine.html")
    assert told.code == 2
    assert "--overwrite" in told.err
    assert Path("mine.html").read_text() == "mine"
    assert nascence_command("report", "a", "--out", "mine.html", "--overwrite").code == 0
    assert Path("mine.html").read_text() == "a"


def test_an_unfinished_search_has_none(nascence_command: Any) -> None:
    Path("a/architecture.json").unlink()
    told = nascence_command("report", "a")
    assert told.code == 2
    assert "nascence runs resume a" in told.err
