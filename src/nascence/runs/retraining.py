"""A training that is to take the place of a finished one: made in a folder of its own inside the run, so that the
finished one stays as it is until the new one is there, and for good if the new one fails.

The folder is a run directory's second half: ``config.json`` and ``architecture.json`` as they will be, then the
training's files. Its ``metrics.json``, written last, says that it is complete; from then on its files are moved into
the run, ``metrics.json`` last, and whoever opens the run next goes on with that after a kill.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nascence.runs import files

if TYPE_CHECKING:
    from nascence.runs.directory import RunDirectory

FOLDER = ".retraining"
MEMBERS = "members"
"""Where the members of an ensemble are trained, each in a run of its own."""
_MOVED = (
    "model.pt",
    "tuning.pt",
    "tuning.jsonl",
    "training.pt",
    "training.jsonl",
    "architecture.json",
    "config.json",
    "metrics.json",
)
_TUNING = ("tuning.pt", "tuning.jsonl")
"""What a training without tuning has none of."""


def begun(run: RunDirectory) -> RunDirectory | None:
    """The training that is under way beside the run's finished one, if there is one. Raises :class:`RunError`."""
    folder = run.path / FOLDER
    if folder.is_symlink() or not (folder / "config.json").is_file() or is_complete(run.path):
        return None
    return type(run)(folder, files.read_json(folder / "config.json"), part_of=run.path)


def begin(run: RunDirectory, config: Mapping[str, Any], architecture: Mapping[str, Any]) -> RunDirectory:
    """A fresh one; what stood there is gone. The caller holds the run's lock. Raises :class:`RunError`."""
    give_up(run)
    folder = run.path / FOLDER
    with run.writing(FOLDER):
        folder.mkdir()
        files.write_json(folder / "architecture.json", architecture)
        files.write_json(folder / "config.json", config)
    return type(run)(folder, files.read_json(folder / "config.json"), part_of=run.path)


def give_up(run: RunDirectory) -> None:
    """Remove it. The caller holds the run's lock."""
    folder = run.path / FOLDER
    if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
        folder.unlink()
    elif folder.is_dir():
        shutil.rmtree(folder, ignore_errors=True)


def is_complete(path: Path) -> bool:
    """Whether a finished one waits to take its place in the run at ``path``."""
    folder = path / FOLDER
    return not folder.is_symlink() and (folder / "metrics.json").is_file()


def take_place(path: Path) -> None:
    """Let a complete one take the place of the run's own. The caller holds the run's lock. Raises ``OSError``."""
    folder = path / FOLDER
    if (folder / MEMBERS).is_dir():
        shutil.rmtree(path / MEMBERS, ignore_errors=True)
        os.replace(folder / MEMBERS, path / MEMBERS)
    if "tuning" not in files.read_json(folder / "metrics.json"):
        for name in _TUNING:
            (path / name).unlink(missing_ok=True)
    for name in _MOVED:
        if (folder / name).is_file():
            os.replace(folder / name, path / name)
    files.sync_directory(path)
    shutil.rmtree(folder, ignore_errors=True)


def lost_members(run: RunDirectory) -> list[int]:
    """The indices of those members of a finished ensemble whose files are gone."""
    if not run.has("metrics.json"):
        return []
    count = len(run.read_json("metrics.json").get("members") or [])
    wanted = ("config.json", "metrics.json", "model.pt")
    return [at for at in range(count) if not all((run.path / MEMBERS / str(at) / name).is_file() for name in wanted)]


__all__ = ["FOLDER", "MEMBERS", "begin", "begun", "give_up", "is_complete", "lost_members", "take_place"]
