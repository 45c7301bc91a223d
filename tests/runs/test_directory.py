from __future__ import annotations

import errno
import os
import platform
import resource
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
import torch

from nascence import writing
from nascence.errors import RunError
from nascence.reading import read_json
from nascence.runs import SEARCH, RunDirectory, directory
from nascence.runs.directory import FORMAT

CONFIG = {"kind": "search", "seed": 3}


def hidden(path: Path) -> list[str]:
    return [entry.name for entry in path.iterdir() if entry.name.startswith(".") and entry.name != ".lock"]


def test_create_and_open(tmp_path: Path) -> None:
    made = RunDirectory.create(tmp_path / "deep" / "a", CONFIG)
    run = RunDirectory.open(str(tmp_path / "deep" / "a"))
    assert run.config == made.config
    assert run.config["seed"] == 3
    assert run.config["format"] == FORMAT
    assert run.config["python"] == platform.python_version()
    assert run.config["torch"] == torch.__version__
    assert not hidden(tmp_path / "deep")


def test_what_wrote_version_1_refuses_version_2_by_the_version_that_it_needs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other way round, version 1's own runs are opened: tests/goldens/test_old_runs.py."""
    made = RunDirectory.create(tmp_path / "a", CONFIG)
    before = {path.name: path.read_bytes() for path in made.path.iterdir() if path.is_file()}
    monkeypatch.setattr(directory, "FORMAT", 1)
    told = rf"newer Nascence \({made.config['nascence']}, run format 2; this one reads up to 1\); update with: pip"
    with pytest.raises(RunError, match=told):
        RunDirectory.open(tmp_path / "a")
    assert {path.name: path.read_bytes() for path in made.path.iterdir() if path.is_file()} == before


def test_an_existing_run_is_not_overwritten_unless_asked(tmp_path: Path) -> None:
    path = tmp_path / "a b"
    RunDirectory.create(path, CONFIG).write_json("architecture.json", {})
    with pytest.raises(RunError, match=r"nascence runs resume '.*/a b'.*--overwrite"):
        RunDirectory.create(path, {**CONFIG, "seed": 4})
    assert RunDirectory.open(path).config["seed"] == 3
    assert RunDirectory.create(path, {**CONFIG, "seed": 4}, overwrite=True).config["seed"] == 4
    assert RunDirectory.open(path).config["seed"] == 4
    assert not (path / "architecture.json").exists()
    assert not hidden(tmp_path)


def test_what_is_no_run_is_never_overwritten(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "cat.png").write_bytes(b"cat")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "config.json").write_text('{"lr": 1}')
    (tmp_path / "file").write_text("text")
    (tmp_path / "newer").mkdir()
    (tmp_path / "newer" / "config.json").write_text('{"format": 99, "nascence": "9.0", "kind": "search"}')
    (tmp_path / "link").symlink_to(tmp_path / "photos")
    for name in ("photos", "other", "file", "newer", "link"):
        with pytest.raises(RunError) as caught:
            RunDirectory.create(tmp_path / name, CONFIG, overwrite=True)
        assert "\n" not in str(caught.value)
    assert (tmp_path / "photos" / "cat.png").read_bytes() == b"cat"
    assert (tmp_path / "other" / "config.json").read_text() == '{"lr": 1}'
    assert not hidden(tmp_path)


def test_an_empty_directory_may_be_there(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    assert RunDirectory.create(tmp_path / "a", CONFIG).has("config.json")


def test_a_run_at_work_is_not_overwritten(tmp_path: Path) -> None:
    run = RunDirectory.create(tmp_path / "a", CONFIG)
    with run.locked(), pytest.raises(RunError, match="Another process"):
        RunDirectory.create(tmp_path / "a", CONFIG, overwrite=True)
    assert RunDirectory.open(tmp_path / "a").config == run.config


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "no config.json"),
        ("{", "not valid JSON"),
        ("[1]", "something else"),
        ('{"lr": 0.1}', "something else"),
        ('{"format": "1", "nascence": "0.1"}', "something else"),
        ('{"format": 3, "nascence": "0.9.0", "kind": "search"}', r"newer Nascence \(0.9.0, run format 3.*pip install"),
        ('{"format": 1, "nascence": "0.1.0"}', "what kind"),
    ],
)
def test_open_refuses_what_it_cannot_read(tmp_path: Path, content: str | None, message: str) -> None:
    if content is not None:
        (tmp_path / "config.json").write_text(content)
    with pytest.raises(RunError, match=message) as caught:
        RunDirectory.open(tmp_path)
    assert "\n" not in str(caught.value)


def test_open_missing(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"no run directory .*nothing"):
        RunDirectory.open(tmp_path / "nothing")


def test_update_config_keeps_the_rest(run: RunDirectory) -> None:
    run.update_config(training={"epochs": 3})
    again = RunDirectory.open(run.path)
    assert again.config["training"] == {"epochs": 3}
    assert again.config["seed"] == 0


