"""What a killed command leaves beside a run, at every one of its system calls, is recognised by the next one."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from nascence.errors import RunError
from nascence.runs import RunDirectory, delete_run, files, leftovers, list_runs

CONFIG = {"kind": "search", "seed": 1}


class Killed(BaseException):
    pass


def killed_at(monkeypatch: pytest.MonkeyPatch, name: str, number: int, act: Callable[[], object]) -> bool:
    """``act`` until the ``number``-th call of ``os.<name>``, and nothing after it, as if by SIGKILL."""
    real, calls = getattr(os, name), []

    def die(*arguments: object, **options: object) -> object:
        calls.append(name)
        if len(calls) == number:
            raise Killed
        return real(*arguments, **options)

    with monkeypatch.context() as patch:
        patch.setattr(os, name, die)
        patch.setattr(shutil, "rmtree", lambda *arguments, **options: None)  # cleaning up is what a kill prevents
        patch.setattr(Path, "unlink", lambda self, missing_ok=False: None)
        try:
            act()
        except Killed:
            return True
    return False


def names(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir())


@pytest.mark.parametrize("exchanging", [True, False])
@pytest.mark.parametrize("call", ["open", "fsync", "replace", "rename", "mkdir"])
def test_overwriting_ended_at_any_call(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str, exchanging: bool
) -> None:
    """There is always the old run or the new one, by its own name after any command on it, and nothing else."""
    if not exchanging:

        def rename_twice(one: Path, other: Path) -> None:
            aside = files.hidden(other, f"old-{os.getpid()}")
            os.rename(other, aside)
            os.rename(one, other)
            os.rename(aside, one)

        monkeypatch.setattr(leftovers, "exchange", rename_twice)
    path = tmp_path / "a"
    for number in range(1, 20):
        shutil.rmtree(path, ignore_errors=True)
        RunDirectory.create(path, CONFIG)
        ended = killed_at(
            monkeypatch, call, number, lambda: RunDirectory.create(path, {**CONFIG, "seed": 2}, overwrite=True)
        )
        assert [Path(run["run"]).name for run in list_runs(tmp_path)] == ["a"]
        assert RunDirectory.open(path).config["seed"] in ((1, 2) if ended else (2,))
        with RunDirectory.open(path).locked():
            pass
        assert names(tmp_path) == ["a"]
        assert set(names(path)) <= {"config.json", ".lock"}
        if not ended:
            return
    raise AssertionError("it never came to its end")


@pytest.mark.parametrize("call", ["open", "replace", "rename", "mkdir"])
def test_making_ended_at_any_call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str) -> None:
    for number in range(1, 20):
        path = tmp_path / str(number)
        if not killed_at(monkeypatch, call, number, lambda path=path: RunDirectory.create(path, CONFIG)):
            break
        run = RunDirectory.create(path, CONFIG, overwrite=True)
        with run.locked():
            assert set(names(path)) == {"config.json", ".lock"}
    assert number < 19
    assert not [name for name in names(tmp_path) if name.startswith(".")]


def test_deleting_that_was_killed_is_finished(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    RunDirectory.create(tmp_path / "a", CONFIG)
    with monkeypatch.context() as patch:
        patch.setattr(shutil, "rmtree", lambda *arguments, **options: None)
        delete_run(tmp_path / "a")
    assert names(tmp_path) == [f".a.deleted-{os.getpid()}"]
    assert list_runs(tmp_path) == []
    assert names(tmp_path) == []


def test_what_a_living_process_makes_stays(tmp_path: Path) -> None:
    (tmp_path / ".a.new-1").mkdir()
    descriptor = os.open(tmp_path / ".a.new-1", os.O_RDONLY)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    leftovers.recover(tmp_path / "a")
    assert names(tmp_path) == [".a.new-1"]
    os.close(descriptor)
    leftovers.recover(tmp_path / "a")
    assert names(tmp_path) == []


def test_what_only_looks_like_it_stays(tmp_path: Path) -> None:
    kept = [".a.old-7", ".ab.new-7", ".a.new-x", ".a.new-7.b"]
    for name in kept:
        (tmp_path / name).mkdir()
    (tmp_path / ".a.new-8").symlink_to(tmp_path)
    (tmp_path / ".a.new-9").write_text("a file")
    leftovers.recover(tmp_path / "a")
    assert names(tmp_path) == sorted([*kept, ".a.new-8", ".a.new-9"])


def test_a_link_to_a_run_is_not_deleted(tmp_path: Path) -> None:
    run = RunDirectory.create(tmp_path / "a b", CONFIG)
    (tmp_path / "link").symlink_to(run.path)
    with pytest.raises(RunError, match=r"is a link; .*nascence runs delete '.*/a b'"):
        delete_run(tmp_path / "link")
    assert (tmp_path / "link").is_symlink()
    assert run.has("config.json")


@pytest.mark.parametrize("place", [".", "/", "..", "x/.."])
def test_no_run_takes_the_place_of_the_folder_one_is_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    (tmp_path / "x").mkdir()
    monkeypatch.chdir(tmp_path)
    for overwrite in (False, True):
        with pytest.raises(RunError, match="the folder you are in, or above it"):
            RunDirectory.create(place, CONFIG, overwrite)
    assert names(tmp_path) == ["x"]


def test_names_of_any_length(tmp_path: Path) -> None:
    path = tmp_path / ("ä" * 127)
    run = RunDirectory.create(path, CONFIG)
    run.write_json("b" * 250, {})
    RunDirectory.create(path, CONFIG, overwrite=True)
    with pytest.raises(RunError, match="name too long"):
        RunDirectory.create(tmp_path / ("n" * 256), CONFIG)
    assert names(tmp_path) == [path.name]
