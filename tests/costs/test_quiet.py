"""The quietest times ever seen: kept, only ever lowered, and no reason to fail."""

from __future__ import annotations

from pathlib import Path

import pytest

from nascence.cache import cache_folder
from nascence.costs.quiet import QuietTimes
from nascence.reading import read_json


def test_the_least_is_kept_for_whoever_comes_next(tmp_path: Path) -> None:
    assert QuietTimes(lambda: tmp_path / "quiet").least("a network", 2.0) == 2
    later = QuietTimes(lambda: tmp_path / "quiet")
    assert later.least("a network", 3.0) == 2
    assert later.least("another", 3.0) == 3
    assert later.least("a network", 1.0) == 1
    assert QuietTimes(lambda: tmp_path / "quiet").least("a network", 9.0) == 1
    assert len(list((tmp_path / "quiet").iterdir())) == 2, "one file each, nothing else"


def test_a_hundredth_is_not_worth_writing(tmp_path: Path) -> None:
    quiet = QuietTimes(lambda: tmp_path)
    quiet.least("a network", 2.0)
    assert quiet.least("a network", 1.999) == 1.999
    (file,) = tmp_path.iterdir()
    assert read_json(file) == {"what": "a network", "ms": 2.0}


@pytest.mark.parametrize("content", ["", "[]", '{"ms": 1}', '{"what": "other", "ms": 1}', '{"what": "it", "ms": -1}'])
def test_a_damaged_file_is_replaced(tmp_path: Path, content: str) -> None:
    quiet = QuietTimes(lambda: tmp_path)
    quiet.least("it", 5.0)
    (file,) = tmp_path.iterdir()
    file.write_text(content)
    assert QuietTimes(lambda: tmp_path).least("it", 4.0) == 4
    assert read_json(file)["ms"] == 4


def test_without_a_folder_or_where_it_cannot_be_made_memory_serves(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for folder in (None, tmp_path / "file" / "quiet"):
        quiet = QuietTimes(lambda folder=folder: folder)
        assert [quiet.least("it", ms) for ms in (3.0, 2.0, 4.0)] == [3, 2, 2]
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_the_usual_folder_is_in_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    QuietTimes().least("it", 1.0)
    folder = cache_folder()
    assert folder is not None
    assert len(list((folder / "quiet").iterdir())) == 1