def test_json_results_hold_no_invalid_numbers(run: RunDirectory) -> None:
    run.write_json("metrics.json", {"a": float("nan"), "b": (1.5, float("inf"))})
    assert read_json(run.path / "metrics.json") == {"a": None, "b": [1.5, None]}


def test_tensors_round_trip_and_damage_is_told(run: RunDirectory) -> None:
    run.write_tensors("model.pt", {"weight": torch.arange(3.0)})
    assert run.read_tensors("model.pt")["weight"].tolist() == [0, 1, 2]
    whole = (run.path / "model.pt").read_bytes()
    for damaged in (b"", whole[:100], whole[:-200], b"text", b"\x80\x04cos\nsystem\n."):
        (run.path / "model.pt").write_bytes(damaged)
        with pytest.raises(RunError, match=r"model.pt is damaged") as caught:
            run.read_tensors("model.pt")
        assert "\n" not in str(caught.value)
    with pytest.raises(RunError, match="Cannot read"):
        run.read_tensors("nothing.pt")


def test_events_leave_out_a_torn_line_and_tell_a_damaged_one(run: RunDirectory) -> None:
    assert run.events() == []
    (run.path / "events.jsonl").write_text('{"a": 1}\n{"a": 2}\n{"a"')
    assert run.events() == [{"a": 1}, {"a": 2}]
    run.cut_events(SEARCH, 1)
    assert (run.path / "events.jsonl").read_text() == '{"a": 1}\n'
    with pytest.raises(RunError, match="2 events were recorded, 1 are left"):
        run.cut_events(SEARCH, 2)
    (run.path / "events.jsonl").write_text("{}\n?\n")
    with pytest.raises(RunError, match="line 2"):
        run.events()


def test_the_lock_excludes_and_is_released(run: RunDirectory) -> None:
    assert not run.busy
    with run.locked():
        assert run.busy
        with pytest.raises(RunError, match="Another process is working"), RunDirectory.open(run.path).locked(0.05):
            pass
    assert not run.busy
    with run.locked(0.0):
        pass


def test_the_lock_of_a_killed_process_is_gone(run: RunDirectory) -> None:
    code = (
        "import sys, time; from nascence.runs import RunDirectory\n"
        "with RunDirectory.open(sys.argv[1]).locked(): print('locked', flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", code, str(run.path)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "locked\n"
        assert run.busy
        process.kill()
    with run.locked(0.0):
        assert run.busy


def test_unfinished_files_of_a_killed_process_are_removed(run: RunDirectory) -> None:
    (run.path / ".model.pt.tmp").write_bytes(b"half")
    with run.locked():
        assert not hidden(run.path)


@pytest.mark.parametrize(
    ("code", "message"),
    [
        (errno.ENOSPC, "No space is left on the device for .*checkpoint.pt"),
        (errno.EDQUOT, "No space is left"),
        (errno.EIO, r"Cannot write .*Input/output error"),
        (errno.EROFS, r"Cannot write .*Read-only file system"),
    ],
)
def test_a_failed_write_damages_nothing(
    run: RunDirectory, monkeypatch: pytest.MonkeyPatch, code: int, message: str
) -> None:
    run.write_tensors("checkpoint.pt", {"a": 1})

    def fail(descriptor: int) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(writing.os, "fsync", fail)
    with pytest.raises(RunError, match=message) as caught:
        run.write_tensors("checkpoint.pt", {"a": 2})
    assert f"nascence runs resume {run.path}" in str(caught.value)
    assert run.read_tensors("checkpoint.pt") == {"a": 1}
    assert not hidden(run.path)


def test_create_on_a_full_device_leaves_the_old_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    RunDirectory.create(tmp_path / "a", CONFIG)

    def fail(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "full")

    monkeypatch.setattr(writing.os, "fsync", fail)
    with pytest.raises(RunError, match="No space is left"):
        RunDirectory.create(tmp_path / "a", {**CONFIG, "seed": 9}, overwrite=True)
    with pytest.raises(RunError, match="No space is left"):
        RunDirectory.create(tmp_path / "b", CONFIG)
    assert RunDirectory.open(tmp_path / "a").config["seed"] == 3
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["a"]


def test_a_real_failing_write(run: RunDirectory) -> None:
    """The operating system itself refuses: a limit on the size of files, which Python reports as EFBIG."""
    run.write_tensors("checkpoint.pt", {"a": torch.ones(1)})
    code = """
        import sys, torch
        from nascence.errors import RunError
        from nascence.runs import RunDirectory
        try:
            RunDirectory.open(sys.argv[1]).write_tensors("checkpoint.pt", {"a": torch.ones(100_000)})
        except RunError as error:
            sys.exit(str(error))
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code), str(run.path)],
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000)),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert done.stderr.startswith(f"Cannot write {run.path / 'checkpoint.pt'} (File too large)")
    assert run.read_tensors("checkpoint.pt")["a"].tolist() == [1.0]
    assert not hidden(run.path)
