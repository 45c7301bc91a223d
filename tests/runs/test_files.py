"""Nothing is written through links, and nothing stays behind."""

from __future__ import annotations

import errno
import os
from contextlib import suppress
from pathlib import Path

import pytest
import torch
from walk import Walk

from nascence.errors import RunError
from nascence.runs import RunDirectory, execute, files


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    path = tmp_path / "outside"
    path.write_text("not ours")
    return path


@pytest.mark.parametrize(
    "name",
    ["config.json", "events.jsonl", ".lock", "checkpoint.pt", "a.json", ".a.json.tmp", ".config.json.tmp", "model.pt"],
)
@pytest.mark.parametrize("hard", [False, True])
def test_nothing_is_written_through_a_link(run: RunDirectory, outside: Path, name: str, hard: bool) -> None:
    (run.path / name).unlink(missing_ok=True)
    (os.link if hard else os.symlink)(outside, run.path / name)
    with suppress(RunError), run.locked():  # a link is refused or replaced
        run.write_json("a.json", {})
        run.write_tensors("model.pt", {})
        run.update_config(more=1)
        execute(Walk(3), run, checkpoint_seconds=0.0)
    assert outside.read_text() == "not ours"


def test_a_pipe_in_the_place_of_a_growing_file_is_refused(run: RunDirectory) -> None:
    os.mkfifo(run.path / "events.jsonl")
    with pytest.raises(RunError):
        execute(Walk(3), run)


def test_what_a_kill_left_is_removed_and_what_is_being_written_stays(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    files.hidden(path, "12345678.tmp").write_text("left behind")
    with files.replacing(path) as (file, fresh):
        file.write(b"1")
        assert [entry.name for entry in tmp_path.iterdir()] == [fresh.name]
        files.write_json(path, 2)
        assert fresh.is_file()
    assert path.read_bytes() == b"1"
    assert list(tmp_path.iterdir()) == [path]


def test_a_write_that_fails_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    files.write_json(path, 1)

    def write() -> None:
        with files.replacing(path) as (file, _):
            file.write(b"half")
            raise OSError(errno.ENOSPC, "full")

    with pytest.raises(OSError, match="full"):
        write()
    assert path.read_text() == "1\n"
    assert list(tmp_path.iterdir()) == [path]


def test_permissions_are_those_of_the_user(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        files.write_json(tmp_path / "a.json", 1)
    finally:
        os.umask(before)
    assert (tmp_path / "a.json").stat().st_mode & 0o777 == 0o640


def test_a_changed_bit_is_noticed_wherever_it_is(tmp_path: Path) -> None:
    path, whole = tmp_path / "model.pt", {"weight": torch.arange(600.0), "steps": [1, 2]}
    files.write_tensors(path, whole)
    content, refused = path.read_bytes(), 0
    for place in range(0, len(content), 13):
        changed = bytearray(content)
        changed[place] ^= 1 << place % 8
        path.write_bytes(changed)
        try:
            found = files.read_tensors(path)
        except RunError:
            refused += 1
            continue
        assert torch.equal(found["weight"], whole["weight"])  # a bit that means nothing, such as of a date
        assert found["steps"] == whole["steps"]
    assert refused > 100
