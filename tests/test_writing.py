"""What a file may take the place of: a file, a link itself, and nothing else."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from nascence import writing
from nascence.cli import main
from nascence.errors import RunError
from nascence.writing import check_out, replacing, write_bytes


def test_files_and_links_themselves_are_replaced(tmp_path: Path) -> None:
    (tmp_path / "old").write_text("old")
    (tmp_path / "link").symlink_to("old")
    for name in ("old", "link", "new"):
        check_out(tmp_path / name, overwrite=True)
        write_bytes(tmp_path / name, name.encode())
        assert not (tmp_path / name).is_symlink()
    assert [(tmp_path / name).read_text() for name in ("old", "link", "new")] == ["old", "link", "new"]
    with pytest.raises(RunError, match=r"old exists already; choose another --out, or replace it with --overwrite\."):
        check_out(tmp_path / "old", overwrite=False)


@pytest.mark.parametrize("overwrite", [True, False])
def test_pipes_devices_and_folders_stay(tmp_path: Path, overwrite: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    os.mkfifo(tmp_path / "pipe")
    monkeypatch.setattr(writing.os, "replace", lambda *paths: pytest.fail(f"{paths} were touched"))
    for path, told in ((tmp_path / "pipe", "a pipe"), (Path("/dev/null"), "a device")):
        with pytest.raises(RunError, match=f"it is {told}, not a file"):
            check_out(path, overwrite)
        with pytest.raises(OSError, match=f"it is {told}, not a file"), replacing(path):
            pytest.fail("nothing is begun")
    with pytest.raises(RunError, match="is a directory; name a file with --out"):
        check_out(tmp_path, overwrite)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["pipe"]
    assert (tmp_path / "pipe").is_fifo()


@pytest.mark.parametrize(
    "line", ["measure --checks 1 --channels 2 --depth 1 --out pipe", "score --sample 2 --out pipe"]
)
def test_commands_refuse_them_before_any_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: str, capsys: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    os.mkfifo("pipe")
    assert main([*line.split(), *(["--overwrite"] if line.startswith("measure") else [])]) == 2
    assert "pipe" in capsys.readouterr().err
    assert Path("pipe").is_fifo()
