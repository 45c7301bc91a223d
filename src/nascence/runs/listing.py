"""Which runs there are, how far each is, and removing one."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

from nascence.errors import RunError
from nascence.runs import files
from nascence.runs.directory import SEARCH, STAGES, TRAINING, RunDirectory
from nascence.runs.execution import read_checkpoint

USUAL = Path("runs")
"""Where runs go that were not told where."""
_DEPTH = 3
_KNOWN = ("method", "space", "data", "seed", "created")


def list_runs(root: str | Path = USUAL) -> list[dict[str, Any]]:
    """One :func:`summary` for each run at or up to three levels below ``root``, in the order of their paths.

    A damaged or newer run is listed with ``state`` "unreadable" and ``problem``. Raises :class:`RunError` when ``root``
    is no directory; the usual place may be missing as long as nothing was run.
    """
    root = Path(root)
    if root == USUAL and not root.exists():
        return []
    if not root.is_dir():
        raise RunError(f"There is no directory {root}; 'nascence search' puts runs into ./runs unless told otherwise.")
    found = [path for level in range(_DEPTH + 1) for path in root.glob("*/" * level + "config.json")]
    summaries = []
    for path in sorted(file.parent for file in found if not any(part.startswith(".") for part in file.parts[:-1])):
        try:
            summaries.append(summary(RunDirectory.open(path)))
        except RunError as error:
            summaries.append({"run": str(path), "state": "unreadable", "problem": str(error)})
    return summaries


def summary(run: RunDirectory) -> dict[str, Any]:
    """``run`` (path), ``kind``, what it is about, ``state`` (running, stopped, finished), ``steps_done`` and
    ``total_steps`` of the stage that is under way or was the last, and the result as far as there is one."""
    facts: dict[str, Any] = {"run": str(run.path), "kind": run.config["kind"]}
    facts |= {name: run.config[name] for name in _KNOWN if name in run.config}
    unfinished = unfinished_stages(run)
    facts["state"] = "running" if run.busy else "stopped" if unfinished else "finished"
    begun = [stage for stage in STAGES if run.has(stage.checkpoint)]
    stage = next((stage for stage in STAGES if stage.name in unfinished), begun[-1] if begun else None)
    if stage is not None:
        facts |= {"stage": stage.name, "steps_done": 0, "total_steps": None}
    if stage in begun:
        saved = read_checkpoint(run, stage)
        facts |= {"steps_done": saved["steps_done"], "total_steps": saved["total_steps"]}
    if run.has("architecture.json"):
        facts["architecture"] = run.read_json("architecture.json").get("architecture")
    if run.has("metrics.json"):
        facts["accuracy"] = run.read_json("metrics.json").get("accuracy")
    return facts


def unfinished_stages(run: RunDirectory) -> list[str]:
    """Names of the stages that were asked for and have no result yet, in their order."""
    wanted = []
    if run.config["kind"] == SEARCH.name and not run.has("architecture.json"):
        wanted.append(SEARCH.name)
    if TRAINING.name in run.config and not run.has("metrics.json"):
        wanted.append(TRAINING.name)
    return wanted


def delete_run(path: str | Path) -> None:
    """Remove a run with everything in it. Raises :class:`RunError` when it is no run, or a process works on it."""
    run = RunDirectory.open(path)
    aside = run.path.with_name(f".{run.path.name}.deleted-{os.getpid()}")
    with run.locked(), files.explained(run.path):
        os.rename(run.path, aside)  # gone in one move, whatever happens while its files are removed
    shutil.rmtree(aside, ignore_errors=True)


__all__ = ["USUAL", "delete_run", "list_runs", "summary", "unfinished_stages"]
